"""Expressions, by precedence climbing."""

from __future__ import annotations

from typing import Any, Final

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.cursor import Cursor
from sandbox.memgraph.core.cypher.lexer import unquote_name, unquote_string

_LEVELS: Final = (("OR",), ("XOR",), ("AND",))
_COMPARISONS: Final = ("=", "<>", "<", ">", "<=", ">=")
DEPTH_LIMIT: Final = 40
"""Nested parentheses, lists and maps: more would only exhaust the stack."""


def expression(cursor: Cursor, depth: int = 0) -> ast.Expression:
    """One expression."""
    if depth > DEPTH_LIMIT:
        raise cursor.error("expression nested too deeply")
    return _logical(cursor, 0, depth)


def _logical(cursor: Cursor, level: int, depth: int) -> ast.Expression:
    if level == len(_LEVELS):
        return _not(cursor, depth)
    left = _logical(cursor, level + 1, depth)
    while cursor.token.keyword in _LEVELS[level]:
        operator = cursor.advance().keyword
        left = ast.Binary(operator, left, _logical(cursor, level + 1, depth))
    return left


def _not(cursor: Cursor, depth: int) -> ast.Expression:
    negations = 0
    while cursor.accept("NOT"):
        negations += 1
    result = _comparison(cursor, depth)
    for _ in range(negations):
        result = ast.Unary("NOT", result)
    return result


def _comparison(cursor: Cursor, depth: int) -> ast.Expression:
    left = _sum(cursor, depth)
    result: ast.Expression | None = None
    while cursor.token.kind == "op" and cursor.token.text in _COMPARISONS:
        operator = cursor.advance().text
        right = _sum(cursor, depth)
        link = ast.Binary(operator, left, right)
        result = link if result is None else ast.Binary("AND", result, link)  # a < b < c
        left = right
    return left if result is None else result


def _sum(cursor: Cursor, depth: int) -> ast.Expression:
    left = _product(cursor, depth)
    while cursor.token.kind == "op" and cursor.token.text in "+-":
        operator = cursor.advance().text
        left = ast.Binary(operator, left, _product(cursor, depth))
    return left


def _product(cursor: Cursor, depth: int) -> ast.Expression:
    left = _unary(cursor, depth)
    while cursor.token.kind == "op" and cursor.token.text in "*/%":
        operator = cursor.advance().text
        left = ast.Binary(operator, left, _unary(cursor, depth))
    return left


def _unary(cursor: Cursor, depth: int) -> ast.Expression:
    if cursor.accept("-"):
        operand = _unary(cursor, depth + 1) if depth < DEPTH_LIMIT else expression(cursor, depth + 1)
        if isinstance(operand, ast.Literal) and type(operand.value) in (int, float):
            return ast.Literal(-operand.value)
        return ast.Unary("-", operand)
    return _postfix(cursor, depth)


def _postfix(cursor: Cursor, depth: int) -> ast.Expression:
    result = _atom(cursor, depth)
    while True:
        if cursor.accept("."):
            result = ast.Property(result, cursor.name())
        elif cursor.accept("IS", "NOT", "NULL"):
            result = ast.Unary("NOT NULL", result)
        elif cursor.accept("IS", "NULL"):
            result = ast.Unary("NULL", result)
        elif cursor.accept("IN"):
            result = ast.Binary("IN", result, _operand(cursor, depth + 1))
        elif (operator := _string_operator(cursor)) is not None:
            result = ast.Binary(operator, result, _operand(cursor, depth + 1))
        elif cursor.accept("["):
            result = ast.Binary("[]", result, expression(cursor, depth + 1))
            cursor.expect("]")
        elif isinstance(result, ast.Variable) and cursor.at(":"):
            result = ast.HasLabels(result, labels(cursor))
        else:
            return result


def _operand(cursor: Cursor, depth: int) -> ast.Expression:
    if depth > DEPTH_LIMIT:
        raise cursor.error("expression nested too deeply")
    return _sum(cursor, depth)


def _string_operator(cursor: Cursor) -> str | None:
    for words in (("STARTS", "WITH"), ("ENDS", "WITH"), ("CONTAINS",)):
        if cursor.accept(*words):
            return " ".join(words)
    return None


def labels(cursor: Cursor) -> tuple[str, ...]:
    """`:A:B`, each once, or nothing."""
    found: list[str] = []
    while cursor.accept(":"):
        found.append(cursor.name())
    return tuple(dict.fromkeys(found))


def _case(cursor: Cursor, depth: int) -> ast.Case:
    """With a value after CASE, each WHEN is compared with it."""
    subject = None if cursor.at("WHEN") else expression(cursor, depth + 1)
    branches: list[tuple[ast.Expression, ast.Expression]] = []
    while cursor.accept("WHEN"):
        condition = expression(cursor, depth + 1)
        cursor.expect("THEN")
        if subject is not None:
            condition = ast.Binary("=", subject, condition)
        branches.append((condition, expression(cursor, depth + 1)))
    if not branches:
        raise cursor.mismatch("WHEN")
    otherwise = expression(cursor, depth + 1) if cursor.accept("ELSE") else ast.Literal(None)
    cursor.expect("END")
    return ast.Case(tuple(branches), otherwise)


def _atom(cursor: Cursor, depth: int) -> ast.Expression:
    token = cursor.token
    if token.kind in ("int", "float", "string") or token.keyword in ("NULL", "TRUE", "FALSE"):
        return ast.Literal(literal(cursor))
    if token.kind == "param":
        return ast.Parameter(unquote_name(cursor.advance().text[1:]))
    if cursor.accept("("):
        inner = expression(cursor, depth + 1)
        cursor.expect(")")
        return inner
    if cursor.accept("["):
        return ast.ListOf(_sequence(cursor, "]", depth))
    if cursor.at("{"):
        return map_of(cursor, depth)
    if token.keyword == "CASE" and cursor.tokens[cursor.index + 1].kind in ("name", "quoted", "int", "string", "param"):
        cursor.advance()
        return _case(cursor, depth)
    if token.kind == "name" and cursor.tokens[cursor.index + 1].text == "(":
        return _function(cursor, depth)
    if token.kind in ("name", "quoted"):
        return ast.Variable(cursor.name())
    raise cursor.error(f"no viable alternative at input '{token.text}'")


def _function(cursor: Cursor, depth: int) -> ast.Function:
    name = cursor.advance().text.lower()
    cursor.expect("(")
    if name == "count" and cursor.accept("*", ")"):
        return ast.Function("count", ())
    distinct = cursor.accept("DISTINCT")
    arguments = _sequence(cursor, ")", depth)
    if name in ast.AGGREGATES and len(arguments) != 1:
        raise cursor.error(f"'{name}' takes exactly one argument")
    return ast.Function(name, arguments, distinct)


def _sequence(cursor: Cursor, closing: str, depth: int) -> tuple[ast.Expression, ...]:
    items: list[ast.Expression] = []
    if cursor.accept(closing):
        return ()
    while True:
        items.append(expression(cursor, depth + 1))
        if cursor.accept(closing):
            return tuple(items)
        cursor.expect(",")


def map_of(cursor: Cursor, depth: int = 0) -> ast.MapOf:
    """`{key: value, ...}`."""
    cursor.expect("{")
    items: list[tuple[str, ast.Expression]] = []
    if cursor.accept("}"):
        return ast.MapOf(())
    while True:
        key = cursor.name()
        cursor.expect(":")
        items.append((key, expression(cursor, depth + 1)))
        if cursor.accept("}"):
            return ast.MapOf(tuple(items))
        cursor.expect(",")


def literal(cursor: Cursor) -> Any:
    """A literal that is no list or map; used where the grammar takes no expression."""
    token = cursor.token
    if token.kind == "int":
        value = int(cursor.advance().text, 0) if token.text[:2] in ("0x", "0X") else int(cursor.advance().text)
        if value > 2**63:
            raise cursor.error("integer literal out of range")
        return value
    if token.kind == "float":
        return float(cursor.advance().text)
    if token.kind == "string":
        return unquote_string(cursor.advance().text)
    words = {"NULL": None, "TRUE": True, "FALSE": False}
    if token.keyword in words:
        cursor.advance()
        return words[token.keyword]
    raise cursor.mismatch("{literal}")
