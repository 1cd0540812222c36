"""Tokens of Memgraph's query language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sandbox.memgraph.core.errors import QueryError

_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+|//[^\n]*|/\*.*?\*/)
    | (?P<float>(?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
    | (?P<int>0[xX][0-9a-fA-F]+|\d+)
    | (?P<name>[^\W\d]\w*)
    | (?P<quoted>`(?:[^`]|``)+`)
    | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<param>\$(?:\w+|`(?:[^`]|``)+`))
    | (?P<op><>|<=|>=|\+=|\.\.|[-+*/%^=<>()\[\]{},.:;|])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: float, int, name, quoted, string, param, op or end. `text` as written, `start` and `end` in the query.

    `keyword`: upper-case text of an unquoted name or an operator; empty for everything else.
    """

    kind: str
    text: str
    start: int
    end: int
    keyword: str


def syntax_error(query: str, offset: int, problem: str) -> QueryError:
    """Memgraph's kind of syntax error: line and position count from 1."""
    before = query[:offset]
    line = before.count("\n") + 1
    position = offset - (before.rfind("\n") + 1) + 1
    return QueryError(f"Error on line {line} position {position}. The underlying parsing error is {problem}")


def tokenize(query: str) -> list[Token]:
    """All tokens and one of kind `end`. Raises QueryError (syntax)."""
    tokens: list[Token] = []
    offset = 0
    while offset < len(query):
        match = _TOKEN.match(query, offset)
        if match is None:
            raise syntax_error(query, offset, f"token recognition error at: '{query[offset]}'")
        offset = match.end()
        kind = match.lastgroup or ""
        if kind != "space":
            text = match.group()
            tokens.append(Token(kind, text, match.start(), offset, text.upper() if kind in ("name", "op") else ""))
    tokens.append(Token("end", "<EOF>", len(query), len(query), ""))
    return tokens


def unquote_name(text: str) -> str:
    """A back-quoted name's content."""
    return text[1:-1].replace("``", "`") if text.startswith("`") else text


def unquote_string(text: str) -> str:
    """A string literal's content."""

    def replace(match: re.Match[str]) -> str:
        escape = match.group(1)
        if escape[0] in "uU" and len(escape) > 1:
            return chr(int(escape[1:], 16))
        return _ESCAPES.get(escape, escape)

    return _ESCAPE.sub(replace, text[1:-1])
