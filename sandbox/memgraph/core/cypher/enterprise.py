"""Statements of Memgraph Enterprise, and what Memgraph Community answers to them (M-6.2/25)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.cursor import Cursor
from sandbox.memgraph.core.cypher.expression_parser import literal
from sandbox.memgraph.core.errors import NO_LICENSE

_NO_KEY: Final = (
    "Invalid license key string. To use advanced authentication features please set it to a valid string using the "
    'following query:\nSET DATABASE SETTING "enterprise.license" TO "your-license-key"'
)
_LICENSE: Final = ast.Forbidden(NO_LICENSE)
_KEY: Final = ast.Forbidden(_NO_KEY)
_TTL: Final = ast.Forbidden(feature="TTL")
_TENANTS: Final = ast.Forbidden(feature="multi-tenancy")
_METRICS: Final = ast.Forbidden(feature="SHOW METRICS INFO")


def _schedule(cursor: Cursor) -> None:
    """`EVERY period` and `AT time`, each at most once, in either order."""
    left = {"EVERY", "AT"}
    while cursor.token.keyword in left:
        left.discard(cursor.advance().keyword)
        literal(cursor)


def _name(cursor: Cursor) -> None:
    cursor.name()


def _dropped(cursor: Cursor) -> None:
    cursor.name()
    cursor.accept("FORCE")


def _renamed(cursor: Cursor) -> None:
    cursor.name()
    cursor.expect("TO")
    cursor.name()


def _nothing(cursor: Cursor) -> None:
    pass


def _anything(cursor: Cursor) -> None:
    """Their grammar is long, and the answer is the same."""
    while not cursor.at(";") and cursor.token.kind != "end":
        cursor.advance()


STATEMENTS: Final[tuple[tuple[tuple[str, ...], Callable[[Cursor], None], ast.Forbidden], ...]] = (
    (("ENABLE", "TTL"), _schedule, _TTL),
    (("DISABLE", "TTL"), _nothing, _TTL),
    (("STOP", "TTL"), _nothing, _TTL),
    (("CREATE", "DATABASE"), _name, _TENANTS),
    (("DROP", "DATABASE"), _dropped, _TENANTS),
    (("RENAME", "DATABASE"), _renamed, _TENANTS),
    (("SUSPEND", "DATABASE"), _name, _TENANTS),
    (("RESUME", "DATABASE"), _name, _TENANTS),
    (("USE", "DATABASE"), _name, _LICENSE),
    (("SHOW", "DATABASE", "PRIVILEGES", "FOR"), _anything, _KEY),
    (("SHOW", "METRICS", "INFO"), _nothing, _METRICS),
    (("CREATE", "ROLE"), _anything, _KEY),
    (("DROP", "ROLE"), _anything, _KEY),
    (("SET", "ROLE", "FOR"), _anything, _KEY),
    (("CLEAR", "ROLE"), _anything, _KEY),
    (("GRANT",), _anything, _KEY),
    (("DENY",), _anything, _KEY),
    (("REVOKE",), _anything, _KEY),
    (("SHOW", "PRIVILEGES", "FOR"), _anything, _KEY),
    (("SHOW", "USERS", "FOR"), _anything, _KEY),
    (("SHOW", "ROLE", "FOR"), _anything, _KEY),
    (("SHOW", "METRICS"), _nothing, _METRICS),
    (("SET", "MAIN", "DATABASE"), _anything, _KEY),
)
"""First words, the parser of the rest, the answer; the first entry whose words fit counts."""


def refusal(answer: ast.Forbidden, rest: Callable[[Cursor], None]) -> Callable[[Cursor], ast.Forbidden]:
    """The parser of one statement."""

    def parse_rest(cursor: Cursor) -> ast.Forbidden:
        rest(cursor)
        return answer

    return parse_rest
