"""Clauses over rows, each clause finished before the next begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.context import Context, Row
from sandbox.memgraph.core.cypher.evaluate import evaluate, truth
from sandbox.memgraph.core.cypher.match import match
from sandbox.memgraph.core.cypher.projection import project
from sandbox.memgraph.core.cypher.values import type_name
from sandbox.memgraph.core.cypher.write import create, delete, merge, remove, set_values
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage.transaction import Transaction


def execute(
    query: ast.Cypher, transaction: Transaction, parameters: Mapping[str, Any], given: Row | None = None
) -> list[list[Any]]:
    """Run a query inside a transaction and give RETURN's rows; entities as `Node` and `Relationship`.

    `given`: variables that are bound before the first clause.
    """
    context = Context(transaction, parameters)
    rows: list[Row] = [dict(given or {})]
    for clause in query.clauses:
        rows = advance(clause, rows, context)
    return finish(query, rows, context)


def finish(query: ast.Cypher, rows: list[Row], context: Context) -> list[list[Any]]:
    """What RETURN makes of the rows; nothing without RETURN."""
    last = query.clauses[-1]
    if not isinstance(last, ast.Return):
        return []
    return [[context.resolve(value) for value in values] for values in project(last, rows, context)]


def advance(clause: ast.Clause, rows: list[Row], context: Context) -> list[Row]:
    """The rows after a clause; RETURN leaves them to `finish`."""
    match clause:
        case ast.Unwind():
            return [new for row in rows for new in _unwind(clause, row, context)]
        case ast.Match():
            return [new for row in rows for new in match(clause, row, context)]
        case ast.Merge():
            return [new for row in rows for new in merge(clause, row, context)]
        case ast.With():
            return _with(clause, rows, context)
        case ast.Create():
            for row in rows:
                create(clause, row, context)
        case ast.Set():
            for row in rows:
                set_values(clause, row, context)
        case ast.Remove():
            for row in rows:
                remove(clause, row, context)
        case ast.Delete():
            delete(clause, rows, context)
    return rows


def _unwind(clause: ast.Unwind, row: Row, context: Context) -> list[Row]:
    items = evaluate(clause.items, row, context)
    if items is None:
        return []
    if not isinstance(items, list):
        raise QueryError(f"Argument of UNWIND must be a list, but '{type_name(items)}' was provided.")
    return [{**row, clause.variable: item} for item in items]


def _with(clause: ast.With, rows: list[Row], context: Context) -> list[Row]:
    names = [column.name for column in clause.body.columns]
    projected = [dict(zip(names, values, strict=True)) for values in project(clause.body, rows, context)]
    if clause.where is None:
        return projected
    return [row for row in projected if truth(evaluate(clause.where, row, context), "WHERE")]
