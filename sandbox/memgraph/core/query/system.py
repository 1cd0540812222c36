"""Statements about roles, registrations and users: system queries, of which there is one at a time (M-1.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.effects import Steps
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Mode
from sandbox.memgraph.core.query import users
from sandbox.memgraph.core.query.result import Result, note
from sandbox.memgraph.core.replication import roles


def prepared(instance: Instance, statement: ast.SystemStatement, *, explicit: bool) -> Result:
    """What is refused at RUN, and the effect at PULL. Raises QueryError."""
    if not isinstance(statement, ast.UserChange) and not instance.transactional():
        raise QueryError(errors.ANALYTICAL)
    if explicit:
        subject = "Managing users is" if isinstance(statement, ast.UserChange) else "Managing replication is"
        raise errors.in_explicit_transaction(subject, instance.settings.compat)
    match statement:
        case ast.SetRole():
            return _set_role(instance, statement)
        case ast.Register(name, mode, address):
            if not isinstance(address, str):
                raise QueryError("Socket address should be a string literal!")
            done = note("RegisterReplica", f"Replica {name} is registered.")
            return _effect(lambda: roles.register(instance, name, Mode(mode.lower()), address), done)
        case ast.DropReplica(name):
            return _effect(lambda: roles.drop(instance, name), note("DropReplica", f"Replica {name} is dropped."))
        case ast.UserChange():
            return _change_user(instance, statement)


def _change_user(instance: Instance, statement: ast.UserChange) -> Result:
    name = statement.name

    def run() -> Steps[list[list[Any]]]:
        existed = name in instance.users
        yield from users.change(instance, statement)
        if instance.settings.compat.user_notifications and statement.action.startswith("create"):
            result.notifications.append(
                note("CreateUser", f"User '{name}' already exists.", "WARNING")
                if existed
                else note("CreateUser", f"User '{name}' created. All privileges granted.")
            )
        return []

    result = Result((), run)
    return result


def _set_role(instance: Instance, statement: ast.SetRole) -> Result:
    port = statement.port
    if statement.has_port and type(port) is not int:
        raise QueryError("Port must be an integer literal!")
    if statement.main:
        if statement.has_port:
            raise QueryError("Main can't set a port!")
        return _effect(lambda: roles.promote(instance), note("SetReplica", "Replica role set to MAIN."))
    if not statement.has_port:
        raise QueryError("Replica must set a port!")

    def run() -> Steps[None]:
        if not 0 <= port < 65536:
            raise QueryError("Port number invalid!")
        yield from roles.demote(instance, port)

    notes = [note("SetReplica", "Replica role set to REPLICA.")]
    if port == 7687:
        warning = "Be careful the replication port must be different from the memgraph port!"
        notes.append(note("ReplicaPortWarning", warning, "WARNING"))
    return _effect(run, *notes)


def _effect(procedure: Callable[[], Steps[None]], *notes: dict[str, str]) -> Result:
    """A statement without rows."""

    def run() -> Steps[list[list[Any]]]:
        yield from procedure()
        return []

    return Result((), run, notifications=list(notes))
