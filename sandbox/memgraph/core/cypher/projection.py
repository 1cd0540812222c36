"""RETURN and WITH: columns, aggregation, DISTINCT, ORDER BY, SKIP, LIMIT."""

from __future__ import annotations

from typing import Any

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.context import Context, Row
from sandbox.memgraph.core.cypher.evaluate import SETTLED, evaluate
from sandbox.memgraph.core.cypher.values import group_key, is_number, order_key, type_name
from sandbox.memgraph.core.errors import QueryError


def project(clause: ast.Return, rows: list[Row], context: Context) -> list[list[Any]]:
    """The rows in order."""
    results: list[tuple[list[Any], Row]]
    if any(_aggregates(column.expression) for column in clause.columns):
        results = [(values, {}) for values in _aggregate(clause, rows, context)]
    else:
        results = [([evaluate(column.expression, row, context) for column in clause.columns], row) for row in rows]
    if clause.distinct:
        unique = {tuple(group_key(value) for value in values): (values, row) for values, row in reversed(results)}
        results = list(reversed(unique.values()))
    for expression, descending in reversed(clause.order):
        keyed = [(_order_value(expression, values, row, clause, context), (values, row)) for values, row in results]
        keyed.sort(key=lambda pair: order_key(pair[0]), reverse=descending)
        results = [result for _, result in keyed]
    skip = _count(clause.skip, "SKIP", context) or 0
    limit = _count(clause.limit, "LIMIT", context)
    end = None if limit is None else skip + limit
    return [values for values, _ in results[skip:end]]


def _count(expression: ast.Expression | None, what: str, context: Context) -> int | None:
    if expression is None:
        return None
    value = evaluate(expression, {}, context)
    if type(value) is not int or value < 0:
        raise QueryError(f"Number of rows in {what} must be a non-negative integer.")
    return value


def _order_value(expression: ast.Expression, values: list[Any], row: Row, clause: ast.Return, context: Context) -> Any:
    for column, value in zip(clause.columns, values, strict=True):
        if expression == column.expression:
            return value
    named = {column.name: value for column, value in zip(clause.columns, values, strict=True)}
    return evaluate(expression, {**row, **named}, context)


def _aggregates(expression: ast.Expression) -> bool:
    return _is_aggregate(expression) or any(map(_aggregates, ast.children(expression)))


def _aggregate(clause: ast.Return, rows: list[Row], context: Context) -> list[list[Any]]:
    keys = [column.expression for column in clause.columns if not _aggregates(column.expression)]
    for column in clause.columns:
        if _aggregates(column.expression) and _outside(column.expression):
            raise QueryError("Variables beside an aggregation in one expression aren't supported by this server.")
    groups: dict[Any, tuple[list[Any], list[Row]]] = {}
    for row in rows:
        values = [evaluate(key, row, context) for key in keys]
        group = groups.setdefault(tuple(map(group_key, values)), (values, []))
        group[1].append(row)
    if not keys and not groups:
        groups[()] = ([], [])
    results = []
    for values, members in groups.values():
        remaining = iter(values)
        results.append(
            [
                _settled(column.expression, members, context) if _aggregates(column.expression) else next(remaining)
                for column in clause.columns
            ]
        )
    return results


def _inner(expression: ast.Expression) -> list[ast.Function]:
    if isinstance(expression, ast.Function) and expression.name in ast.AGGREGATES:
        return [expression]
    return [found for child in ast.children(expression) for found in _inner(child)]


def _outside(expression: ast.Expression) -> bool:
    """Whether it has variables that are not inside an aggregation: these would be grouping keys of their own."""
    if _is_aggregate(expression):
        return False
    return isinstance(expression, ast.Variable) or any(map(_outside, ast.children(expression)))


def _settled(expression: ast.Expression, rows: list[Row], context: Context) -> Any:
    values = {id(aggregate): _fold(aggregate, rows, context) for aggregate in _inner(expression)}
    return evaluate(expression, {SETTLED: values}, context)


def _total(name: str, values: list[Any]) -> Any:
    if not all(map(is_number, values)):
        raise QueryError("Only numeric values allowed in SUM and AVG aggregations.")
    total = sum(values)
    if isinstance(total, int) and not -(2**63) <= total < 2**63:
        raise QueryError("Integer overflow.")
    if name == "sum":
        return total
    return total / len(values) if values else None


def _is_aggregate(expression: ast.Expression) -> bool:
    return isinstance(expression, ast.Function) and expression.name in ast.AGGREGATES


def _fold(expression: ast.Function, rows: list[Row], context: Context) -> Any:
    if not expression.arguments:
        return len(rows)
    values = [evaluate(expression.arguments[0], row, context) for row in rows]
    values = [value for value in values if value is not None]
    if expression.distinct:
        values = list({group_key(value): value for value in reversed(values)}.values())[::-1]
    match expression.name:
        case "count":
            return len(values)
        case "collect":
            return values
        case "sum" | "avg":
            return _total(expression.name, values)
    for value in values:
        if not (is_number(value) or isinstance(value, str | bool)):
            raise QueryError(f"Unable to get type order of {type_name(value)} in MIN and MAX aggregations.")
    choose = min if expression.name == "min" else max
    return choose(values, key=order_key, default=None)
