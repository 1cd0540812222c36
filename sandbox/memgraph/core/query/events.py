"""What a transaction did, as triggers see it: events and the variables predefined for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sandbox.memgraph.core.cypher.values import EdgeRef, NodeRef
from sandbox.memgraph.core.storage.transaction import Transaction
from sandbox.memgraph.core.storage.versions import Changes

Property: TypeAlias = tuple[Any, str, Any, Any]
"""What was changed, the property's name, its old and its new value."""


@dataclass(slots=True)
class Events:
    """Changes against what the transaction began with. What it made itself counts as created only."""

    created: list[NodeRef | EdgeRef] = field(default_factory=list)
    deleted: list[NodeRef | EdgeRef] = field(default_factory=list)
    properties: list[Property] = field(default_factory=list)
    relabelled: list[NodeRef] = field(default_factory=list)

    def of(self, event: str) -> bool:
        """Whether a trigger on this event fires; `event` as SHOW TRIGGERS names it."""
        kinds = {"()": (NodeRef,), "-->": (EdgeRef,)}.get(event.partition(" ")[0], (NodeRef, EdgeRef))
        updated = [*(entity for entity, *_ in self.properties), *self.relabelled]
        lists = {"CREATE": [self.created], "DELETE": [self.deleted], "UPDATE": [updated]}
        looked_at = lists.get(event.rpartition(" ")[2], [self.created, self.deleted, updated])
        return any(isinstance(entity, kinds) for entities in looked_at for entity in entities)

    def add(self, later: Events) -> None:
        """The events of a later transaction of the same query."""
        self.created += later.created
        self.deleted += later.deleted
        self.properties += later.properties
        self.relabelled += later.relabelled


def events_of(transaction: Transaction) -> Events:
    """Compare the transaction's end with its beginning."""
    events = Events()
    _compare(events, transaction.nodes, NodeRef)
    _compare(events, transaction.edges, EdgeRef)
    return events


def _compare(events: Events, changes: Changes[Any], reference: Callable[[int], Any]) -> None:
    events.deleted += [reference(key) for key in changes.removals()]
    for new in changes.upserts():
        old = changes.before(new.id)
        if old is None:
            events.created.append(reference(new.id))
            continue
        if getattr(old, "labels", ()) != getattr(new, "labels", ()):
            events.relabelled.append(reference(new.id))
        for name in {**old.properties, **new.properties}:
            before, after = old.properties.get(name), new.properties.get(name)
            if type(before) is not type(after) or before != after:
                events.properties.append((reference(new.id), name, before, after))


def _only(entities: Iterable[Any], kind: type) -> list[Any]:
    return [entity for entity in entities if isinstance(entity, kind)]


def _changed(events: Events, kind: type, name: str, *, removed: bool) -> list[dict[str, Any]]:
    return [
        {name: entity, "key": key, "old": old, **({} if removed else {"new": new})}
        for entity, key, old, new in events.properties
        if isinstance(entity, kind) and (new is None) is removed
    ]


_VALUES: Final[dict[str, Callable[[Events], list[Any]]]] = {
    "createdVertices": lambda events: _only(events.created, NodeRef),
    "createdEdges": lambda events: _only(events.created, EdgeRef),
    "deletedVertices": lambda events: _only(events.deleted, NodeRef),
    "deletedEdges": lambda events: _only(events.deleted, EdgeRef),
    "setVertexProperties": lambda events: _changed(events, NodeRef, "vertex", removed=False),
    "setEdgeProperties": lambda events: _changed(events, EdgeRef, "edge", removed=False),
    "removedVertexProperties": lambda events: _changed(events, NodeRef, "vertex", removed=True),
    "removedEdgeProperties": lambda events: _changed(events, EdgeRef, "edge", removed=True),
}
_UNKNOWN_HERE: Final = {
    "CREATE": ("createdObjects",),
    "DELETE": ("deletedObjects",),
    "UPDATE": ("setVertexLabels", "removedVertexLabels", "updatedVertices", "updatedEdges", "updatedObjects"),
}


def variables(events: Events, names: Iterable[str]) -> dict[str, Any]:
    """The predefined variables by name."""
    return {name: _VALUES[name](events) for name in names}


def known(event: str, *, before: bool) -> frozenset[str]:
    """Names of the variables that a trigger on this event may use here.

    After the commit there is nothing left of what was deleted.
    """
    kind, action = event.partition(" ")[0], event.rpartition(" ")[2]
    words = {"CREATE": ("created",), "DELETE": ("deleted",), "UPDATE": ("set", "removed")}.get(
        action, ("created", "deleted", "set", "removed")
    )
    other = {"()": "Edge", "-->": "Vert"}.get(kind, " ")
    return frozenset(
        name
        for name in _VALUES
        if name.startswith(words) and other not in name and (before or not name.startswith("deleted"))
    )


def missing(event: str) -> tuple[str, ...]:
    """Names of the variables that Memgraph has for this event and this server has not."""
    action = event.rpartition(" ")[2]
    return tuple(name for key, names in _UNKNOWN_HERE.items() if action in (key, "ANY") for name in names)
