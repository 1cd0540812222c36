"""Cypher's equality, comparison and ordering over Python values.

None is null; a node is a NodeRef, a relationship an EdgeRef.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sandbox.memgraph.core.errors import QueryError


@dataclass(frozen=True, slots=True)
class NodeRef:
    """A node in a row: looked up when used, so that later clauses see what earlier ones changed."""

    id: int


@dataclass(frozen=True, slots=True)
class EdgeRef:
    """A relationship in a row, likewise."""

    id: int


def is_number(value: Any) -> bool:
    """Integer or float, but no boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(left: Any, right: Any) -> bool | None:
    """`=`: null if either side is null; values of different types are just unequal."""
    if left is None or right is None:
        return None
    if is_number(left) and is_number(right):
        return bool(left == right)
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        if len(left) != len(right):
            return False
        return conjunction([equal(a, b) for a, b in zip(left, right, strict=True)])
    if isinstance(left, dict):
        if left.keys() != right.keys():
            return False
        return conjunction([equal(value, right[key]) for key, value in left.items()])
    return bool(left == right)


def conjunction(values: list[bool | None]) -> bool | None:
    """Three-valued AND."""
    if False in values:
        return False
    return None if None in values else True


def less(left: Any, right: Any, operator: str) -> bool | None:
    """`left < right`; null if either is null. `operator` is for the error's text."""
    if left is None or right is None:
        return None
    if (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        return bool(left < right)
    raise QueryError(f"Invalid types: {type_name(left)} and {type_name(right)} for '{operator}'.")


def contains(item: Any, items: Any) -> bool | None:
    """`item IN items`."""
    if items is None:
        return None
    if not isinstance(items, list):
        raise QueryError(f"IN expected a list, got {type_name(items)}.")
    results = [equal(item, other) for other in items]
    if True in results:
        return True
    return None if None in results else False


def type_name(value: Any) -> str:
    """Memgraph's name of a value's type."""
    if value is None:
        return "null"
    return _NAMES.get(type(value), type(value).__name__)


_NAMES: Final = {
    bool: "bool",
    int: "int",
    float: "double",
    str: "string",
    list: "list",
    dict: "map",
    NodeRef: "vertex",
    EdgeRef: "edge",
}
_RANK: Final = {
    "map": 0,
    "vertex": 1,
    "edge": 2,
    "list": 3,
    "string": 4,
    "bool": 5,
    "int": 6,
    "double": 6,
    "null": 7,
}


def order_key(value: Any) -> tuple[Any, ...]:
    """A key that sorts any values; nulls are last."""
    rank = _RANK.get(type_name(value), 0)
    if isinstance(value, list):
        return (rank, [order_key(item) for item in value])
    if isinstance(value, dict):
        return (rank, [(key, order_key(value[key])) for key in sorted(value)])
    if isinstance(value, NodeRef | EdgeRef):
        return (rank, value.id)
    return (rank, value if value is not None else 0)


def group_key(value: Any) -> Any:
    """A hashable stand-in by which DISTINCT and grouping tell values apart."""
    if isinstance(value, list):
        return ("list", *(group_key(item) for item in value))
    if isinstance(value, dict):
        return ("map", *((key, group_key(value[key])) for key in sorted(value)))
    return ("bool", value) if isinstance(value, bool) else value


def storable(value: Any) -> Any:
    """Check a property value. Raises QueryError for nodes, relationships, byte strings and integers beyond 64 bits."""
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {key: storable(item) for key, item in value.items()}
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise QueryError("Integer overflow.")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise QueryError(f"A value of type {type_name(value)} can't be used as a property value.")
