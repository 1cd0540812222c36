"""Functions of expressions, by lower-case name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from sandbox.memgraph.core.cypher.context import Context
from sandbox.memgraph.core.cypher.values import EdgeRef, NodeRef
from sandbox.memgraph.core.errors import QueryError

LIST_LIMIT: Final = 10_000_000
"""Elements that range() makes at most."""


def call(name: str, arguments: list[Any], context: Context) -> Any:
    """The result of a function. Raises QueryError if it doesn't exist or the arguments don't fit."""
    if name in _OF_ONE:
        function, kinds, expected = _OF_ONE[name]
        if len(arguments) != 1 or not isinstance(arguments[0], (*kinds, type(None))):
            raise QueryError(f"'{name}' requires exactly one argument, which must be {expected}.")
        return None if arguments[0] is None else function(arguments[0], context)
    if name == "coalesce":
        return next((argument for argument in arguments if argument is not None), None)
    if name == "range":
        return _range(arguments)
    raise QueryError(f"Function '{name.upper()}' doesn't exist.")


def _range(arguments: list[Any]) -> Any:
    if len(arguments) not in (2, 3) or not all(type(argument) is int for argument in arguments):
        raise QueryError("'range' requires two or three integers.")
    first, last, step = (*arguments, 1)[:3]
    if step == 0:
        raise QueryError("Step argument of 'range' can't be zero.")
    numbers = range(first, last + (1 if step > 0 else -1), step)
    if len(numbers) > LIST_LIMIT:
        raise QueryError("'range' would make too long a list.")
    return list(numbers)


def _keys(value: Any, context: Context) -> list[str]:
    return list(value if isinstance(value, dict) else context.entity(value).properties)


def _properties(value: Any, context: Context) -> dict[str, Any]:
    return dict(value if isinstance(value, dict) else context.entity(value).properties)


def _to_string(value: Any, context: Context) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _number(value: str | float) -> float | None:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and "_" not in str(value) else None


def _to_integer(value: Any, context: Context) -> int | None:
    if isinstance(value, int):
        return int(value)
    number = _number(value)  # Memgraph reads strings as floating point numbers, too
    if number is None:
        return None
    if not -(2.0**63) <= number < 2.0**63:
        raise QueryError("Integer overflow.")
    return int(number)


def _to_float(value: Any, context: Context) -> float | None:
    return _number(value)


def _id(value: Any, context: Context) -> int:
    number: int = value.id
    return number


_Entry = tuple[Callable[[Any, Context], Any], tuple[type, ...], str]
_NODE, _EDGE = (NodeRef,), (EdgeRef,)
_ENTITY, _WITH_KEYS = (NodeRef, EdgeRef), (NodeRef, EdgeRef, dict)
_OF_ONE: Final[dict[str, _Entry]] = {
    "id": (_id, _ENTITY, "a node or a relationship"),
    "labels": (lambda value, context: list(context.node(value).labels), _NODE, "a node"),
    "type": (lambda value, context: context.edge(value).type, _EDGE, "a relationship"),
    "startnode": (lambda value, context: NodeRef(context.edge(value).start), _EDGE, "a relationship"),
    "endnode": (lambda value, context: NodeRef(context.edge(value).end), _EDGE, "a relationship"),
    "properties": (_properties, _WITH_KEYS, "a node, a relationship or a map"),
    "keys": (_keys, _WITH_KEYS, "a node, a relationship or a map"),
    "size": (lambda value, context: len(value), (list, str, dict), "a list, a string or a map"),
    "head": (lambda value, context: value[0] if value else None, (list,), "a list"),
    "last": (lambda value, context: value[-1] if value else None, (list,), "a list"),
    "tostring": (_to_string, (str, bool, int), "a string, an integer or a boolean"),
    "tointeger": (_to_integer, (str, bool, int, float), "a string, a number or a boolean"),
    "tofloat": (_to_float, (str, bool, int, float), "a string, a number or a boolean"),
}
