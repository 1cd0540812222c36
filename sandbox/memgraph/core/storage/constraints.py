"""Existence and uniqueness of properties: checked when a transaction commits and when a constraint is made."""

from __future__ import annotations

from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage import types
from sandbox.memgraph.core.storage.graph import ConstraintKey, Graph, Node
from sandbox.memgraph.core.storage.indexes import unique_value
from sandbox.memgraph.core.storage.transaction import Transaction

_WORDS = {"exists": "existence", "unique": "unique"}


class ConstraintViolation(QueryError):
    """A commit would break a constraint."""


def check(graph: Graph, transaction: Transaction) -> None:
    """Raise ConstraintViolation if the transaction's changes break a constraint of what is committed now."""
    for op in transaction.schema_ops:
        if op[0] == "c":  # checked when it was made, but another transaction may have committed since
            check_existing(graph, (op[1], op[2], tuple(op[3])))
        elif op[0] == "t":
            types.check_existing(graph, op[1], op[2], op[3])
    if not graph.constraints:
        return
    changed = list(transaction.nodes.upserts())
    for key in graph.constraints:
        kind, label, properties = key
        if _broken(key, changed) or (kind == "unique" and _taken(graph, transaction, key, changed)):
            raise ConstraintViolation(
                f"Unable to commit due to {_WORDS[kind]} constraint violation on :{label}({', '.join(properties)})"
            )


def check_existing(graph: Graph, key: ConstraintKey) -> None:
    """Raise QueryError if what is there already breaks a constraint that is to be made."""
    kind, label, properties = key
    if _broken(key, [graph.nodes[node_id] for node_id in graph.lookup.labelled(label)]):
        raise QueryError(
            f"Unable to create {_WORDS[kind]} constraint :{label}({', '.join(properties)}), because an existing node "
            "violates it."
        )


def _broken(key: ConstraintKey, nodes: list[Node]) -> bool:
    """Whether these nodes break it among themselves."""
    kind, label, properties = key
    if kind == "exists":
        return any(label in node.labels and properties[0] not in node.properties for node in nodes)
    values = [value for node in nodes if (value := unique_value(node, (label, properties))) is not None]
    return len(set(values)) < len(values)


def _taken(graph: Graph, transaction: Transaction, key: ConstraintKey, changed: list[Node]) -> bool:
    _, label, properties = key
    for node in changed:
        value = unique_value(node, (label, properties))
        if value is not None and any(
            holder not in transaction.nodes.buffer for holder in graph.lookup.holders((label, properties), value)
        ):
            return True
    return False
