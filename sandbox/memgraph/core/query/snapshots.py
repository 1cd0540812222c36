"""Statements about snapshots and the storage mode (Memgraph's `query/interpreter.cpp`)."""

from __future__ import annotations

from typing import Any, Final

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.effects import Steps, Until
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Role, StorageMode
from sandbox.memgraph.core.query.result import Result
from sandbox.memgraph.core.query.storage_info import size
from sandbox.memgraph.core.storage.durability import snapshot_name

_CREATED: Final = "1970-01-01 00:00:00.000000 UTC"
"""Of every snapshot: the core has no clock."""
_SUBJECTS: Final = {
    ast.CreateSnapshot: "Creating snapshots is",
    ast.ShowSnapshots: "Show schema info query is",
    ast.SetStorageMode: "Modifying storage modes is",
}


def prepared(instance: Instance, statement: ast.StorageStatement, *, explicit: bool) -> Result:
    """What is refused at RUN, and the effect at PULL. Raises QueryError."""
    if explicit:
        raise errors.in_explicit_transaction(_SUBJECTS[type(statement)], instance.settings.compat)
    match statement:
        case ast.CreateSnapshot():
            return Result(("path",), lambda: _create(instance))
        case ast.ShowSnapshots():
            return Result(("path", "timestamp", "creation_time", "size"), lambda: _show(instance))
        case ast.SetStorageMode(mode):
            return Result((), lambda: _set_mode(instance, StorageMode(mode)))


def _create(instance: Instance) -> Steps[list[list[Any]]]:
    """Also one that would be equal to the last: this is how a replica's own position can be read from it."""
    if instance.role is Role.REPLICA and not instance.settings.compat.replica_snapshots:
        raise QueryError(errors.NO_REPLICA_SNAPSHOT, errors.TRANSIENT)
    yield from instance.may_begin()
    instance.write_snapshot(force=True)
    return [[snapshot_name(instance.files.snapshots[-1].ts)]]


def _show(instance: Instance) -> Steps[list[list[Any]]]:
    yield from ()
    return [
        [snapshot_name(snapshot.ts), snapshot.ts, _CREATED, size(100 * len(snapshot.ops))]
        for snapshot in instance.files.snapshots
    ]


def _set_mode(instance: Instance, mode: StorageMode) -> Steps[list[list[Any]]]:
    """Waits until no transaction is open. Replicas are not thought of: they get nothing more, and nobody says so."""
    if mode is instance.storage_mode:
        return []
    if instance.graph.readers:
        yield Until(lambda: not instance.graph.readers)
    yield from instance.may_begin()
    if mode is StorageMode.ANALYTICAL:
        if instance.graph.constraints or instance.graph.types:
            raise QueryError(errors.CONSTRAINTS_IN_ANALYTICAL, errors.TRANSIENT)
    else:  # what was changed meanwhile is in no WAL file, so a snapshot that counts as newer has to carry it
        instance.write_snapshot(force=True, ts=instance.next_timestamp())
    instance.storage_mode = mode
    return []
