"""Expressions to values, in one row of one transaction."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.values import (
    NodeRef,
    conjunction,
    contains,
    equal,
    is_number,
    less,
    type_name,
)
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.graph import Node
from sandbox.memgraph.core.transaction import Transaction

Row: TypeAlias = dict[str, Any]
LIST_LIMIT: Final = 10_000_000
"""Elements that range() makes at most."""


@dataclass(frozen=True, slots=True)
class Context:
    """What expressions refer to besides the row."""

    transaction: Transaction
    parameters: Mapping[str, Any]

    def node(self, reference: NodeRef) -> Node:
        """A node's visible version; of a node deleted in this transaction, its last one."""
        node = self.transaction.get(reference.id) or self.transaction.deleted.get(reference.id)
        if node is None:
            raise QueryError("Trying to get a property from a deleted object.")
        return node


def evaluate(expression: ast.Expression, row: Row, context: Context) -> Any:
    """The value; QueryError for unbound variables, missing parameters and wrong types."""
    match expression:
        case ast.Literal(value):
            return value
        case ast.Parameter(name):
            if name not in context.parameters:
                raise QueryError(f"Parameter ${name} not provided.")
            return context.parameters[name]
        case ast.Variable(name):
            if name not in row:
                raise QueryError(f"Unbound variable: {name}.")
            return row[name]
        case ast.Property(subject, key):
            return _property(evaluate(subject, row, context), key, context)
        case ast.ListOf(items):
            return [evaluate(item, row, context) for item in items]
        case ast.MapOf(pairs):
            return {key: evaluate(item, row, context) for key, item in pairs}
        case ast.Unary(operator, operand):
            return _unary(operator, evaluate(operand, row, context))
        case ast.Binary(operator, left, right):
            return _binary(operator, evaluate(left, row, context), evaluate(right, row, context))
        case ast.Function(name, arguments):
            if name in ast.AGGREGATES:
                raise QueryError("Aggregation functions are only allowed in RETURN.")
            function = _FUNCTIONS.get(name)
            if function is None:
                raise QueryError(f"Function '{name.upper()}' doesn't exist.")
            return function([evaluate(argument, row, context) for argument in arguments], context)


def truth(value: Any, what: str) -> bool | None:
    """A boolean or null; anything else is an error."""
    if value is None or isinstance(value, bool):
        return value
    raise QueryError(f"{what} expected a boolean, got {type_name(value)}.")


def _property(subject: Any, key: str, context: Context) -> Any:
    if subject is None:
        return None
    if isinstance(subject, NodeRef):
        return context.node(subject).properties.get(key)
    if isinstance(subject, dict):
        return subject.get(key)
    raise QueryError("Only nodes, edges, maps, temporal types and graphs have properties to be looked-up.")


def _unary(operator: str, value: Any) -> Any:
    if operator == "NULL":
        return value is None
    if operator == "NOT NULL":
        return value is not None
    if operator == "NOT":
        boolean = truth(value, "NOT")
        return None if boolean is None else not boolean
    if value is None:
        return None
    if not is_number(value):
        raise QueryError(f"Invalid type for unary minus: {type_name(value)}.")
    return -value


def _binary(operator: str, left: Any, right: Any) -> Any:
    if operator in ("AND", "OR", "XOR"):
        return _logic(operator, truth(left, operator), truth(right, operator))
    match operator:
        case "=":
            return equal(left, right)
        case "<>":
            return _not(equal(left, right))
        case "<":
            return less(left, right, operator)
        case ">":
            return less(right, left, operator)
        case "<=":
            return _not(less(right, left, operator))
        case ">=":
            return _not(less(left, right, operator))
        case "IN":
            return contains(left, right)
    return _arithmetic(operator, left, right)


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _logic(operator: str, left: bool | None, right: bool | None) -> bool | None:
    if operator == "AND":
        return conjunction([left, right])
    if operator == "OR":
        return _not(conjunction([_not(left), _not(right)]))
    return None if left is None or right is None else left != right


def _arithmetic(operator: str, left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    if operator == "+" and (isinstance(left, list) or isinstance(right, list)):
        return (left if isinstance(left, list) else [left]) + (right if isinstance(right, list) else [right])
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if not (is_number(left) and is_number(right)):
        raise QueryError(f"Invalid types: {type_name(left)} and {type_name(right)} for '{operator}'.")
    both_int = isinstance(left, int) and isinstance(right, int)
    if operator in "/%" and right == 0:
        if both_int:
            raise QueryError("Division by zero.")
        return math.nan if operator == "%" or left == 0 else math.copysign(math.inf, left)
    result: Any
    match operator:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case "/" if both_int:
            result = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        case "/":
            result = left / right
        case _:
            result = int(math.fmod(left, right)) if both_int else math.fmod(left, right)
    if both_int and not -(2**63) <= result < 2**63:
        raise QueryError("Integer overflow.")
    return result


def _node_argument(name: str, arguments: list[Any]) -> NodeRef | None:
    if len(arguments) != 1 or not (arguments[0] is None or isinstance(arguments[0], NodeRef)):
        raise QueryError(f"'{name}' requires exactly one node.")
    reference: NodeRef | None = arguments[0]
    return reference


def _id(arguments: list[Any], context: Context) -> Any:
    reference = _node_argument("id", arguments)
    return None if reference is None else reference.id


def _labels(arguments: list[Any], context: Context) -> Any:
    reference = _node_argument("labels", arguments)
    return None if reference is None else list(context.node(reference).labels)


def _properties(arguments: list[Any], context: Context) -> Any:
    reference = _node_argument("properties", arguments)
    return None if reference is None else dict(context.node(reference).properties)


def _size(arguments: list[Any], context: Context) -> Any:
    if len(arguments) != 1 or not isinstance(arguments[0], list | str | dict | None):
        raise QueryError("'size' requires exactly one list, string or map.")
    return None if arguments[0] is None else len(arguments[0])


def _coalesce(arguments: list[Any], context: Context) -> Any:
    return next((argument for argument in arguments if argument is not None), None)


def _range(arguments: list[Any], context: Context) -> Any:
    if len(arguments) not in (2, 3) or not all(type(argument) is int for argument in arguments):
        raise QueryError("'range' requires two or three integers.")
    first, last, step = (*arguments, 1)[:3]
    if step == 0:
        raise QueryError("Step argument of 'range' can't be zero.")
    numbers = range(first, last + (1 if step > 0 else -1), step)
    if len(numbers) > LIST_LIMIT:
        raise QueryError("'range' would make too long a list.")
    return list(numbers)


_FUNCTIONS: Final[dict[str, Callable[[list[Any], Context], Any]]] = {
    "id": _id,
    "labels": _labels,
    "properties": _properties,
    "size": _size,
    "coalesce": _coalesce,
    "range": _range,
}
