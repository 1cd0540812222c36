"""Clauses of data queries: UNWIND, MATCH, CREATE, MERGE, SET, DELETE, RETURN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.cursor import Cursor
from sandbox.memgraph.core.cypher.expression_parser import expression, map_of
from sandbox.memgraph.core.cypher.lexer import unquote_name


def cypher(cursor: Cursor) -> ast.Cypher:
    """All clauses up to the end or a semicolon."""
    clauses: list[ast.Clause] = []
    while not cursor.at(";") and cursor.token.kind != "end":
        if clauses and isinstance(clauses[-1], ast.Return):
            raise cursor.mismatch("<EOF>")
        parse = _CLAUSES.get(cursor.token.keyword)
        if parse is None:
            raise cursor.mismatch("{" + ", ".join(sorted(_CLAUSES)) + "}")
        clauses.append(parse(cursor))
    if isinstance(clauses[-1], ast.Match | ast.Unwind):
        raise cursor.error("Query should either create or update something, or return results!")
    return ast.Cypher(tuple(clauses))


def _unwind(cursor: Cursor) -> ast.Unwind:
    cursor.expect("UNWIND")
    items = expression(cursor)
    cursor.expect("AS")
    return ast.Unwind(items, cursor.name())


def _match(cursor: Cursor) -> ast.Match:
    cursor.expect("MATCH")
    patterns = _patterns(cursor)
    return ast.Match(patterns, expression(cursor) if cursor.accept("WHERE") else None)


def _create(cursor: Cursor) -> ast.Create:
    cursor.expect("CREATE")
    return ast.Create(_patterns(cursor))


def _patterns(cursor: Cursor) -> tuple[ast.NodePattern, ...]:
    patterns = [_node(cursor)]
    while cursor.accept(","):
        patterns.append(_node(cursor))
    return tuple(patterns)


def _node(cursor: Cursor) -> ast.NodePattern:
    cursor.expect("(")
    anonymous = f" anon{cursor.index}"  # no written name can contain a space
    variable = cursor.name() if cursor.token.kind in ("name", "quoted") else anonymous
    labels = _labels(cursor)
    properties: ast.MapOf | ast.Parameter = ast.MapOf(())
    if cursor.at("{"):
        properties = map_of(cursor)
    elif cursor.token.kind == "param":
        properties = ast.Parameter(unquote_name(cursor.advance().text[1:]))
    cursor.expect(")")
    if cursor.token.keyword in ("-", "<"):
        raise cursor.mismatch("{',', ';', <EOF>} (this server knows nodes only, no relationships)")
    return ast.NodePattern(variable, labels, properties)


def _labels(cursor: Cursor) -> tuple[str, ...]:
    labels: list[str] = []
    while cursor.accept(":"):
        labels.append(cursor.name())
    return tuple(dict.fromkeys(labels))


def _merge(cursor: Cursor) -> ast.Merge:
    cursor.expect("MERGE")
    pattern = _node(cursor)
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


def _set_item(cursor: Cursor) -> ast.SetItem | ast.SetLabels:
    variable = cursor.name()
    if cursor.at(":"):
        return ast.SetLabels(variable, _labels(cursor))
    if cursor.accept("+="):
        return ast.SetItem(variable, None, expression(cursor))
    cursor.expect(".")
    key = cursor.name()
    cursor.expect("=")
    return ast.SetItem(variable, key, expression(cursor))


def _delete(cursor: Cursor) -> ast.Delete:
    cursor.accept("DETACH")
    cursor.expect("DELETE")
    items = [expression(cursor)]
    while cursor.accept(","):
        items.append(expression(cursor))
    return ast.Delete(tuple(items))


def _return(cursor: Cursor) -> ast.Return:
    cursor.expect("RETURN")
    distinct = cursor.accept("DISTINCT")
    columns = [_column(cursor)]
    while cursor.accept(","):
        columns.append(_column(cursor))
    order: list[tuple[ast.Expression, bool]] = []
    if cursor.accept("ORDER", "BY"):
        order.append(_order_item(cursor))
        while cursor.accept(","):
            order.append(_order_item(cursor))
    skip = expression(cursor) if cursor.accept("SKIP") else None
    limit = expression(cursor) if cursor.accept("LIMIT") else None
    return ast.Return(tuple(columns), distinct, tuple(order), skip, limit)


def _column(cursor: Cursor) -> ast.Column:
    start = cursor.token.start
    value = expression(cursor)
    written = cursor.query[start : cursor.tokens[cursor.index - 1].end]
    return ast.Column(value, cursor.name() if cursor.accept("AS") else written)


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
    "CREATE": _create,
    "MERGE": _merge,
    "SET": _set,
    "DETACH": _delete,
    "DELETE": _delete,
    "RETURN": _return,
}
