"""A query's text to a statement. What isn't known is a syntax error, never a guess.

Known of Cypher: UNWIND, [OPTIONAL] MATCH, CREATE, MERGE, SET, REMOVE, [DETACH] DELETE, WITH, RETURN and USING PERIODIC
COMMIT, over nodes and relationships of fixed length. Unknown, among others: paths as values and of variable length,
CALL, FOREACH, UNION, EXPLAIN and PROFILE, list comprehensions and slices, EXISTS, points, dates and times.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

from sandbox.memgraph.core.compat import DEFAULT, Compat
from sandbox.memgraph.core.cypher import ast, enterprise, trigger_parser
from sandbox.memgraph.core.cypher.clause_parser import cypher
from sandbox.memgraph.core.cypher.cursor import Cursor
from sandbox.memgraph.core.cypher.expression_parser import literal
from sandbox.memgraph.core.cypher.schema_parser import analyze, constraint, edge_index, index
from sandbox.memgraph.core.cypher.scope import resolve
from sandbox.memgraph.core.cypher.show_parser import coordinator_statement, show_statement

_Parser: TypeAlias = Callable[[Cursor], ast.Statement]


@lru_cache(maxsize=512)  # an application has few distinct texts: literals belong into parameters
def parse(query: str, compat: Compat = DEFAULT, given: frozenset[str] = frozenset()) -> ast.Statement:
    """Parse one statement as that release does, with at most one semicolon at its end. Raises QueryError.

    `given`: variables that are bound before it.
    """
    cursor = Cursor(query)
    statement = _statement(cursor, compat)
    cursor.accept(";")
    if cursor.token.kind != "end":
        raise cursor.mismatch("<EOF>")
    if isinstance(statement, ast.Cypher):
        return resolve(statement, given)
    return statement


def _statement(cursor: Cursor, compat: Compat) -> ast.Statement:
    for words, parse_rest in _BY_FIRST_WORD.get(cursor.token.keyword, ()):
        if cursor.at(*words):
            cursor.expect(*words)
            return parse_rest(cursor)
    if cursor.accept("SHOW"):
        return show_statement(cursor, compat)
    coordination = coordinator_statement(cursor, compat)
    if coordination is not None:
        return coordination
    if cursor.token.kind == "end" or cursor.at(";"):
        raise cursor.mismatch("{a query}")
    return cypher(cursor)


def _set_role(cursor: Cursor) -> ast.SetRole:
    if not (cursor.at("MAIN") or cursor.at("REPLICA")):
        raise cursor.mismatch("{MAIN, REPLICA}")
    main = cursor.advance().keyword == "MAIN"
    if cursor.accept("WITH", "PORT"):
        return ast.SetRole(main, literal(cursor), has_port=True)
    return ast.SetRole(main)


def _register(cursor: Cursor) -> ast.Register:
    name = cursor.name()
    if cursor.token.keyword not in ("SYNC", "ASYNC", "STRICT_SYNC"):
        raise cursor.mismatch("{ASYNC, STRICT_SYNC, SYNC}")
    mode = cursor.advance().keyword
    cursor.expect("TO")
    return ast.Register(name, mode, literal(cursor))


def _drop_replica(cursor: Cursor) -> ast.DropReplica:
    return ast.DropReplica(cursor.name())


def _storage_mode(cursor: Cursor) -> ast.SetStorageMode:
    if cursor.token.keyword not in ("IN_MEMORY_TRANSACTIONAL", "IN_MEMORY_ANALYTICAL"):
        raise cursor.mismatch("{IN_MEMORY_ANALYTICAL, IN_MEMORY_TRANSACTIONAL}")
    return ast.SetStorageMode(cursor.advance().keyword)


def _create_user(cursor: Cursor) -> ast.UserChange:
    action = "create-if-missing" if cursor.accept("IF", "NOT", "EXISTS") else "create"
    name = cursor.name()
    return ast.UserChange(action, name, _password(cursor) if cursor.accept("IDENTIFIED", "BY") else "")


def _set_password(cursor: Cursor) -> ast.UserChange:
    name = cursor.name()
    cursor.expect("TO")
    return ast.UserChange("password", name, _password(cursor))


def _password(cursor: Cursor) -> str:
    password = literal(cursor)
    if not isinstance(password, str):
        raise cursor.error("Password should be a string literal!")
    return password


def _drop_user(cursor: Cursor) -> ast.UserChange:
    return ast.UserChange("drop", cursor.name())


def _control(action: str) -> Callable[[Cursor], ast.Statement]:
    return lambda cursor: ast.TransactionControl(action)


_STATEMENTS: Final[tuple[tuple[tuple[str, ...], _Parser], ...]] = (
    (("SET", "REPLICATION", "ROLE", "TO"), _set_role),
    (("SET", "PASSWORD", "FOR"), _set_password),
    (("REGISTER", "REPLICA"), _register),
    (("DROP", "REPLICA"), _drop_replica),
    (("DROP", "USER"), _drop_user),
    (("CREATE", "INDEX", "ON"), index(create=True)),
    (("DROP", "INDEX", "ON"), index(create=False)),
    (("CREATE", "EDGE", "INDEX", "ON"), edge_index(create=True)),
    (("DROP", "EDGE", "INDEX", "ON"), edge_index(create=False)),
    (("CREATE", "GLOBAL", "EDGE", "INDEX", "ON"), edge_index(create=True, everywhere=True)),
    (("DROP", "GLOBAL", "EDGE", "INDEX", "ON"), edge_index(create=False, everywhere=True)),
    (("CREATE", "CONSTRAINT", "ON"), constraint(create=True)),
    (("DROP", "CONSTRAINT", "ON"), constraint(create=False)),
    (("ANALYZE", "GRAPH"), analyze),
    (("CREATE", "USER"), _create_user),
    (("CREATE", "TRIGGER"), trigger_parser.create),
    (("DROP", "TRIGGER"), trigger_parser.drop),
    (("SHOW", "TRIGGERS"), lambda cursor: ast.ShowTriggers()),
    (("SHOW", "TRIGGER", "INFO"), lambda cursor: ast.ShowTriggers()),
    *((words, enterprise.refusal(answer, rest)) for words, rest, answer in enterprise.STATEMENTS),
    (("CREATE", "SNAPSHOT"), lambda cursor: ast.CreateSnapshot()),
    (("SHOW", "SNAPSHOTS"), lambda cursor: ast.ShowSnapshots()),
    (("STORAGE", "MODE"), _storage_mode),
    (("BEGIN",), _control("BEGIN")),
    (("COMMIT",), _control("COMMIT")),
    (("ROLLBACK",), _control("ROLLBACK")),
)
_BY_FIRST_WORD: Final[dict[str, list[tuple[tuple[str, ...], _Parser]]]] = {}
for _entry in _STATEMENTS:
    _BY_FIRST_WORD.setdefault(_entry[0][0], []).append(_entry)
