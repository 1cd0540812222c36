"""Commit of a transaction on a main: locks, SYNC, STRICT_SYNC in two phases, ASYNC."""

from __future__ import annotations

from typing import Final

from sandbox.memgraph.core import constraints, errors, replication
from sandbox.memgraph.core.effects import Call, Spawn, Steps, Until
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Mode, Registration, Role, Status
from sandbox.memgraph.core.messages import Commit, Finalize, Lost, Prepare
from sandbox.memgraph.core.transaction import Transaction

PREPARE_TIMEOUT_S: Final = 30.0
FINALIZE_TIMEOUT_S: Final = 10.0


def commit(instance: Instance, transaction: Transaction) -> Steps[None]:
    """Commit, or raise QueryError. With SYNC replicas the error may come although the transaction is committed.

    The transaction is finished afterwards in any case, and `committed` says whether it is part of the data now.
    """
    try:
        ops = transaction.ops()
        if not ops:
            if instance.exclusive:
                yield Until(lambda: not instance.exclusive)
            return
        if not instance.commit_possible():
            yield Until(instance.commit_possible)
        if instance.role is not Role.MAIN or transaction.graph is not instance.graph:
            raise QueryError(errors.NOT_MAIN_ANYMORE)
        constraints.check(instance.graph, transaction)
        instance.committing = True
        instance.readers += 1
        try:
            change = Commit(instance.next_timestamp(), instance.epochs.current, ops)
            yield from _replicate(instance, change)
        finally:
            transaction.committed = instance.ldt == change.ts
            instance.committing = False
            instance.readers -= 1
    finally:
        transaction.finish()


def _replicate(instance: Instance, change: Commit) -> Steps[None]:
    live = instance.live()
    strict = [replica for replica in live if replica.mode is Mode.STRICT_SYNC]
    sync = [replica for replica in live if replica.mode is Mode.SYNC]
    failed: dict[str, str] = {}
    previous = instance.ldt
    if strict:
        yield from _two_phases(instance, change, strict, sync)
    else:
        # The main's own log comes first: a main that dies now must not come back behind its replica.
        instance.apply(change)
        for replica in sync:
            reason = yield from _send(instance, replica, _prepare(instance, change, previous, two_phase=False))
            if reason is None:
                replica.ts, replica.status = change.ts, Status.READY
            else:
                failed[replica.name] = reason
    for replica in live:
        if replica.mode is Mode.ASYNC:
            yield from _ship_async(instance, replica, change, previous)
    if failed:
        raise errors.not_replicated("SYNC", list(failed), next(iter(failed.values())))


def _prepare(instance: Instance, change: Commit, previous: int, *, two_phase: bool) -> Prepare:
    return Prepare(instance.main_uuid, instance.database_uuid, previous, change, two_phase)


def _not_ready(instance: Instance, replica: Registration) -> Steps[str | None]:
    if replica.status is Status.READY:
        return None
    if replica.status is Status.DIVERGED:
        return errors.DIVERGED
    if replica.status is Status.INVALID and not replica.checking:
        yield Spawn(replica, replication.recheck(instance, replica))
    return errors.NOT_IN_SYNC


def _send(instance: Instance, replica: Registration, request: Prepare) -> Steps[str | None]:
    """Ship one transaction; None if the replica confirmed, else the reason. Its status stays `replicating` then."""
    reason = yield from _not_ready(instance, replica)
    if reason is not None:
        return reason
    replica.status = Status.REPLICATING
    answer = yield Call(replica.address, request, PREPARE_TIMEOUT_S)
    if isinstance(answer, Lost) or not answer.ok:
        replica.status = Status.INVALID
        return errors.RPC_TIMEOUT if isinstance(answer, Lost) and answer.timed_out else errors.NOT_IN_SYNC
    return None


def _two_phases(
    instance: Instance, change: Commit, strict: list[Registration], sync: list[Registration]
) -> Steps[None]:
    """All strict replicas vote, then the main commits, then it tells them. A lost second phase isn't reported.

    A SYNC replica beside strict ones must be ready but gets nothing (an invalid mix that Memgraph doesn't refuse).
    """
    failed: dict[str, str] = {}
    for replica in strict + sync:
        reason = yield from _not_ready(instance, replica)
        if reason is not None:
            failed[replica.name] = reason
    prepared: list[Registration] = []
    for replica in strict if not failed else ():
        request = _prepare(instance, change, instance.ldt, two_phase=True)
        reason = yield from _send(instance, replica, request)
        if reason is None:
            prepared.append(replica)
        else:
            failed[replica.name] = reason
    if not failed:
        instance.apply(change)
        for replica in sync:
            replica.status = Status.INVALID
    for replica in prepared:
        request_final = Finalize(instance.main_uuid, change.ts, decision=not failed)
        answer = yield Call(replica.address, request_final, FINALIZE_TIMEOUT_S)
        if replica.status is Status.REPLICATING:
            replica.status = Status.READY
        if not failed and not isinstance(answer, Lost) and answer.ok:
            replica.ts = change.ts
    if failed:
        raise errors.not_replicated("STRICT_SYNC", list(failed), next(iter(failed.values())))


def _ship_async(instance: Instance, replica: Registration, change: Commit, previous: int) -> Steps[None]:
    if replica.status is Status.READY:
        replica.status = Status.REPLICATING
        request = _prepare(instance, change, previous, two_phase=False)
        yield Spawn(replica, _deliver(instance, replica, request))
    elif replica.status is Status.REPLICATING:
        replica.status = Status.INVALID  # it misses this one
    elif replica.status is Status.INVALID and not replica.checking:
        yield Spawn(replica, replication.recheck(instance, replica))


def _deliver(instance: Instance, replica: Registration, request: Prepare) -> Steps[None]:
    answer = yield Call(replica.address, request, PREPARE_TIMEOUT_S)
    if not replication.current(instance, replica):
        return
    if isinstance(answer, Lost) or not answer.ok:
        replica.status = Status.INVALID
        return
    replica.ts = max(replica.ts, request.commit.ts)
    if replica.status is Status.REPLICATING:
        replica.status = Status.READY
