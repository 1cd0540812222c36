"""What expressions refer to besides the row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sandbox.memgraph.core.cypher.values import EdgeRef, NodeRef
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage.graph import Node, Relationship
from sandbox.memgraph.core.storage.transaction import Transaction

Row: TypeAlias = dict[str, Any]
_DELETED: Final = "Trying to get a property from a deleted object."


@dataclass(frozen=True, slots=True)
class Context:
    """The transaction and the parameters of one query."""

    transaction: Transaction
    parameters: Mapping[str, Any]

    def node(self, reference: NodeRef) -> Node:
        """A node's visible version; of a node deleted in this transaction, its last one."""
        node = self.transaction.nodes.last(reference.id)
        if node is None:
            raise QueryError(_DELETED)
        return node

    def edge(self, reference: EdgeRef) -> Relationship:
        """As `node`, of a relationship."""
        edge = self.transaction.edges.last(reference.id)
        if edge is None:
            raise QueryError(_DELETED)
        return edge

    def entity(self, reference: NodeRef | EdgeRef) -> Node | Relationship:
        """As `node` and `edge`, of either."""
        return self.node(reference) if isinstance(reference, NodeRef) else self.edge(reference)

    def resolve(self, value: Any) -> Any:
        """References to nodes and relationships, also inside lists and maps."""
        if isinstance(value, NodeRef | EdgeRef):
            return self.entity(value)
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if isinstance(value, dict):
            return {key: self.resolve(item) for key, item in value.items()}
        return value
