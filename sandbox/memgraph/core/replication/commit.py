"""Commit of a transaction on a main: locks, SYNC, STRICT_SYNC in two phases, ASYNC (M-2.5, M-3.6).

The order is Memgraph's (`storage/v2/inmemory/storage.cpp`, `replication_transaction.cpp`): lines to all replicas are
taken first, the WAL is written, each replica in turn gets the transaction, a failure doesn't spare the later ones, and
the change becomes visible on the main after its SYNC and STRICT_SYNC replicas have answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.effects import Call, Connect, Disconnect, Note, Persist, Steps, Until
from sandbox.memgraph.core.errors import Failure, NotReplicated, QueryError
from sandbox.memgraph.core.instance import Instance, Mode, Registration, Role, Status
from sandbox.memgraph.core.messages import Finalize, Loss, Lost, Prepare
from sandbox.memgraph.core.replication import heartbeat, line
from sandbox.memgraph.core.storage import constraints
from sandbox.memgraph.core.storage.changes import Commit
from sandbox.memgraph.core.storage.transaction import Transaction

PREPARE_TIMEOUT_S: Final = 30.0
FINALIZE_TIMEOUT_S: Final = 10.0
ASYNC_LINE_S: Final = 0.05
"""How long a commit waits for the line to an ASYNC replica before it leaves it out."""
_REASONS: Final = {
    Loss.UNREACHABLE: errors.NOT_IN_SYNC,
    Loss.BROKEN: errors.RPC_ERROR,
    Loss.TIMEOUT: errors.RPC_TIMEOUT,
}


@dataclass(slots=True)
class _Shipping:
    """One transaction on its way: the replicas whose line it holds, and who failed for which reason."""

    change: Commit
    previous: int
    two_phase: bool
    streams: dict[str, Registration] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)
    unfinalized: set[str] = field(default_factory=set)

    def fail(self, replica: Registration, reason: str) -> None:
        """The transaction isn't on this replica."""
        self.failed[replica.name] = Failure(replica.name, replica.mode.name, reason)

    def let_go(self, replica: Registration) -> None:
        """Give the line back."""
        if self.streams.pop(replica.name, None) is not None:
            replica.line = False


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
            raise QueryError(errors.NOT_MAIN_ANYMORE if transaction.changes_data() else errors.REPLICA_SHOULD_NOT_WRITE)
        constraints.check(instance.graph, transaction)
        if not instance.transactional():
            instance.graph.apply(ops)
            transaction.committed = True
            return
        instance.committing = True
        instance.readers += 1
        try:
            change = Commit(instance.next_timestamp(), instance.epochs.current, ops)
            yield from _commit(instance, change)
        finally:
            transaction.committed = instance.ldt == change.ts
            instance.committing = False
            instance.readers -= 1
            if transaction.committed:
                _want_indexes(instance, transaction)
    finally:
        transaction.finish()


def _want_indexes(instance: Instance, transaction: Transaction) -> None:
    if instance.settings.automatic_label_indexes:
        instance.to_index |= {("i", label): None for label in transaction.unindexed_labels}
    if instance.settings.automatic_edge_type_indexes:
        instance.to_index |= {("ri", kind): None for kind in transaction.unindexed_types}


def _commit(instance: Instance, change: Commit) -> Steps[None]:
    if not instance.settings.files.wal_enabled:
        instance.apply(change)  # without a WAL nothing is shipped
        return
    live = instance.live()
    two_phase = any(replica.mode is Mode.STRICT_SYNC for replica in live)
    shipping = _Shipping(change, instance.ldt, two_phase)
    try:
        for replica in live:
            yield from _start(instance, replica, shipping)
        if two_phase:
            yield from _two_phases(instance, live, shipping)
        else:
            yield from _one_phase(instance, live, shipping)
    finally:
        for replica in live:
            shipping.let_go(replica)
    if shipping.failed:
        raise NotReplicated(list(shipping.failed.values()), instance.settings.compat, committed=not two_phase)


def _start(instance: Instance, replica: Registration, shipping: _Shipping) -> Steps[None]:
    """Take the line and connect. A replica that isn't ready gets nothing; for an ASYNC one that is no failure."""
    reason = yield from _open(instance, replica, shipping)
    if reason is not None and replica.mode is not Mode.ASYNC:
        shipping.fail(replica, reason)


def _open(instance: Instance, replica: Registration, shipping: _Shipping) -> Steps[str | None]:
    if replica.status is Status.REPLICATING:
        replica.status = Status.INVALID  # it misses this one
    elif replica.status is Status.INVALID:
        yield from heartbeat.queue_heartbeat(instance, replica)
    if replica.status is Status.DIVERGED:
        return errors.DIVERGED
    if replica.status is not Status.READY:
        return errors.NOT_IN_SYNC
    replica.opening = True
    try:
        return (yield from _connect(replica, shipping))
    finally:
        replica.opening = False


def _connect(replica: Registration, shipping: _Shipping) -> Steps[str | None]:
    taken = yield from line.take(replica, ASYNC_LINE_S if replica.mode is Mode.ASYNC else None)
    if not taken:
        replica.status = Status.INVALID
        return errors.NOT_IN_SYNC  # never reported: only an ASYNC replica's line isn't waited for
    shipping.streams[replica.name] = replica
    connected = yield Connect(replica.address)
    if isinstance(connected, Lost):
        shipping.let_go(replica)
        replica.status = Status.INVALID
        return _REASONS[connected.how]
    replica.status = Status.REPLICATING
    return None


def _send(instance: Instance, replica: Registration, shipping: _Shipping) -> Steps[None]:
    """The transaction to one replica; its status says how that went. The line is still held, unless it broke."""
    request = Prepare(
        instance.main_uuid, instance.database_uuid, shipping.previous, shipping.change, shipping.two_phase
    )
    if replica.status is not Status.REPLICATING:  # three pings failed since it was opened
        shipping.fail(replica, errors.RPC_ERROR)
        return
    answer = yield Call(replica.address, request, PREPARE_TIMEOUT_S)
    if isinstance(answer, Lost):
        shipping.let_go(replica)
        shipping.fail(replica, _REASONS[answer.how])
    elif not answer.ok or replica.status is not Status.REPLICATING:
        shipping.fail(replica, errors.RPC_ERROR)
    else:
        replica.status = Status.READY
        if shipping.two_phase and instance.settings.compat.vote_counts_as_commit:
            replica.ts = shipping.change.ts
        return
    replica.status = Status.INVALID


def _one_phase(instance: Instance, live: list[Registration], shipping: _Shipping) -> Steps[None]:
    instance.log(shipping.change)
    yield Persist()  # a main that dies now must not come back behind its replica
    for replica in live:
        if replica.name not in shipping.streams:
            continue
        if replica.mode is Mode.ASYNC:
            yield from _hand_over(instance, replica, shipping)
        else:
            yield from _send(instance, replica, shipping)
            shipping.let_go(replica)
    instance.apply(shipping.change)
    _advance(live, shipping)


def _two_phases(instance: Instance, live: list[Registration], shipping: _Shipping) -> Steps[None]:
    """All strict replicas vote, then the main commits, then it tells them. A lost second phase isn't reported.

    A SYNC replica beside strict ones must be ready but gets nothing (an invalid mix that Memgraph doesn't refuse).
    """
    for replica in live:
        if replica.mode is Mode.STRICT_SYNC and replica.name in shipping.streams:
            yield from _send(instance, replica, shipping)
    decision = not shipping.failed
    if decision:
        instance.log(shipping.change)
        yield Persist()
        instance.apply(shipping.change)
    for replica in live:
        if replica.name not in shipping.streams:
            continue
        if replica.mode is Mode.STRICT_SYNC:
            yield from _finalize(instance, replica, shipping, decision=decision)
        elif replica.mode is Mode.ASYNC and decision:
            yield from _hand_over(instance, replica, shipping)
        elif replica.mode is Mode.ASYNC:
            # Its connection is thrown away with the half-written transaction; nobody corrects `replicating`, so the
            # next commit misses it.
            yield Disconnect(replica.address)
        shipping.let_go(replica)
    if decision:
        _advance(live, shipping)


def _finalize(instance: Instance, replica: Registration, shipping: _Shipping, *, decision: bool) -> Steps[None]:
    request = Finalize(instance.main_uuid, instance.database_uuid, shipping.change.ts, decision)
    answer = yield Call(replica.address, request, FINALIZE_TIMEOUT_S)
    if isinstance(answer, Lost) or not answer.ok:
        shipping.unfinalized.add(replica.name)
        if decision:
            yield Note("FinalizeLost", {"replica": replica.name, "ts": shipping.change.ts})


def _advance(live: list[Registration], shipping: _Shipping) -> None:
    """What the main believes to be on its replicas; ASYNC ones report for themselves."""
    for replica in live:
        missed = replica.name in shipping.failed or replica.name in shipping.unfinalized
        if replica.mode is not Mode.ASYNC and not missed:
            replica.ts = max(replica.ts, shipping.change.ts)


def _hand_over(instance: Instance, replica: Registration, shipping: _Shipping) -> Steps[None]:
    """An ASYNC replica gets its transaction from its own queue, with the line that this commit took."""
    del shipping.streams[replica.name]
    request = Prepare(instance.main_uuid, instance.database_uuid, shipping.previous, shipping.change, two_phase=False)
    yield from line.enqueue(instance, replica, _deliver(instance, replica, request))


def _deliver(instance: Instance, replica: Registration, request: Prepare) -> Steps[None]:
    try:
        answer = yield Call(replica.address, request, PREPARE_TIMEOUT_S)
    finally:
        replica.line = False
    if not line.stands(instance, replica):
        return
    if isinstance(answer, Lost) or not answer.ok:
        replica.status = Status.INVALID
    elif replica.status is Status.REPLICATING:  # else a later commit missed it
        replica.ts = max(replica.ts, request.commit.ts)
        replica.status = Status.READY
