"""SHOW queries, and the statements that only coordinators of Memgraph Enterprise understand."""

from __future__ import annotations

from typing import Final

from sandbox.memgraph.core.compat import Compat
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.cursor import Cursor
from sandbox.memgraph.core.cypher.expression_parser import literal

_SHOWS: Final[tuple[tuple[str, ...], ...]] = (
    ("REPLICATION", "ROLE"),
    ("REPLICAS",),
    ("INDEX", "INFO"),
    ("CONSTRAINT", "INFO"),
    ("BUILD", "INFO"),
    ("LICENSE", "INFO"),
    ("ACTIVE", "USERS", "INFO"),
    ("CONFIG",),
    ("VERSION",),
    ("USERS",),
    ("DATABASES",),
    ("CURRENT", "DATABASE"),
    ("DATABASE",),
)
_SAME: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    ("INDEXES",): ("INDEX", "INFO"),
    ("CONSTRAINTS",): ("CONSTRAINT", "INFO"),
}
_COORDINATOR_SHOWS: Final[tuple[tuple[str, ...], ...]] = (
    ("INSTANCES",),
    ("INSTANCE",),
    ("REPLICATION", "LAG"),
    ("COORDINATOR", "SETTINGS"),
)
NAME, LITERAL, MAP, MODE = "<name>", "<literal>", "<map>", "<mode>"
_COORDINATOR: Final[tuple[tuple[str, ...], ...]] = (
    ("ADD", "COORDINATOR", LITERAL, "WITH", "CONFIG", MAP),
    ("REMOVE", "COORDINATOR", LITERAL),
    ("REGISTER", "INSTANCE", NAME, MODE, "WITH", "CONFIG", MAP),
    ("UNREGISTER", "INSTANCE", NAME),
    ("SET", "INSTANCE", NAME, "TO", "MAIN"),
    ("DEMOTE", "INSTANCE", NAME),
    ("FORCE", "RESET", "CLUSTER", "STATE"),
    ("YIELD", "LEADERSHIP"),
    ("SET", "COORDINATOR", "SETTING", LITERAL, "TO", LITERAL),
)
_UPDATE_CONFIG: Final = (
    ("UPDATE", "CONFIG", "FOR", "INSTANCE", NAME, MAP),
    ("UPDATE", "CONFIG", "FOR", "COORDINATOR", LITERAL, MAP),
)


def show_statement(cursor: Cursor, compat: Compat) -> ast.Show | ast.Coordination:
    """What follows SHOW."""
    routing = (("ROUTING", "TABLE"),) if compat.routing_table else ()
    for words in _COORDINATOR_SHOWS + routing:
        if cursor.accept(*words):
            return ast.Coordination()
    if cursor.accept("STORAGE", "INFO"):
        return _storage_info(cursor, compat)
    for words in (*_SHOWS, *_SAME):
        if cursor.accept(*words):
            return ast.Show(" ".join(_SAME.get(words, words)))
    raise cursor.mismatch("{" + ", ".join(sorted({words[0] for words in _SHOWS} | {"STORAGE"})) + "}")


def _storage_info(cursor: Cursor, compat: Compat) -> ast.Show:
    if not compat.storage_scopes or not cursor.accept("ON"):
        return ast.Show("STORAGE INFO")
    if cursor.accept("CURRENT"):
        cursor.expect("DATABASE")
        return ast.Show("STORAGE INFO ON CURRENT DATABASE")
    if not cursor.accept("DATABASE"):
        raise cursor.mismatch("{CURRENT, DATABASE}")
    return ast.Show("STORAGE INFO ON DATABASE", cursor.name())


def coordinator_statement(cursor: Cursor, compat: Compat) -> ast.Coordination | None:
    """A coordinator's statement other than SHOW, or None if the query doesn't begin like one."""
    for shape in _COORDINATOR + (_UPDATE_CONFIG if compat.update_config else ()):
        begin = next((i for i, part in enumerate(shape) if part.startswith("<")), len(shape))
        if cursor.accept(*shape[:begin]):
            for part in shape[begin:]:
                _part(cursor, part)
            return ast.Coordination()
    return None


def _part(cursor: Cursor, part: str) -> None:
    if part == NAME:
        cursor.name()
    elif part == LITERAL:
        literal(cursor)
    elif part == MAP:
        _config_map(cursor)
    elif part != MODE:
        cursor.expect(part)
    elif cursor.accept("AS") and not (cursor.accept("ASYNC") or cursor.accept("STRICT_SYNC")):
        raise cursor.mismatch("{ASYNC, STRICT_SYNC}")


def _config_map(cursor: Cursor) -> None:
    cursor.expect("{")
    if cursor.accept("}"):
        return
    while True:
        literal(cursor)
        cursor.expect(":")
        literal(cursor)
        if not cursor.accept(","):
            break
    cursor.expect("}")
