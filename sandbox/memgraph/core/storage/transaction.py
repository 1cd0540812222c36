"""One transaction over a graph: its own changes on top of the snapshot it began with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.storage import types
from sandbox.memgraph.core.storage.changes import Op
from sandbox.memgraph.core.storage.graph import Graph, Node, Relationship, index_value
from sandbox.memgraph.core.storage.versions import Changes, conflict

STATS: Final = (
    "nodes-created",
    "nodes-deleted",
    "relationships-created",
    "relationships-deleted",
    "labels-added",
    "labels-removed",
    "properties-set",
)
STILL_CONNECTED: Final = "Failed to remove node because of its existing connections. Consider using DETACH DELETE."


class Transaction:
    """Reads and buffered writes. `finish` must be called exactly once, after commit or abort.

    `unindexed_labels`, `unindexed_types`: labels it added and types of relationships it made that had no index when it
    began, whether or not they are still there at its end.
    """

    def __init__(self, graph: Graph, *, writes: bool) -> None:
        self.graph = graph
        self.may_write = writes
        self.schema_ops: list[Op] = []
        self.stats: dict[str, int] = {}
        self.open = True
        self.committed = False
        self._version = graph.enter(self)
        self.nodes = Changes(graph.all_nodes, self._version)
        self.edges = Changes(graph.all_edges, self._version)
        self._linked: set[int] = set()
        self._own_labels: dict[str, dict[int, None]] = {}
        self._own_values: dict[tuple[str, str], dict[Any, dict[int, None]]] = {
            key: {} for key in graph.lookup.property_keys()
        }
        self._own_edges: dict[int, dict[int, None]] = {}
        self._indexed = {label for label, properties in graph.indexes if not properties}
        self._indexed_types = {kind for kind, properties in graph.edge_indexes if not properties}
        self.unindexed_labels: dict[str, None] = {}
        self.unindexed_types: dict[str, None] = {}

    # Reading

    def get(self, node_id: int) -> Node | None:
        """The node as this transaction sees it."""
        return self.nodes.get(node_id)

    def scan(self, label: str | None = None) -> Iterator[Node]:
        """All visible nodes, or those with a label, each once."""
        if label is not None:
            yield from self._visible(self.graph.labelled(label), self._own_labels.get(label, {}), label)
            return
        seen: set[int] = set()
        for source in (tuple(self.graph.nodes), tuple(self.nodes.buffer), self.graph.all_nodes.hidden()):
            yield from self._new(source, seen)

    def find(self, label: str, key: str, value: Any) -> Iterator[Node]:
        """Candidates for label + property = value: all that match, and maybe more."""
        wanted = index_value(value)
        if wanted is None or not self.graph.lookup.has(label, key):
            yield from self.scan(label)
        else:
            own = self._own_labels.get(label, {})
            if (label, key) in self._own_values:  # else the index came after this transaction's beginning
                own = self._own_values[(label, key)].get(wanted, {})
            yield from self._visible(self.graph.find(label, key, wanted), own, label)

    def _visible(self, candidates: Iterator[int], own: dict[int, None], label: str) -> Iterator[Node]:
        seen: set[int] = set()
        for source in (candidates, tuple(own)):
            for node in self._new(source, seen):
                if label in node.labels:
                    yield node

    def _new(self, ids: Iterable[int], seen: set[int]) -> Iterator[Node]:
        for node_id in ids:
            if node_id not in seen:
                seen.add(node_id)
                node = self.nodes.get(node_id)
                if node is not None:
                    yield node

    def edges_at(self, node_id: int) -> Iterator[Relationship]:
        """Visible relationships of a node, each once."""
        seen: set[int] = set()
        for source in (self.graph.edges_at(node_id), tuple(self._own_edges.get(node_id, ()))):
            for edge_id in source:
                if edge_id not in seen:
                    seen.add(edge_id)
                    edge = self.edges.get(edge_id)
                    if edge is not None and node_id in (edge.start, edge.end):
                        yield edge

    # Nodes

    def create(self, labels: tuple[str, ...], properties: dict[str, Any]) -> Node:
        """A new node. Raises QueryError if a property has a type that a constraint forbids."""
        node = Node(self.nodes.new_id(), labels, properties)
        self._buffer(node)
        self._count("nodes-created", 1)
        self._label(labels)
        self._count("properties-set", len(properties))
        return node

    def replace(self, node: Node) -> None:
        """A node's new version. Raises QueryError as `create`."""
        old = self._alive(self.nodes.get(node.id))
        self._claim_node(node.id)
        self._label([label for label in node.labels if label not in old.labels])
        self._count("labels-removed", len(set(old.labels) - set(node.labels)))
        self._buffer(node)

    def _label(self, added: Sequence[str]) -> None:
        self._count("labels-added", len(added))
        self.unindexed_labels |= {label: None for label in added if label not in self._indexed}

    def _buffer(self, node: Node) -> None:
        types.check(self.graph.types, node)
        self.nodes.buffer[node.id] = node
        for label in node.labels:
            self._own_labels.setdefault(label, {})[node.id] = None
        for (label, key), values in self._own_values.items():
            value = index_value(node.properties.get(key)) if label in node.labels else None
            if value is not None:
                values.setdefault(value, {})[node.id] = None

    def delete(self, node_id: int, *, detach: bool) -> None:
        """Delete; a node that is gone already is no error. Raises QueryError if it still has relationships."""
        if self.nodes.get(node_id) is None:
            return
        for edge in tuple(self.edges_at(node_id)):
            if not detach:
                raise errors.QueryError(STILL_CONNECTED)
            self.disconnect(edge.id)
        self._claim_node(node_id)
        self.nodes.delete(node_id)
        self._count("nodes-deleted", 1)

    def _claim_node(self, node_id: int) -> None:
        others = self.graph.linkers.get(node_id)
        if self.graph.linked.get(node_id, 0) > self._version or (others and others != {self}):
            raise conflict()
        if self.graph.unlinked.get(node_id, 0) > self._version:
            raise conflict()
        self.nodes.claim(node_id)

    # Relationships

    def connect(self, kind: str, start: int, end: int, properties: dict[str, Any]) -> Relationship:
        """A new relationship."""
        for node_id in (start, end):
            if self.nodes.get(node_id) is None:
                raise errors.QueryError("Trying to create an edge on a deleted node.")
            self._link(node_id)
        edge = Relationship(self.edges.new_id(), kind, start, end, properties)
        self.edges.buffer[edge.id] = edge
        for node_id in (start, end):
            self._own_edges.setdefault(node_id, {})[edge.id] = None
        self._count("relationships-created", 1)
        if kind not in self._indexed_types:
            self.unindexed_types[kind] = None
        self._count("properties-set", len(properties))
        return edge

    def _link(self, node_id: int) -> None:
        if node_id in self._linked or self.nodes.made_here(node_id):
            return
        if self.nodes.claimed_elsewhere(node_id) or self.graph.unlinked.get(node_id, 0) > self._version:
            raise conflict()
        self.graph.linkers.setdefault(node_id, set()).add(self)
        self._linked.add(node_id)

    def replace_edge(self, edge: Relationship) -> None:
        """A relationship's new version."""
        self._alive(self.edges.get(edge.id))
        self.edges.claim(edge.id)
        self.edges.buffer[edge.id] = edge

    def disconnect(self, edge_id: int) -> None:
        """Delete a relationship; one that is gone already is no error."""
        edge = self.edges.get(edge_id)
        if edge is None:
            return
        self.edges.claim(edge_id)
        for node_id in (edge.start, edge.end):
            self._claim_node(node_id)
        self.edges.delete(edge_id)
        self._count("relationships-deleted", 1)

    @staticmethod
    def _alive(found: Node | Relationship | None) -> Any:
        if found is None:
            raise errors.QueryError("Trying to set properties on a deleted object.")
        return found

    # Statistics

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

    # End

    def ops(self) -> list[Op]:
        """What a commit has to apply. What was made and deleted here leaves nothing."""
        ops: list[Op] = [["n", node.id, list(node.labels), node.properties] for node in self.nodes.upserts()]
        ops += [["r", e.id, e.type, e.start, e.end, e.properties] for e in self.edges.upserts()]
        ops += [["rd", edge_id] for edge_id in self.edges.removals()]
        ops += [["d", node_id] for node_id in self.nodes.removals()]
        return ops + self.schema_ops

    def changes_data(self) -> bool:
        """Whether nodes or relationships were touched, not only indexes or constraints."""
        return bool(self.nodes.buffer or self.edges.buffer)

    def finish(self) -> None:
        """Let go of the snapshot and of claimed objects."""
        if not self.open:
            return
        self.open = False
        self.nodes.release()
        self.edges.release()
        for node_id in self._linked:
            self.graph.linkers[node_id].discard(self)
            if not self.graph.linkers[node_id]:
                del self.graph.linkers[node_id]
        self.graph.leave(self)
