"""Statements that define indexes, constraints and triggers: prepared at RUN, effective at PULL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.effects import Steps, Until
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Role
from sandbox.memgraph.core.query import schema, triggers
from sandbox.memgraph.core.query.result import Result, note
from sandbox.memgraph.core.storage.transaction import Transaction

STORAGE_ACCESS_TIMEOUT_S: Final = 1.0


class Open(Protocol):
    """Begins the session's transaction."""

    def __call__(self, *, writes: bool) -> Transaction: ...


def of_schema(instance: Instance, change: ast.SchemaChange, begin: Open, *, explicit: bool) -> Result:
    """CREATE and DROP of indexes and constraints. Raises QueryError."""
    constraint = isinstance(change, ast.ConstraintChange)
    if explicit:
        subject = "Constraint manipulation is" if constraint else "Index manipulation is"
        raise errors.in_explicit_transaction(subject, instance.settings.compat)
    if not constraint and instance.role is not Role.MAIN:
        raise QueryError(errors.WRITE_ON_REPLICA)

    def run() -> Steps[list[list[Any]]]:
        if change.create or constraint:
            alone = yield Until(lambda: not instance.write_access, STORAGE_ACCESS_TIMEOUT_S)
            if not alone:
                raise errors.no_read_only_access(instance.settings.compat)
        yield from instance.may_begin()
        if instance.role is not Role.MAIN:
            # A constraint gets here: its query isn't counted among the writing ones.
            raise QueryError(errors.REPLICA_SHOULD_NOT_WRITE)
        result.notifications.append(note(*schema.change(begin(writes=True), change)))
        return []

    result = Result((), run, "rw" if constraint else "w", commits=True)
    return result


def of_trigger(
    instance: Instance, statement: ast.TriggerStatement, parameters: Mapping[str, Any], *, explicit: bool
) -> Result:
    """CREATE TRIGGER, DROP TRIGGER, SHOW TRIGGERS. Raises QueryError."""
    if explicit:
        raise errors.in_explicit_transaction("Managing triggers is", instance.settings.compat)

    def run() -> Steps[list[list[Any]]]:
        yield from ()
        match statement:
            case ast.CreateTrigger(name=name):
                triggers.create(instance, statement, parameters)
                result.notifications.append(note("CreateTrigger", f"Created trigger {name}."))
            case ast.DropTrigger(name):
                triggers.drop(instance, name)
                result.notifications.append(note("DropTrigger", f"Dropped trigger {name}."))
            case ast.ShowTriggers():
                return triggers.rows(instance)
        return []

    result = Result(triggers.COLUMNS if isinstance(statement, ast.ShowTriggers) else (), run)
    return result
