"""Nodes, relationships, indexes and constraints, with old versions for the transactions that still read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from sandbox.memgraph.core.storage.changes import Op
from sandbox.memgraph.core.storage.indexes import IndexKey, Node, NodeIndexes, index_value
from sandbox.memgraph.core.storage.versions import Versions

__all__ = ["Graph", "IndexKey", "Node", "Relationship", "index_value"]

EdgeIndexKey: TypeAlias = tuple[str | None, tuple[str, ...]]
"""Type and at most one property; no type: an index on that property of all relationships."""
ConstraintKey: TypeAlias = tuple[str, str, tuple[str, ...]]
"""`exists` or `unique`, label, properties."""
Types: TypeAlias = dict[tuple[str, str], str]
"""Type constraints: label and property to the type's name, as SHOW CONSTRAINT INFO prints it."""


@dataclass(frozen=True, slots=True)
class Relationship:
    """One version of a relationship from node `start` to node `end`."""

    id: int
    type: str
    start: int
    end: int
    properties: dict[str, Any]


class Graph:
    """The committed state. `version` grows by one with each applied commit; it is local, not a timestamp.

    `linked` and `unlinked` say in which version a node last got or lost a relationship, as long as anybody reads:
    getting one is no conflict with getting another, losing one is with everything (as in Memgraph).
    """

    def __init__(self) -> None:
        self.version = 0
        self.all_nodes: Versions[Node] = Versions()
        self.all_edges: Versions[Relationship] = Versions()
        self.lookup = NodeIndexes()
        self.indexes: dict[IndexKey, None] = {}
        self.edge_indexes: dict[EdgeIndexKey, None] = {}
        self.constraints: dict[ConstraintKey, None] = {}
        self.types: Types = {}
        self.statistics: dict[IndexKey, None] = {}
        self.readers: dict[object, int] = {}
        self.linked: dict[int, int] = {}
        self.unlinked: dict[int, int] = {}
        self.linkers: dict[int, set[object]] = {}
        self._at_node: dict[int, dict[int, None]] = {}

    @property
    def nodes(self) -> dict[int, Node]:
        """Current nodes by id."""
        return self.all_nodes.current

    @property
    def edges(self) -> dict[int, Relationship]:
        """Current relationships by id."""
        return self.all_edges.current

    @property
    def edge_count(self) -> int:
        """How many relationships there are."""
        return len(self.all_edges.current)

    @property
    def next_ids(self) -> list[int]:
        """The ids that the next node and the next relationship get."""
        return [self.all_nodes.next_id, self.all_edges.next_id]

    @next_ids.setter
    def next_ids(self, ids: list[int]) -> None:
        self.all_nodes.next_id, self.all_edges.next_id = ids

    def reserve(self, ids: list[int]) -> None:
        """Ids below these have been used (empty: nothing is known)."""
        if ids:
            self.next_ids = [max(pair) for pair in zip(self.next_ids, ids, strict=True)]

    def apply(self, ops: list[Op]) -> None:
        """Commit changes, keeping what running readers still see."""
        self.version += 1
        for op in ops:
            match op:
                case ["n", node_id, labels, properties]:
                    self._put_node(node_id, Node(node_id, tuple(labels), properties))
                case ["d", node_id]:
                    self._put_node(node_id, None)
                case ["r", edge_id, kind, start, end, properties]:
                    self._put_edge(edge_id, Relationship(edge_id, kind, start, end, properties))
                case ["rd", edge_id]:
                    self._put_edge(edge_id, None)
                case _:
                    self._change_schema(op)

    def _put_node(self, node_id: int, new: Node | None) -> None:
        self.lookup.move(self.all_nodes.put(node_id, new, self.version, keep=bool(self.readers)), new)

    def _put_edge(self, edge_id: int, new: Relationship | None) -> None:
        old = self.all_edges.put(edge_id, new, self.version, keep=bool(self.readers))
        if (old is None) is (new is None):
            return
        ends = old or new
        assert ends is not None
        for node_id in (ends.start, ends.end):
            if new is not None:
                self._at_node.setdefault(node_id, {})[edge_id] = None
            elif node_id in self._at_node:
                self._at_node[node_id].pop(edge_id, None)
                if not self._at_node[node_id]:
                    del self._at_node[node_id]
            if self.readers:
                (self.unlinked if new is None else self.linked)[node_id] = self.version

    def _change_schema(self, op: Op) -> None:
        match op:
            case ["i", label, properties]:
                self.indexes[(label, tuple(properties))] = None
                if len(properties) == 1:
                    self.lookup.add_property(label, properties[0], self.nodes)
            case ["x", label, properties]:
                self.indexes.pop((label, tuple(properties)), None)
                if len(properties) == 1:
                    self.lookup.drop_property(label, properties[0])
                self._drop_statistics(label, tuple(properties))
            case ["ri", kind, properties]:
                self.edge_indexes[(kind, tuple(properties))] = None
            case ["rx", kind, properties]:
                self.edge_indexes.pop((kind, tuple(properties)), None)
            case ["c", kind, label, properties]:
                self.constraints[(kind, label, tuple(properties))] = None
                if kind == "unique":
                    self.lookup.add_unique((label, tuple(properties)), self.nodes)
            case ["cx", kind, label, properties]:
                self.constraints.pop((kind, label, tuple(properties)), None)
                if kind == "unique":
                    self.lookup.drop_unique((label, tuple(properties)))
            case ["t", label, name, wanted]:
                self.types[(label, name)] = wanted
            case ["tx", label, name]:
                self.types.pop((label, name), None)
            case ["s", label, properties]:
                self.statistics[(label, tuple(properties))] = None
            case ["sx", label, of_properties]:
                self.clear_statistics(label, of_properties=of_properties)
            case _:
                raise ValueError(f"unknown change: {op!r}")

    def _drop_statistics(self, label: str, properties: tuple[str, ...]) -> None:
        """Those of a dropped index and of its prefixes go, unless another index has them; a label's own ones stay."""
        for length in range(1, len(properties) + 1):
            prefix = properties[:length]
            if not any(other == label and names[:length] == prefix for other, names in self.indexes):
                self.statistics.pop((label, prefix), None)

    def clear_statistics(self, label: str, *, of_properties: bool) -> list[IndexKey]:
        """Forget those of the label's own index, or of all its indexes over properties; which there were."""
        gone = [key for key in self.statistics if key[0] == label and bool(key[1]) is of_properties]
        for key in gone:
            del self.statistics[key]
        return gone

    def labelled(self, label: str) -> Iterator[int]:
        """Ids that have the label now, or had it in a version somebody may still read."""
        yield from tuple(self.lookup.labelled(label))
        yield from self.all_nodes.hidden()

    def find(self, label: str, key: str, value: Any) -> Iterator[int]:
        """Ids by index, with the same allowance for old versions as `labelled`."""
        yield from self.lookup.find(label, key, value)
        yield from self.all_nodes.hidden()

    def edges_at(self, node_id: int) -> Iterator[int]:
        """Relationships of a node by id, with the same allowance for old versions as `labelled`."""
        yield from tuple(self._at_node.get(node_id, ()))
        yield from self.all_edges.hidden()

    def enter(self, reader: object) -> int:
        """A transaction begins: old versions are kept for it."""
        self.readers[reader] = self.version
        return self.version

    def leave(self, reader: object) -> None:
        """A transaction ended: forget versions that nobody reads."""
        self.readers.pop(reader, None)
        oldest = min(self.readers.values(), default=self.version)
        self.all_nodes.forget(oldest)
        self.all_edges.forget(oldest)
        if not self.readers:
            self.linked.clear()
            self.unlinked.clear()

    def dump(self) -> list[Op]:
        """The whole state as changes to an empty graph."""
        ops: list[Op] = [["n", node.id, list(node.labels), node.properties] for node in self.nodes.values()]
        ops += [["r", e.id, e.type, e.start, e.end, e.properties] for e in self.edges.values()]
        ops += [["i", label, list(properties)] for label, properties in self.indexes]
        ops += [["ri", kind, list(properties)] for kind, properties in self.edge_indexes]
        ops += [["c", kind, label, list(properties)] for kind, label, properties in self.constraints]
        ops += [["t", label, name, wanted] for (label, name), wanted in self.types.items()]
        return ops + [["s", label, list(properties)] for label, properties in self.statistics]
