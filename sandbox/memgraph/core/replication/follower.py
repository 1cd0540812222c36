"""The replica's side: what each RPC does to an instance (M-3.3; Memgraph's `inmemory/replication_handlers.cpp`).

One RPC is handled at a time, whoever sends it. All but pings and takeovers check the main UUID and the database UUID.
"""

from __future__ import annotations

from sandbox.memgraph.core.effects import Note, Persist, Steps, Until
from sandbox.memgraph.core.instance import Instance, Role
from sandbox.memgraph.core.messages import (
    Answer,
    Finalize,
    Heartbeat,
    Ping,
    Prepare,
    Request,
    SnapshotFile,
    SwapMainUUID,
    SystemRecovery,
    WalFiles,
)
from sandbox.memgraph.core.storage.changes import Commit
from sandbox.memgraph.core.storage.durability import Snapshot


def receive(instance: Instance, request: Request) -> Steps[Answer]:
    """Handle one RPC. `ok=False` is a refusal: wrong main, other database, not a replica, or out of step."""
    if instance.serving:
        yield Until(lambda: not instance.serving)
    instance.serving = True
    try:
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
        if isinstance(request, SystemRecovery):
            return Answer(_align(instance, request))
        if request.database_uuid != instance.database_uuid or not instance.transactional():
            return Answer(False)
        return (yield from _apply(instance, request))
    finally:
        instance.serving = False


def _apply(instance: Instance, request: Heartbeat | Prepare | Finalize | WalFiles | SnapshotFile) -> Steps[Answer]:
    match request:
        case Heartbeat():
            return _position(instance, True)
        case Finalize():
            return (yield from _finalize(instance, request))
        case SnapshotFile(snapshot=snapshot):
            instance.prepared = None
            instance.load(Snapshot.from_plain(snapshot))
            return _position(instance, True)
    if instance.exclusive:  # a promotion goes first
        return _position(instance, False)
    instance.readers += 1  # and from here on it is refused
    try:
        done = _prepare(instance, request) if isinstance(request, Prepare) else _wal(instance, request)
        yield Persist()
        return _position(instance, done)
    finally:
        instance.readers -= 1


def _position(instance: Instance, ok: bool) -> Answer:
    return Answer(ok, instance.ldt, instance.epochs.of(instance.ldt))


def _align(instance: Instance, request: SystemRecovery) -> bool:
    if request.database_uuid == instance.database_uuid:
        return True
    if instance.ldt != 0:
        return False
    instance.adopt_database(request.database_uuid)
    return True


def _commit(instance: Instance, commit: Commit) -> None:
    if commit.ts > instance.ldt:  # a snapshot may have brought it already
        instance.log(commit)
        instance.apply(commit)


def _prepare(instance: Instance, request: Prepare) -> bool:
    instance.prepared = None  # an undecided older one can no longer be finalized
    instance.receive_epoch(request.commit.epoch)
    if request.previous > instance.ldt:
        return False
    if request.two_phase:
        instance.prepared = request.commit
    else:
        _commit(instance, request.commit)
    return True


def _finalize(instance: Instance, request: Finalize) -> Steps[Answer]:
    """Commit or abort what was prepared. With nothing (or something else) prepared Memgraph answers yes, too.

    So a main whose connection was reset, and whose replica restarted between the phases, counts a commit as finalized
    that the replica never got: neither sees it before the next commit is refused.
    """
    prepared = instance.prepared
    if prepared is None or prepared.ts != request.ts:
        if request.decision:
            yield Note("FinalizeWithoutPrepare", {"ts": request.ts})
        return _position(instance, True)
    instance.prepared = None
    if request.decision:
        _commit(instance, prepared)
    return _position(instance, True)


def _wal(instance: Instance, request: WalFiles) -> bool:
    instance.prepared = None
    instance.outbox += instance.files.finish()
    for part in request.parts:
        if not part.commits or part.commits[-1].ts <= instance.ldt:
            continue
        instance.receive_epoch(part.epoch)
        instance.outbox += instance.files.finish()
        for commit in part.commits:
            _commit(instance, commit)
    return True
