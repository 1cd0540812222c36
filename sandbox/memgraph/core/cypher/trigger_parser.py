"""CREATE TRIGGER and DROP TRIGGER, after their first words."""

from __future__ import annotations

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.cursor import Cursor


def create(cursor: Cursor) -> ast.CreateTrigger:
    """`name [ON [() | -->] CREATE|UPDATE|DELETE] BEFORE|AFTER COMMIT EXECUTE statement`: the rest of the text."""
    name = cursor.name()
    invoker = False
    if cursor.accept("SECURITY"):
        invoker = _one_of(cursor, "DEFINER", "INVOKER") == "INVOKER"
    event = "ANY"
    if cursor.accept("ON"):
        what = "() " if cursor.accept("(", ")") else "--> " if cursor.accept("-", "-", ">") else ""
        event = what + _one_of(cursor, "CREATE", "DELETE", "UPDATE")
    before = _one_of(cursor, "AFTER", "BEFORE") == "BEFORE"
    cursor.expect("COMMIT", "EXECUTE")
    start = cursor.token.start
    end = start
    while not (cursor.token.kind == "end" or (cursor.at(";") and cursor.tokens[cursor.index + 1].kind == "end")):
        end = cursor.advance().end
    return ast.CreateTrigger(name, event, before, cursor.query[start:end], invoker)


def _one_of(cursor: Cursor, *words: str) -> str:
    if cursor.token.keyword not in words:
        raise cursor.mismatch("{" + ", ".join(words) + "}")
    return cursor.advance().keyword


def drop(cursor: Cursor) -> ast.DropTrigger:
    """`name`."""
    return ast.DropTrigger(cursor.name())
