"""Clauses of data queries. Patterns: `pattern_parser`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.cursor import Cursor
from sandbox.memgraph.core.cypher.expression_parser import expression, labels, literal
from sandbox.memgraph.core.cypher.pattern_parser import path, paths
from sandbox.memgraph.core.errors import QueryError


def cypher(cursor: Cursor) -> ast.Cypher:
    """All clauses up to the end or a semicolon."""
    commit_every = _commit_every(cursor)
    clauses: list[ast.Clause] = []
    while not cursor.at(";") and cursor.token.kind != "end":
        if clauses and isinstance(clauses[-1], ast.Return):
            raise cursor.mismatch("<EOF>")
        parse = _CLAUSES.get(cursor.token.keyword)
        if parse is None:
            raise cursor.mismatch("{" + ", ".join(sorted(_CLAUSES)) + "}")
        clauses.append(parse(cursor))
    if not clauses:
        raise cursor.mismatch("{a clause}")
    if isinstance(clauses[-1], ast.Match | ast.Unwind | ast.With):
        raise cursor.error("Query should either create or update something, or return results!")
    return ast.Cypher(tuple(clauses), commit_every)


def _commit_every(cursor: Cursor) -> int | None:
    if not cursor.accept("USING"):
        return None
    cursor.expect("PERIODIC", "COMMIT")
    every = literal(cursor)
    if not isinstance(every, int | float) or isinstance(every, bool):
        raise QueryError("Periodic commit should be a number variable.")
    if not isinstance(every, int):
        raise QueryError("Periodic commit should be an integer.")
    return max(1, every)


def _unwind(cursor: Cursor) -> ast.Unwind:
    cursor.expect("UNWIND")
    items = expression(cursor)
    cursor.expect("AS")
    return ast.Unwind(items, cursor.name())


def _match(cursor: Cursor) -> ast.Match:
    optional = cursor.accept("OPTIONAL")
    cursor.expect("MATCH")
    patterns = paths(cursor)
    return ast.Match(patterns, expression(cursor) if cursor.accept("WHERE") else None, optional)


def _create(cursor: Cursor) -> ast.Create:
    cursor.expect("CREATE")
    return ast.Create(paths(cursor, creating=True))


def _merge(cursor: Cursor) -> ast.Merge:
    cursor.expect("MERGE")
    pattern = path(cursor, merging=True)
    actions: dict[str, ast.Set] = {}
    while cursor.accept("ON"):
        action = cursor.advance().keyword
        if action not in ("CREATE", "MATCH") or action in actions:
            raise cursor.mismatch("{CREATE, MATCH}")
        actions[action] = _set(cursor)
    return ast.Merge(pattern, actions.get("CREATE"), actions.get("MATCH"))


def _set(cursor: Cursor) -> ast.Set:
    cursor.expect("SET")
    items = [_set_item(cursor)]
    while cursor.accept(","):
        items.append(_set_item(cursor))
    return ast.Set(tuple(items))


def _set_item(cursor: Cursor) -> ast.SetItem | ast.SetAll | ast.SetLabels:
    variable = cursor.name()
    if cursor.at(":"):
        return ast.SetLabels(variable, labels(cursor))
    if cursor.accept("+="):
        return ast.SetAll(variable, expression(cursor), replace=False)
    if cursor.accept("="):
        return ast.SetAll(variable, expression(cursor), replace=True)
    cursor.expect(".")
    key = cursor.name()
    cursor.expect("=")
    return ast.SetItem(variable, key, expression(cursor))


def _remove(cursor: Cursor) -> ast.Remove:
    cursor.expect("REMOVE")
    items = [_remove_item(cursor)]
    while cursor.accept(","):
        items.append(_remove_item(cursor))
    return ast.Remove(tuple(items))


def _remove_item(cursor: Cursor) -> ast.RemoveProperty | ast.RemoveLabels:
    variable = cursor.name()
    if cursor.at(":"):
        return ast.RemoveLabels(variable, labels(cursor))
    cursor.expect(".")
    return ast.RemoveProperty(variable, cursor.name())


def _delete(cursor: Cursor) -> ast.Delete:
    detach = cursor.accept("DETACH")
    cursor.expect("DELETE")
    items = [expression(cursor)]
    while cursor.accept(","):
        items.append(expression(cursor))
    return ast.Delete(tuple(items), detach)


def _with(cursor: Cursor) -> ast.With:
    cursor.expect("WITH")
    body = _body(cursor)
    for column in body.columns:
        if not column.aliased and not isinstance(column.expression, ast.Variable):
            raise cursor.error("Only variables can be non-aliased in WITH.")
    return ast.With(body, expression(cursor) if cursor.accept("WHERE") else None)


def _return(cursor: Cursor) -> ast.Return:
    cursor.expect("RETURN")
    return _body(cursor)


def _body(cursor: Cursor) -> ast.Return:
    distinct = cursor.accept("DISTINCT")
    everything = cursor.accept("*")
    columns = [] if everything else [_column(cursor)]
    while cursor.accept(","):
        columns.append(_column(cursor))
    order: list[tuple[ast.Expression, bool]] = []
    if cursor.accept("ORDER", "BY"):
        order.append(_order_item(cursor))
        while cursor.accept(","):
            order.append(_order_item(cursor))
    skip = expression(cursor) if cursor.accept("SKIP") else None
    limit = expression(cursor) if cursor.accept("LIMIT") else None
    return ast.Return(tuple(columns), distinct, tuple(order), skip, limit, everything)


def _column(cursor: Cursor) -> ast.Column:
    start = cursor.token.start
    value = expression(cursor)
    written = cursor.query[start : cursor.tokens[cursor.index - 1].end]
    aliased = cursor.accept("AS")
    return ast.Column(value, cursor.name() if aliased else written, aliased)


def _order_item(cursor: Cursor) -> tuple[ast.Expression, bool]:
    value = expression(cursor)
    if cursor.accept("DESC") or cursor.accept("DESCENDING"):
        return value, True
    if not cursor.accept("ASC"):
        cursor.accept("ASCENDING")
    return value, False


_CLAUSES: Final[dict[str, Callable[[Cursor], ast.Clause]]] = {
    "UNWIND": _unwind,
    "MATCH": _match,
    "OPTIONAL": _match,
    "CREATE": _create,
    "MERGE": _merge,
    "SET": _set,
    "REMOVE": _remove,
    "DETACH": _delete,
    "DELETE": _delete,
    "WITH": _with,
    "RETURN": _return,
}
