"""Statements of Memgraph Enterprise, and what Memgraph Community answers to them (M-6.2/25)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.cursor import Cursor
from sandbox.memgraph.core.cypher.expression_parser import literal
from sandbox.memgraph.core.errors import NOT_A_COORDINATOR


def _access(feature: str) -> str:
    return f"Access to {feature} requires an enterprise, ai_platform, or oem license."


_NO_LICENSE: Final = (
    "Trying to use enterprise feature without a valid license. Check your license status by running SHOW LICENSE INFO."
)
_NO_KEY: Final = (
    "Invalid license key string. To use advanced authentication features please set it to a valid string using the "
    'following query:\nSET DATABASE SETTING "enterprise.license" TO "your-license-key"'
)
_TTL, _TENANTS = _access("TTL"), _access("multi-tenancy")


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


STATEMENTS: Final[tuple[tuple[tuple[str, ...], Callable[[Cursor], None], str], ...]] = (
    (("ENABLE", "TTL"), _schedule, _TTL),
    (("DISABLE", "TTL"), _nothing, _TTL),
    (("STOP", "TTL"), _nothing, _TTL),
    (("CREATE", "DATABASE"), _name, _TENANTS),
    (("DROP", "DATABASE"), _dropped, _TENANTS),
    (("RENAME", "DATABASE"), _renamed, _TENANTS),
    (("SUSPEND", "DATABASE"), _name, _TENANTS),
    (("RESUME", "DATABASE"), _name, _TENANTS),
    (("SHOW", "DATABASES"), _nothing, _TENANTS),
    (("USE", "DATABASE"), _name, _NO_LICENSE),
    (("SHOW", "DATABASE", "PRIVILEGES", "FOR"), _anything, _NO_KEY),
    (("SHOW", "DATABASE"), _nothing, _NO_LICENSE),
    (("SHOW", "CURRENT", "DATABASE"), _nothing, _NO_LICENSE),
    (("SHOW", "METRICS", "INFO"), _nothing, _access("SHOW METRICS INFO")),
    (("CREATE", "ROLE"), _anything, _NO_KEY),
    (("DROP", "ROLE"), _anything, _NO_KEY),
    (("SET", "ROLE", "FOR"), _anything, _NO_KEY),
    (("CLEAR", "ROLE"), _anything, _NO_KEY),
    (("GRANT",), _anything, _NO_KEY),
    (("DENY",), _anything, _NO_KEY),
    (("REVOKE",), _anything, _NO_KEY),
    (("SHOW", "PRIVILEGES", "FOR"), _anything, _NO_KEY),
    (("SHOW", "USERS", "FOR"), _anything, _NO_KEY),
    (("SHOW", "ROLE", "FOR"), _anything, _NO_KEY),
    (("SHOW", "METRICS"), _nothing, _access("SHOW METRICS INFO")),
    (("ADD", "COORDINATOR"), _anything, NOT_A_COORDINATOR),
    (("REMOVE", "COORDINATOR"), _anything, NOT_A_COORDINATOR),
    (("REGISTER", "INSTANCE"), _anything, NOT_A_COORDINATOR),
    (("UNREGISTER", "INSTANCE"), _anything, NOT_A_COORDINATOR),
    (("SET", "COORDINATOR", "SETTING"), _anything, NOT_A_COORDINATOR),
    (("SHOW", "COORDINATOR", "SETTINGS"), _nothing, NOT_A_COORDINATOR),
    (("SHOW", "REPLICATION", "LAG"), _nothing, NOT_A_COORDINATOR),
    (("SET", "MAIN", "DATABASE"), _anything, _NO_KEY),
    (("SET", "INSTANCE"), _anything, NOT_A_COORDINATOR),
    (("DEMOTE", "INSTANCE"), _anything, NOT_A_COORDINATOR),
    (("FORCE", "RESET", "CLUSTER", "STATE"), _nothing, NOT_A_COORDINATOR),
    (("YIELD", "LEADERSHIP"), _nothing, NOT_A_COORDINATOR),
)
"""First words, the parser of the rest, the answer; the first entry whose words fit counts."""


def refusal(answer: str, rest: Callable[[Cursor], None]) -> Callable[[Cursor], ast.Forbidden]:
    """The parser of one statement."""

    def parse_rest(cursor: Cursor) -> ast.Forbidden:
        rest(cursor)
        return ast.Forbidden(answer)

    return parse_rest
