"""CREATE and DROP of indexes and constraints, after their first words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.cursor import Cursor
from sandbox.memgraph.core.errors import QueryError

_TYPES: Final = {
    **{word: word for word in ("STRING", "INTEGER", "FLOAT", "LIST", "MAP", "DATE", "DURATION", "ENUM", "POINT")},
    "BOOLEAN": "BOOL",
    "LOCALTIME": "LOCAL TIME",
    "LOCALDATETIME": "LOCAL DATE TIME",
    "ZONEDDATETIME": "ZONED DATE TIME",
}
"""The words of type constraints, and how Memgraph shows them."""


def index(create: bool) -> Callable[[Cursor], ast.IndexChange]:
    """`... INDEX ON :Label(property, ...)`."""

    def parse_rest(cursor: Cursor) -> ast.IndexChange:
        cursor.expect(":")
        label = cursor.name()
        return ast.IndexChange(create, label, _property_list(cursor))

    return parse_rest


def edge_index(create: bool, *, everywhere: bool = False) -> Callable[[Cursor], ast.EdgeIndexChange]:
    """`... EDGE INDEX ON :TYPE(property)`; with GLOBAL there is no type, but a property."""

    def parse_rest(cursor: Cursor) -> ast.EdgeIndexChange:
        cursor.expect(":")
        kind = None if everywhere else cursor.name()
        properties = _property_list(cursor)
        if len(properties) > 1:
            raise cursor.error("composite indices over relationships are not yet implemented")
        if everywhere and not properties:
            raise cursor.error("Missing property for global edge index.")
        return ast.EdgeIndexChange(create, kind, properties)

    return parse_rest


def _property_list(cursor: Cursor) -> tuple[str, ...]:
    names: list[str] = []
    if cursor.accept("("):
        names.append(cursor.name())
        while cursor.accept(","):
            names.append(cursor.name())
        cursor.expect(")")
    return tuple(names)


def constraint(create: bool) -> Callable[[Cursor], ast.ConstraintChange]:
    """`... CONSTRAINT ON (n:Label) ASSERT EXISTS (n.p)` or `... n.a, n.b IS UNIQUE` or `... n.p IS TYPED INTEGER`."""

    def parse_rest(cursor: Cursor) -> ast.ConstraintChange:
        cursor.expect("(")
        variable = cursor.name()
        cursor.expect(":")
        label = cursor.name()
        cursor.expect(")", "ASSERT")
        if cursor.at("EXISTS", "("):
            cursor.expect("EXISTS", "(")
            properties = _assertions(cursor, variable)
            cursor.expect(")")
            if len(properties) != 1:
                raise cursor.error("Exactly one property must be used for existence constraints.")
            return ast.ConstraintChange(create, "exists", label, properties)
        properties = _assertions(cursor, variable)
        if len(properties) == 1 and cursor.at("IS", "TYPED"):
            cursor.expect("IS", "TYPED")
            return ast.ConstraintChange(create, "data_type", label, properties, _data_type(cursor))
        cursor.expect("IS", "UNIQUE")
        if len(set(properties)) < len(properties):
            raise cursor.error("The given set of properties contains duplicates.")
        return ast.ConstraintChange(create, "unique", label, properties)

    return parse_rest


def analyze(cursor: Cursor) -> ast.AnalyzeGraph:
    """`ANALYZE GRAPH [ON LABELS :A, :B | *] [DELETE STATISTICS]`."""
    labels: list[str] = []
    if cursor.accept("ON", "LABELS") and not cursor.accept("*"):
        cursor.expect(":")
        labels.append(cursor.name())
        while cursor.accept(","):
            cursor.expect(":")
            labels.append(cursor.name())
    return ast.AnalyzeGraph(cursor.accept("DELETE", "STATISTICS"), tuple(labels) or None)


def _data_type(cursor: Cursor) -> str:
    shown = _TYPES.get(cursor.token.keyword)
    if shown is None:
        raise cursor.mismatch(f"{{{', '.join(sorted(_TYPES))}}}")
    cursor.advance()
    return shown


def _assertions(cursor: Cursor, variable: str) -> tuple[str, ...]:
    names = [_assertion(cursor, variable)]
    while cursor.accept(","):
        names.append(_assertion(cursor, variable))
    return tuple(names)


def _assertion(cursor: Cursor, variable: str) -> str:
    if cursor.name() != variable:
        raise QueryError(f"All constraint variable should reference node '{variable}'")
    cursor.expect(".")
    return cursor.name()
