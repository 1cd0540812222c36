"""The replica's side: what each RPC does to an instance. All but pings and takeovers check the main UUID."""

from __future__ import annotations

from sandbox.memgraph.core.instance import Instance, Prepared, ReplaceRecord, Role
from sandbox.memgraph.core.messages import (
    Answer,
    Finalize,
    Heartbeat,
    Ping,
    Prepare,
    Request,
    Snapshot,
    SwapMainUUID,
    WalFiles,
)


def receive(instance: Instance, request: Request) -> Answer:
    """Handle one RPC. `ok=False` is a refusal: wrong main, not a replica, or out of step."""
    if isinstance(request, Ping):
        return Answer(True)
    if instance.role is not Role.REPLICA:
        return Answer(False)
    if isinstance(request, SwapMainUUID):
        instance.main_uuid = request.main_uuid
        instance.persist_role()
        return Answer(True)
    if request.main_uuid != instance.main_uuid:
        return Answer(False)
    match request:
        case Heartbeat():
            return _position(instance, True)
        case Prepare():
            return _prepare(instance, request)
        case Finalize():
            return _finalize(instance, request)
        case WalFiles():
            return _wal_files(instance, request)
        case Snapshot(state=state):
            instance.prepared = None
            instance.load(state)
            instance.outbox.append(ReplaceRecord(state))
            return _position(instance, True)


def _position(instance: Instance, ok: bool) -> Answer:
    return Answer(ok, instance.ldt, instance.epochs.of(instance.ldt))


def _prepare(instance: Instance, request: Prepare) -> Answer:
    instance.prepared = None  # an undecided older one can no longer be finalized
    if request.previous != instance.ldt:
        return _position(instance, False)
    if request.two_phase:
        instance.prepared = Prepared(request.commit, request.database_uuid)
    else:
        instance.adopt_database(request.database_uuid)
        instance.apply(request.commit)
    return _position(instance, True)


def _finalize(instance: Instance, request: Finalize) -> Answer:
    prepared = instance.prepared
    if prepared is None or prepared.commit.ts != request.ts:
        return _position(instance, False)
    instance.prepared = None
    if request.decision:
        instance.adopt_database(prepared.database_uuid)
        instance.apply(prepared.commit)
    return _position(instance, True)


def _wal_files(instance: Instance, request: WalFiles) -> Answer:
    instance.prepared = None
    instance.adopt_database(request.database_uuid)
    for commit in request.commits:
        if commit.ts > instance.ldt:
            instance.apply(commit)
    return _position(instance, True)
