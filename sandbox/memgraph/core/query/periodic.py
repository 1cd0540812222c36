"""USING PERIODIC COMMIT: a writing query that commits after every so many rows (M-6.2/24)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.context import Context, Row
from sandbox.memgraph.core.cypher.execute import advance, finish
from sandbox.memgraph.core.effects import Steps
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage.constraints import ConstraintViolation
from sandbox.memgraph.core.storage.transaction import Transaction


def execute(
    query: ast.Cypher,
    every: int,
    parameters: Mapping[str, Any],
    transaction: Transaction,
    renew: Callable[[], Steps[Transaction]],
) -> Steps[list[list[Any]]]:
    """All reading in the first transaction, then the writing clauses for so many rows at a time.

    `renew` commits and begins the next transaction. The last one is left open: Memgraph too begins one more than it
    needs, which is seen in the timestamps.
    """
    reading, writing = _split(query)
    context = Context(transaction, parameters)
    rows: list[Row] = [{}]
    for clause in reading:
        rows = advance(clause, rows, context)
    done: list[Row] = []
    for first in range(0, len(rows), every):
        part = rows[first : first + every]
        for clause in writing:
            part = advance(clause, part, context)
        done += part
        if first + every <= len(rows):
            context = Context((yield from renew()), parameters)
    context = Context((yield from renew()), parameters)
    return finish(query, done, context)


def _split(query: ast.Cypher) -> tuple[list[ast.Clause], list[ast.Clause]]:
    clauses: list[ast.Clause] = [clause for clause in query.clauses if not isinstance(clause, ast.Return)]
    first = next((number for number, clause in enumerate(clauses) if isinstance(clause, ast.WRITING)), len(clauses))
    if any(isinstance(clause, ast.With) for clause in clauses[first:]):
        raise QueryError("WITH after a writing clause isn't supported by this server together with PERIODIC COMMIT.")
    return clauses[:first], clauses[first:]


def failed(error: QueryError) -> QueryError:
    """What a commit that failed in the middle says."""
    reason = error.message
    if isinstance(error, ConstraintViolation):
        reason = "Unable to commit due to constraint violation."
    elif error.message == errors.NOT_MAIN_ANYMORE:
        reason = "Queries on replica shouldn't write."
    return QueryError(f"PeriodicCommit failed: {reason}")
