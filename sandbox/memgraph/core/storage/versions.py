"""Objects by id in many versions, and one transaction's changes to them (snapshot isolation)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from sandbox.memgraph.core import errors

T = TypeVar("T")


class Versions(Generic[T]):
    """Committed versions: `current`, and the older ones that somebody may still read. `writers` holds claimed ids."""

    def __init__(self) -> None:
        self.current: dict[int, T] = {}
        self.next_id = 0
        self.writers: dict[int, object] = {}
        self._old: dict[int, deque[tuple[int, T | None]]] = {}
        self._order: deque[tuple[int, int]] = deque()

    def put(self, key: int, new: T | None, version: int, *, keep: bool) -> T | None:
        """A commit's new state of one object (None: it is gone). `keep` the old one, which is also the result."""
        old = self.current.get(key)
        if keep:
            self._old.setdefault(key, deque()).append((version, old))
            self._order.append((version, key))
        if new is None:
            self.current.pop(key, None)
        else:
            self.current[key] = new
            self.next_id = max(self.next_id, key + 1)
        return old

    def at(self, key: int, version: int) -> T | None:
        """The object as a reader that began at `version` sees it."""
        for changed_at, old in self._old.get(key, ()):
            if changed_at > version:
                return old
        return self.current.get(key)

    def changed_since(self, key: int, version: int) -> bool:
        """Whether a later commit touched the object (only asked by a registered reader)."""
        old = self._old.get(key)
        return bool(old and old[-1][0] > version)

    def hidden(self) -> tuple[int, ...]:
        """Ids that somebody may still read in an older version, deleted ones included."""
        return tuple(self._old)

    def forget(self, oldest: int) -> None:
        """Nobody reads versions before `oldest` any more."""
        while self._order and self._order[0][0] <= oldest:
            _, key = self._order.popleft()
            versions = self._old[key]
            versions.popleft()
            if not versions:
                del self._old[key]


class Changes(Generic[T]):
    """What one transaction sees of `Versions`, and its own buffered changes (None: deleted by it)."""

    def __init__(self, versions: Versions[T], version: int) -> None:
        self.buffer: dict[int, T | None] = {}
        self.deleted: dict[int, T] = {}
        self._versions = versions
        self._version = version
        self._claimed: set[int] = set()

    def get(self, key: int) -> T | None:
        """The object as this transaction sees it."""
        if key in self.buffer:
            return self.buffer[key]
        return self.before(key)

    def last(self, key: int) -> T | None:
        """As `get`, but what this transaction deleted is still there."""
        return self.get(key) or self.deleted.get(key)

    def before(self, key: int) -> T | None:
        """The object as it was when the transaction began."""
        return self._versions.at(key, self._version)

    def new_id(self) -> int:
        """An id of its own for a new object."""
        self._versions.next_id += 1
        return self._versions.next_id - 1

    def made_here(self, key: int) -> bool:
        """Whether nobody else can know the object."""
        return key in self.buffer and self.before(key) is None

    def claim(self, key: int) -> None:
        """Become the one who may change it until the end. Raises QueryError where somebody else did or may."""
        if key in self._claimed or self.made_here(key):
            return
        if self._versions.changed_since(key, self._version) or key in self._versions.writers:
            raise conflict()
        self._versions.writers[key] = self
        self._claimed.add(key)

    def claimed_elsewhere(self, key: int) -> bool:
        """Whether another transaction changes it, or changed it since this one began."""
        owner = self._versions.writers.get(key, self)
        return owner is not self or self._versions.changed_since(key, self._version)

    def delete(self, key: int) -> None:
        """Forget a visible, claimed object."""
        last = self.get(key)
        assert last is not None
        self.deleted[key] = last
        self.buffer[key] = None

    def upserts(self) -> Iterable[T]:
        """New states to be committed."""
        return (value for value in self.buffer.values() if value is not None)

    def removals(self) -> Iterable[int]:
        """Committed objects that this transaction deletes. What it also made itself leaves nothing."""
        return (key for key, value in self.buffer.items() if value is None and not self.made_here(key))

    def release(self) -> None:
        """Let go of all claims."""
        for key in self._claimed:
            del self._versions.writers[key]
        self._claimed.clear()


def conflict() -> errors.QueryError:
    """Two transactions want to change the same object; the later one may be tried again."""
    return errors.QueryError(errors.CONFLICT, errors.TRANSIENT)
