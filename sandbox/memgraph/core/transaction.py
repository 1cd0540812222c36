"""One transaction over a graph: its own changes on top of the snapshot it began with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.graph import Graph, IndexKey, Node, index_value
from sandbox.memgraph.core.messages import Op

STATS: Final = (
    "nodes-created",
    "nodes-deleted",
    "relationships-created",
    "relationships-deleted",
    "labels-added",
    "labels-removed",
    "properties-set",
)


class Transaction:
    """Reads and buffered writes. `finish` must be called exactly once, after commit or abort."""

    def __init__(self, graph: Graph, *, writes: bool) -> None:
        self.graph = graph
        self.may_write = writes
        self.changes: dict[int, Node | None] = {}
        self.deleted: dict[int, Node] = {}
        self.index_ops: list[Op] = []
        self.stats: dict[str, int] = {}
        self.open = True
        self._version = graph.enter(self)

    def get(self, node_id: int) -> Node | None:
        """The node as this transaction sees it."""
        if node_id in self.changes:
            return self.changes[node_id]
        return self.graph.at(node_id, self._version)

    def scan(self, label: str | None = None) -> Iterator[Node]:
        """All visible nodes, or those with a label, each once."""
        candidates = self.graph.labelled(label) if label is not None else iter(tuple(self.graph.nodes))
        yield from self._visible(candidates, label)

    def find(self, label: str, key: str, value: Any) -> Iterator[Node]:
        """Candidates for label + property = value: all that match, and maybe more."""
        wanted = index_value(value)
        if wanted is None or not self.graph.has_property_index(label, key):
            yield from self.scan(label)
        else:
            yield from self._visible(self.graph.find(label, key, wanted), label)

    def _visible(self, candidates: Iterator[int], label: str | None) -> Iterator[Node]:
        seen: set[int] = set()
        for source in (candidates, tuple(self.changes), tuple(self.graph.hidden()) if label is None else ()):
            for node_id in source:
                if node_id in seen:
                    continue
                seen.add(node_id)
                node = self.get(node_id)
                if node is not None and (label is None or label in node.labels):
                    yield node

    def create(self, labels: tuple[str, ...], properties: dict[str, Any]) -> Node:
        """A new node."""
        node = Node(self.graph.next_id, labels, properties)
        self.graph.next_id += 1
        self.changes[node.id] = node
        self._count("nodes-created", 1)
        self._count("labels-added", len(labels))
        self._count("properties-set", len(properties))
        return node

    def replace(self, node: Node) -> None:
        """A node's new version."""
        old = self._claim(node.id)
        self._count("labels-added", len(set(node.labels) - set(old.labels)))
        self._count("labels-removed", len(set(old.labels) - set(node.labels)))
        self.changes[node.id] = node

    def delete(self, node_id: int) -> None:
        """Delete; a node that is gone already is no error."""
        if self.get(node_id) is None:
            return
        self.deleted[node_id] = self._claim(node_id)
        self.changes[node_id] = None
        self._count("nodes-deleted", 1)

    def _claim(self, node_id: int) -> Node:
        node = self.get(node_id)
        if node is None:
            raise errors.QueryError("Trying to set properties on a deleted object.")
        if node_id not in self.changes:
            if self.graph.changed_since(node_id, self._version) or self.graph.writers.get(node_id, self) is not self:
                raise errors.QueryError(errors.CONFLICT, errors.TRANSIENT)
            self.graph.writers[node_id] = self
        return node

    def set_count(self, properties: int) -> None:
        """Count properties written by a change."""
        self._count("properties-set", properties)

    def _count(self, name: str, amount: int) -> None:
        if amount:
            self.stats[name] = self.stats.get(name, 0) + amount

    def take_stats(self) -> dict[str, int] | None:
        """All seven counters of one statement, or None if it changed nothing."""
        stats, self.stats = self.stats, {}
        return {name: stats.get(name, 0) for name in STATS} if stats else None

    def make_index(self, key: IndexKey) -> None:
        """Buffer an index change."""
        self.index_ops.append(["i", key[0], list(key[1])])

    def drop_index(self, key: IndexKey) -> None:
        """Buffer an index change."""
        self.index_ops.append(["x", key[0], list(key[1])])

    def ops(self) -> list[Op]:
        """What a commit has to apply. A node made and deleted here leaves nothing."""
        ops: list[Op] = []
        for node_id, node in self.changes.items():
            if node is not None:
                ops.append(["n", node_id, list(node.labels), node.properties])
            elif self.graph.at(node_id, self._version) is not None:
                ops.append(["d", node_id])
        return ops + self.index_ops

    def finish(self) -> None:
        """Let go of the snapshot and of claimed nodes."""
        if not self.open:
            return
        self.open = False
        for node_id in self.changes:
            if self.graph.writers.get(node_id) is self:
                del self.graph.writers[node_id]
        self.graph.leave(self)
