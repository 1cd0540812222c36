"""Type constraints: checked inside the query, at every write of a node, and when one is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage.graph import Graph, Node, Types

_NAMES: Final[dict[type[Any], str]] = {
    bool: "BOOL",
    str: "STRING",
    int: "INTEGER",
    float: "FLOAT",
    list: "LIST",
    dict: "MAP",
}
"""A value's type as SHOW CONSTRAINT INFO names it. Dates, times, enums and points aren't known as values here."""


def check(types: Types, node: Node) -> None:
    """Raise QueryError if the node has a property of a type that a constraint on one of its labels forbids."""
    for (label, name), wanted in types.items():
        if _broken(label, name, wanted, node):
            raise QueryError(f"IS TYPED {wanted} violation on {label}({name})")


def check_existing(graph: Graph, label: str, name: str, wanted: str) -> None:
    """Raise QueryError if what is there already breaks a type constraint that is to be made."""
    nodes: Iterable[Node] = (graph.nodes[node_id] for node_id in graph.lookup.labelled(label))
    if any(_broken(label, name, wanted, node) for node in nodes):
        raise QueryError(
            f"Unable to create IS TYPED {wanted} constraint on :{label}({name}), because an existing node violates it."
        )


def _broken(label: str, name: str, wanted: str, node: Node) -> bool:
    value = node.properties.get(name)
    return label in node.labels and value is not None and _NAMES.get(type(value)) != wanted
