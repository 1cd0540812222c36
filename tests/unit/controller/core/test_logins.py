"""Users from a Secret: what may be in it, and that no password can leave its place in a statement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.logins import Login, create, init_file, quoted, read_secret, set_password
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.lexer import tokenize, unquote_string
from sandbox.memgraph.core.cypher.parser import parse

ROLE = "SET REPLICATION ROLE TO REPLICA WITH PORT 10000;\n" * 2
PASSWORDS = st.text(min_size=1).filter(lambda text: not set("\n\r\0") & set(text))


@given(st.text())
def test_a_password_stays_one_literal_on_one_line(password: str) -> None:
    """Whatever is in it: the literal is one token, and means the password."""
    literal = quoted(password)
    (token, end) = tokenize(literal)
    assert (token.kind, end.kind) == ("string", "end")
    assert unquote_string(token.text) == password
    assert len(literal.splitlines()) == 1


@given(PASSWORDS)
def test_statements_name_the_user_and_the_password(password: str) -> None:
    """As the simulated server reads them."""
    login = Login("app-1", password)
    assert parse(create(login)) == ast.UserChange("create-if-missing", "app-1", password)
    assert parse(set_password(login)) == ast.UserChange("password", "app-1", password)


@given(st.dictionaries(st.text("abc_.-previous"), st.binary()))
def test_the_role_lines_end_the_init_file_whatever_the_secret_holds(entries: dict[str, bytes]) -> None:
    """P-N1: a missing role line would leave a main without a fence."""
    text = init_file(read_secret(entries).logins, ROLE)
    assert text.endswith(ROLE)
    assert all(line.startswith(("CREATE USER", "SET ")) for line in text.splitlines())


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("Ops", b"x", "name"),
        ("a`b", b"x", "name"),
        ("ops.old", b"x", "name"),
        (".previous", b"x", "name"),
        ("ops", b"", "empty"),
        ("ops", b"secret\n", "line break"),
        ("ops", b"se\0cret", "NUL"),
        ("ops", b"\xff", "UTF-8"),
        ("ops", b"BCrypt:secret", "hash"),
    ],
)
def test_what_memgraph_would_refuse_is_left_out_and_named(key: str, value: bytes, word: str) -> None:
    """The others stay; no password is in the sentence."""
    accounts = read_secret({key: value, "app": b"fine"})
    assert [login.name for login in accounts.logins] == ["app"]
    (problem,) = accounts.problems
    assert repr(key) in problem
    assert word in problem
    assert "secret" not in problem


def test_the_former_password_is_a_login_of_the_same_user() -> None:
    """The new one first; it makes no user of its own."""
    accounts = read_secret({"ops": b"new", "ops.previous": b"old", "app": b"x"})
    assert [login.name for login in accounts.logins] == ["app", "ops"]
    assert [login.password for login in accounts.of("ops")] == ["new", "old"]


def test_a_password_is_in_no_text() -> None:
    """Values end up in tracebacks and messages."""
    assert "hunter2" not in repr(read_secret({"ops": b"hunter2", "ops.previous": b"hunter2"}))
