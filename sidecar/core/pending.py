"""What a client waits for: its requests without an answer, in order, and whether one of them may commit."""

from __future__ import annotations

from collections import deque
from typing import Final

from sidecar.bolt import failure, messages

PENDING_MAX: Final = 1 << 16
"""Requests without an answer. Drivers pipeline a handful; beyond this the connection is no longer understood."""
_WITHIN: Final = frozenset(
    {
        messages.HELLO, messages.ACK_FAILURE, messages.RUN, messages.PULL, messages.DISCARD, messages.TELEMETRY,
        messages.ROUTE, messages.LOGON,
    }
)  # fmt: skip
"""They leave a transaction open. A request that we don't know may have ended it: nothing is said of it any more."""
_FETCHES: Final = frozenset({messages.PULL, messages.DISCARD})
_OURS: Final = -2
"""In the place of a signature: a ROUTE that is answered here once its turn comes."""


class Pending:
    """The conversation's state, as far as requests and the signatures of answers tell it."""

    __slots__ = ("_waiting", "failed", "farewell", "in_transaction", "tables")

    def __init__(self) -> None:
        self.in_transaction = False  # after all requests so far, if they succeed
        self.failed = False  # the server ignores what comes, until RESET
        self.farewell = False  # the client said GOODBYE: whatever closes next closes in order
        self._waiting: deque[tuple[int, bool]] = deque()  # (signature, may commit)
        self.tables: list[bytes] = []  # the answers to ROUTEs that wait for their turn

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first(self) -> int:
        """The signature of the request to be answered next; -1 for none."""
        return self._waiting[0][0] if self._waiting else -1

    @property
    def may_commit(self) -> bool:
        """Whether the server may be making something durable."""
        return any(may_commit for _, may_commit in self._waiting)

    @property
    def before_reset(self) -> int:
        """How many requests a server that failed the first of them, or the one before, does not take up."""
        return next((at for at, (one, _) in enumerate(self._waiting) if one == messages.RESET), len(self._waiting))

    def request(self, signature: int) -> None:
        """The client asked something."""
        if signature not in _WITHIN:
            if signature == messages.GOODBYE:
                self.farewell = True
                return  # it has no answer
            self.in_transaction = signature == messages.BEGIN
        # Outside of a transaction, what fetches a query's result commits it.
        may_commit = not self.in_transaction if signature in _FETCHES else signature not in messages.NEVER_COMMITS
        self._waiting.append((signature, may_commit))

    def route(self, answer: bytes) -> bytes:
        """The client asked for routes, and gets `answer` in its turn: what it gets now."""
        self._waiting.append((_OURS, False))
        self.tables.append(answer)
        return self.our_turn()

    def answered(self, signature: int) -> bool:
        """The server answered the first of them by SUCCESS, FAILURE or IGNORED. Whether that acknowledges a commit."""
        request, may_commit = self._waiting.popleft() if self._waiting else (-1, False)
        if signature == messages.FAILURE:
            self.failed = True
        elif request in (messages.RESET, messages.ACK_FAILURE):
            self.failed = False
        return may_commit and signature == messages.SUCCESS

    def our_turn(self) -> bytes:
        """The answers to the ROUTEs before which nothing waits any more."""
        due = b""
        while self._waiting and self._waiting[0][0] == _OURS:
            self._waiting.popleft()
            table = self.tables.pop(0)
            due += failure.IGNORED if self.failed else table
        return due

    def clear(self) -> None:
        """Nothing is known any more."""
        self._waiting.clear()
        self.tables.clear()
