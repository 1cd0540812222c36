"""Users and their passwords: what a Secret has to look like, and the statements that make an instance know them.

Names and passwords follow Memgraph's own limits (src/auth/auth.cpp, crypto.cpp): it lower-cases names, refuses an empty
password and one with a line break, reads a password only up to its first NUL, and takes one that looks like
`bcrypt:...` for a hash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

PREVIOUS: Final = ".previous"
"""`NAME.previous` holds the password NAME had before: the controller tries it where the new one is refused."""
_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}")
_HASH: Final = re.compile(r"(bcrypt|sha256|sha256-multiple):", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password. The password is in no text made from it."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accounts:
    """What a Secret says. `problems` has one sentence for each key that cannot be used, and no password."""

    logins: tuple[Login, ...]
    previous: tuple[Login, ...]
    problems: tuple[str, ...]

    def of(self, name: str) -> tuple[Login, ...]:
        """This user's passwords, the new one first."""
        return tuple(login for login in self.logins + self.previous if login.name == name)


def read_secret(entries: Mapping[str, bytes]) -> Accounts:
    """One key a user, its value the password; `NAME.previous` is that user's former password."""
    logins: list[Login] = []
    previous: list[Login] = []
    problems: list[str] = []
    for key in sorted(entries):
        name = key.removesuffix(PREVIOUS)
        problem = _problem(name, entries[key])
        if problem:
            problems.append(f"user {key!r} is left out: {problem}")
        else:
            (logins if name == key else previous).append(Login(name, entries[key].decode()))
    return Accounts(tuple(logins), tuple(previous), tuple(problems))


def _problem(name: str, value: bytes) -> str | None:
    if not _NAME.fullmatch(name):
        return "a name has 1 to 63 of a-z, 0-9, _ and -"
    try:
        password = value.decode()
    except UnicodeDecodeError:
        return "its password is not UTF-8"
    if not password:
        return "its password is empty"
    if any(character in password for character in "\n\r\0"):
        return "its password has a line break or a NUL (echo adds a line break, printf does not)"
    if _HASH.match(password):
        return "Memgraph would take its password for a hash"
    return None


def quoted(text: str) -> str:
    """A string literal of Memgraph's query language, on one line whatever is in it."""
    return "'" + "".join(_escaped(character) for character in text) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def create(login: Login) -> str:
    """The statement that makes a user. With the first one, an instance begins to ask for credentials."""
    return f"CREATE USER IF NOT EXISTS `{login.name}` IDENTIFIED BY {quoted(login.password)};"


def set_password(login: Login) -> str:
    """The statement that gives a user this password."""
    return f"SET PASSWORD FOR `{login.name}` TO {quoted(login.password)};"


def init_file(logins: Iterable[Login], role_lines: str) -> str:
    """The init-file: users first, since a replica refuses them, then the role (P-N1).

    Memgraph only logs a line that fails: no user line can keep the role lines from running.
    """
    lines = [statement(login) for login in logins for statement in (create, set_password)]
    return "".join(line + "\n" for line in lines) + role_lines
