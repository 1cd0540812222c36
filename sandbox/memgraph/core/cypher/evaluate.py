"""Expressions to values, in one row of one transaction."""

from __future__ import annotations

import math
from typing import Any, Final

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.context import Context, Row
from sandbox.memgraph.core.cypher.functions import call
from sandbox.memgraph.core.cypher.values import (
    EdgeRef,
    NodeRef,
    conjunction,
    contains,
    equal,
    is_number,
    less,
    type_name,
)
from sandbox.memgraph.core.errors import QueryError

SETTLED: Final = " settled"
"""The name, impossible in a query, under which a row has the values of aggregations by the identity of their nodes."""


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
            if name not in row:  # in MERGE, a property that depends on a part that isn't there
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
        case ast.Binary("[]", left, right):
            return _subscript(evaluate(left, row, context), evaluate(right, row, context), context)
        case ast.Binary(operator, left, right):
            return _binary(operator, evaluate(left, row, context), evaluate(right, row, context))
        case ast.HasLabels(subject, labels):
            return _has_labels(evaluate(subject, row, context), labels, context)
        case ast.Case():
            return _case(expression, row, context)
        case ast.Function(name, arguments):
            if name in ast.AGGREGATES:
                if id(expression) in row.get(SETTLED, ()):
                    return row[SETTLED][id(expression)]
                raise QueryError("Aggregation functions are only allowed in WITH and RETURN.")
            return call(name, [evaluate(argument, row, context) for argument in arguments], context)


def _case(expression: ast.Case, row: Row, context: Context) -> Any:
    for condition, value in expression.branches:
        if truth(evaluate(condition, row, context), "CASE"):
            return evaluate(value, row, context)
    return evaluate(expression.otherwise, row, context)


def _has_labels(subject: Any, labels: tuple[str, ...], context: Context) -> bool | None:
    if subject is None:
        return None
    if not isinstance(subject, NodeRef):
        raise QueryError("Only nodes have labels.")
    return all(label in context.node(subject).labels for label in labels)


def truth(value: Any, what: str) -> bool | None:
    """A boolean or null; anything else is an error."""
    if value is None or isinstance(value, bool):
        return value
    raise QueryError(f"{what} expected a boolean, got {type_name(value)}.")


def _property(subject: Any, key: str, context: Context) -> Any:
    if subject is None:
        return None
    if isinstance(subject, NodeRef | EdgeRef):
        return context.entity(subject).properties.get(key)
    if isinstance(subject, dict):
        return subject.get(key)
    raise QueryError("Only nodes, edges, maps, temporal types and graphs have properties to be looked-up.")


def _subscript(subject: Any, key: Any, context: Context) -> Any:
    if subject is None or key is None:
        return None
    if isinstance(subject, list):
        if type(key) is not int:
            raise QueryError("Expected an integer as a list index, got " + type_name(key) + ".")
        return subject[key] if -len(subject) <= key < len(subject) else None
    if not isinstance(key, str):
        raise QueryError("Expected a string as a property name, got " + type_name(key) + ".")
    return _property(subject, key, context)


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
        case "STARTS WITH" | "ENDS WITH" | "CONTAINS":
            return _compare_text(operator, left, right)
    return _arithmetic(operator, left, right)


def _compare_text(operator: str, left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    if not (isinstance(left, str) and isinstance(right, str)):
        raise QueryError(f"{operator} expected two strings, got {type_name(left)} and {type_name(right)}.")
    if operator == "STARTS WITH":
        return left.startswith(right)
    return left.endswith(right) if operator == "ENDS WITH" else right in left


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
