"""Patterns: nodes in parentheses, relationships of fixed length between them."""

from __future__ import annotations

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.cursor import Cursor
from sandbox.memgraph.core.cypher.expression_parser import labels, map_of
from sandbox.memgraph.core.cypher.lexer import unquote_name


def paths(cursor: Cursor, *, creating: bool = False) -> tuple[ast.Path, ...]:
    """Paths with commas between them."""
    found = [path(cursor, creating=creating)]
    while cursor.accept(","):
        found.append(path(cursor, creating=creating))
    return tuple(found)


def path(cursor: Cursor, *, creating: bool = False, merging: bool = False) -> ast.Path:
    """One path. What is to be created needs one type, and in CREATE a direction."""
    nodes = [_node(cursor)]
    edges: list[ast.EdgePattern] = []
    while cursor.at("-") or cursor.at("<"):
        edge = _edge(cursor)
        if (creating or merging) and len(edge.types) != 1:
            raise cursor.error("A single relationship type must be specified when creating an edge.")
        if creating and edge.direction == "any":
            raise cursor.error("Bidirectional relationship are not supported when creating an edge")
        edges.append(edge)
        nodes.append(_node(cursor))
    return ast.Path(tuple(nodes), tuple(edges))


def _node(cursor: Cursor) -> ast.NodePattern:
    cursor.expect("(")
    pattern = ast.NodePattern(_variable(cursor), labels(cursor), _properties(cursor))
    cursor.expect(")")
    return pattern


def _edge(cursor: Cursor) -> ast.EdgePattern:
    left = cursor.accept("<")
    cursor.expect("-")
    described = cursor.accept("[")  # without brackets, all three are what they are when nothing is written
    variable, types, properties = _variable(cursor), _types(cursor), _properties(cursor)
    if described:
        cursor.expect("]")
    cursor.expect("-")
    right = cursor.accept(">")
    return ast.EdgePattern(variable, types, properties, "any" if left is right else "in" if left else "out")


def _types(cursor: Cursor) -> tuple[str, ...]:
    found: list[str] = []
    if cursor.accept(":"):
        found.append(cursor.name())
        while cursor.accept("|"):
            cursor.accept(":")
            found.append(cursor.name())
    return tuple(dict.fromkeys(found))


def _variable(cursor: Cursor) -> str:
    anonymous = f" anon{cursor.index}"  # no written name can contain a space
    return cursor.name() if cursor.token.kind in ("name", "quoted") else anonymous


def _properties(cursor: Cursor) -> ast.MapOf | ast.Parameter:
    if cursor.at("{"):
        return map_of(cursor)
    if cursor.token.kind == "param":
        return ast.Parameter(unquote_name(cursor.advance().text[1:]))
    return ast.MapOf(())
