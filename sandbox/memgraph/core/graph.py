"""Nodes, indexes, and old versions for the transactions that still read them (snapshot isolation)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from sandbox.memgraph.core.messages import Op

IndexKey: TypeAlias = tuple[str, tuple[str, ...]]
"""Label and properties; no properties: a label index."""


@dataclass(frozen=True, slots=True)
class Node:
    """One version of a node. Never changed: a change makes another version."""

    id: int
    labels: tuple[str, ...]
    properties: dict[str, Any]


def index_value(value: Any) -> Any:
    """A hashable stand-in with Cypher's equality (1 = 1.0, but 1 <> true), or None if the value isn't indexed."""
    if isinstance(value, bool):
        return ("bool", value)
    return value if isinstance(value, int | float | str) else None


class Graph:
    """The committed state. `version` grows by one with each applied commit; it is local, not a timestamp."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}
        self.next_id = 0
        self.version = 0
        self.indexes: dict[IndexKey, None] = {}
        self._by_label: dict[str, dict[int, None]] = {}
        self._by_property: dict[tuple[str, str], dict[Any, dict[int, None]]] = {}
        self._old: dict[int, deque[tuple[int, Node | None]]] = {}
        self._old_order: deque[tuple[int, int]] = deque()
        self.readers: dict[object, int] = {}
        self.writers: dict[int, object] = {}

    def apply(self, ops: list[Op]) -> None:
        """Commit changes, keeping what running readers still see."""
        self.version += 1
        for op in ops:
            match op:
                case ["n", node_id, labels, properties]:
                    self._put(node_id, Node(node_id, tuple(labels), properties))
                    self.next_id = max(self.next_id, node_id + 1)
                case ["d", node_id]:
                    self._put(node_id, None)
                case ["i", label, properties]:
                    self._make_index((label, tuple(properties)))
                case ["x", label, properties]:
                    self.indexes.pop((label, tuple(properties)), None)
                    if len(properties) == 1:
                        self._by_property.pop((label, properties[0]), None)
                case _:
                    raise ValueError(f"unknown change: {op!r}")

    def _put(self, node_id: int, new: Node | None) -> None:
        old = self.nodes.get(node_id)
        if self.readers:
            self._old.setdefault(node_id, deque()).append((self.version, old))
            self._old_order.append((self.version, node_id))
        if old is not None:
            self._unindex(old, new)
        if new is None:
            self.nodes.pop(node_id, None)
            return
        self.nodes[node_id] = new
        for label in new.labels:
            self._by_label.setdefault(label, {})[node_id] = None
        for (label, key), values in self._by_property.items():
            if label in new.labels and (value := index_value(new.properties.get(key))) is not None:
                values.setdefault(value, {})[node_id] = None

    def _unindex(self, old: Node, new: Node | None) -> None:
        for label in old.labels:
            if new is None or label not in new.labels:
                self._by_label[label].pop(old.id, None)
        for (label, key), values in self._by_property.items():
            value = index_value(old.properties.get(key)) if label in old.labels else None
            if value is not None and value in values:
                values[value].pop(old.id, None)
                if not values[value]:
                    del values[value]

    def _make_index(self, key: IndexKey) -> None:
        self.indexes[key] = None
        label, properties = key
        if len(properties) != 1:
            return
        values: dict[Any, dict[int, None]] = {}
        for node_id in self._by_label.get(label, {}):
            value = index_value(self.nodes[node_id].properties.get(properties[0]))
            if value is not None:
                values.setdefault(value, {})[node_id] = None
        self._by_property[(label, properties[0])] = values

    def has_property_index(self, label: str, key: str) -> bool:
        """Whether `find` knows this label and property."""
        return (label, key) in self._by_property

    def labelled(self, label: str) -> Iterator[int]:
        """Ids that have the label now, or had it in a version somebody may still read."""
        yield from tuple(self._by_label.get(label, ()))
        yield from tuple(self._old)

    def find(self, label: str, key: str, value: Any) -> Iterator[int]:
        """Ids by index, with the same allowance for old versions as `labelled`."""
        yield from tuple(self._by_property[(label, key)].get(value, ()))
        yield from tuple(self._old)

    def count(self, key: IndexKey) -> int:
        """How many nodes an index holds."""
        label, properties = key
        ids = self._by_label.get(label, {})
        if not properties:
            return len(ids)
        return sum(all(name in self.nodes[i].properties for name in properties) for i in ids)

    def at(self, node_id: int, version: int) -> Node | None:
        """The node as a reader that began at `version` sees it."""
        for changed_at, old in self._old.get(node_id, ()):
            if changed_at > version:
                return old
        return self.nodes.get(node_id)

    def changed_since(self, node_id: int, version: int) -> bool:
        """Whether a later commit touched the node (only asked by a registered reader)."""
        old = self._old.get(node_id)
        return bool(old and old[-1][0] > version)

    def hidden(self) -> Iterator[int]:
        """Ids that somebody may still read in an older version, deleted ones included."""
        return iter(self._old)

    def enter(self, reader: object) -> int:
        """A transaction begins: old versions are kept for it."""
        self.readers[reader] = self.version
        return self.version

    def leave(self, reader: object) -> None:
        """A transaction ended: forget versions that nobody reads."""
        self.readers.pop(reader, None)
        oldest = min(self.readers.values(), default=self.version)
        while self._old_order and self._old_order[0][0] <= oldest:
            _, node_id = self._old_order.popleft()
            versions = self._old[node_id]
            versions.popleft()
            if not versions:
                del self._old[node_id]

    def dump(self) -> list[Op]:
        """The whole state as changes to an empty graph."""
        ops: list[Op] = [["n", node.id, list(node.labels), node.properties] for node in self.nodes.values()]
        return ops + [["i", label, list(properties)] for label, properties in self.indexes]
