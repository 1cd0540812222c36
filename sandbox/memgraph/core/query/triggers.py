"""Triggers: statements run before or after every commit that does what they wait for (M-6.2/19).

They are kept by each instance for itself, are not replicated, and only a main has commits of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.execute import execute
from sandbox.memgraph.core.cypher.parser import parse
from sandbox.memgraph.core.cypher.values import NodeRef
from sandbox.memgraph.core.effects import Steps
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance
from sandbox.memgraph.core.query.events import Events, events_of, known, missing, variables
from sandbox.memgraph.core.replication.commit import commit
from sandbox.memgraph.core.storage.durability import Trigger, TriggersRecord
from sandbox.memgraph.core.storage.transaction import Transaction

COLUMNS = ("trigger name", "statement", "privilege context", "event type", "phase", "owner")


def create(instance: Instance, statement: ast.CreateTrigger, parameters: Mapping[str, Any]) -> None:
    """Raises QueryError if the name is taken or the statement can't run."""
    if statement.name in instance.triggers:
        raise QueryError("Trigger with the same name already exists.")
    allowed = known(statement.event, before=statement.before)
    try:
        _parsed(statement.statement, allowed)
    except QueryError as error:
        raise QueryError(
            f"Failed creating the trigger.\nError message: '{error.message}'\nThe error was mostly likely generated "
            "because of the wrong statement that this trigger executes.\nMake sure all predefined variables used are "
            f"present for the specified event.\nAllowed variables for event '{statement.event}' are: "
            f"{', '.join(sorted(allowed))}" + _lacking(statement.event)
        ) from None
    trigger = Trigger(
        statement.name, statement.statement, statement.event, statement.before, statement.invoker, dict(parameters)
    )
    instance.triggers[trigger.name] = trigger
    _keep(instance)


def _lacking(event: str) -> str:
    names = missing(event)
    return f" (this server has no {', '.join(names)})" if names else ""


def drop(instance: Instance, name: str) -> None:
    """Raises QueryError if there is none of this name."""
    if name not in instance.triggers:
        raise QueryError(f"Trigger with name '{name}' doesn't exist")
    del instance.triggers[name]
    _keep(instance)


def _keep(instance: Instance) -> None:
    instance.outbox.append(TriggersRecord(list(instance.triggers.values())))


def _phase(instance: Instance, *, before: bool) -> list[Trigger]:
    found = [trigger for trigger in instance.triggers.values() if trigger.before is before]
    return sorted(found, key=lambda trigger: trigger.name)


def rows(instance: Instance) -> list[list[Any]]:
    """SHOW TRIGGERS: those before the commit first, in the order in which they run."""
    return [
        [t.name, t.statement, "INVOKER" if t.invoker else "DEFINER", t.event, _phase_name(t), None]
        for before in (True, False)
        for t in _phase(instance, before=before)
    ]


def _phase_name(trigger: Trigger) -> str:
    return "BEFORE COMMIT" if trigger.before else "AFTER COMMIT"


def _parsed(statement: str, given: frozenset[str]) -> ast.Cypher:
    query = parse(statement, given=given)
    if not isinstance(query, ast.Cypher) or query.commit_every is not None:
        raise QueryError("A trigger can only execute a query over data.")
    return query


def _execute(trigger: Trigger, transaction: Transaction, events: Events) -> None:
    names = known(trigger.event, before=trigger.before)
    query = _parsed(trigger.statement, names)
    try:
        execute(query, transaction, trigger.parameters, variables(events, names))
    except RecursionError:  # a chain of thousands of operators
        raise QueryError("The query's expressions are nested too deeply.") from None


def run_before(instance: Instance, transaction: Transaction, earlier: Events) -> Events | None:
    """Run the triggers before a commit, inside its transaction. All of them see what it did before the first one.

    `earlier`: events of the query's earlier commits. None: there are no triggers. Raises QueryError.
    """
    if not instance.triggers:
        return None
    events = events_of(transaction)
    earlier.add(events)
    for trigger in _phase(instance, before=True):
        if earlier.of(trigger.event):
            try:
                _execute(trigger, transaction, earlier)
            except QueryError as error:
                message = f"Trigger '{trigger.name}' caused the transaction to fail.\nException: {error.message}"
                raise QueryError(message) from None
    return earlier


def run_after(instance: Instance, events: Events) -> Steps[None]:
    """Run the triggers after a commit, each in a transaction of its own. Their errors reach nobody."""
    for trigger in _phase(instance, before=False):
        instance.next_timestamp()
        transaction = Transaction(instance.graph, writes=True)
        instance.write_access.add(transaction)
        try:
            left = _still_there(events, transaction)
            if left.of(trigger.event):
                _execute(trigger, transaction, left)
            yield from commit(instance, transaction)
        except QueryError:
            pass
        finally:
            transaction.finish()
            instance.write_access.discard(transaction)


def _still_there(events: Events, transaction: Transaction) -> Events:
    def exists(entity: Any) -> bool:
        changes: Any = transaction.nodes if isinstance(entity, NodeRef) else transaction.edges
        return changes.get(entity.id) is not None

    return Events(
        [entity for entity in events.created if exists(entity)],
        events.deleted,
        [change for change in events.properties if exists(change[0])],
        [entity for entity in events.relabelled if exists(entity)],
    )
