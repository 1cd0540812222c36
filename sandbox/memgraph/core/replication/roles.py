"""SET REPLICATION ROLE, REGISTER REPLICA, DROP REPLICA, and the start of an instance."""

from __future__ import annotations

from typing import Final

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.effects import Cancel, FreshId, Listen, Note, Sleep, Spawn, Steps, StopListening
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Mode, Registration, Role
from sandbox.memgraph.core.messages import Lost, SwapMainUUID
from sandbox.memgraph.core.replication import automatic_indexes, heartbeat, line
from sandbox.memgraph.core.storage.epochs import Verdict

SWAP_TIMEOUT_S: Final = 10.0
DEFAULT_PORT: Final = 10000


def socket_address(text: str) -> str:
    """`host` or `host:port` as `host:port`. Hosts are neither resolved nor checked. Raises QueryError."""
    host, colon, port = text.partition(":")
    if not host or ":" in port:
        raise QueryError(errors.BAD_ADDRESS)
    if not colon:
        port = str(DEFAULT_PORT)
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise QueryError(errors.BAD_ADDRESS)
    return f"{host}:{int(port)}"


def promote(instance: Instance) -> Steps[None]:
    """REPLICA to MAIN: new epoch, new main UUID, no registrations; an undecided transaction is aborted."""
    if instance.role is Role.MAIN or not instance.try_exclusive():
        raise QueryError(errors.CANNOT_PROMOTE)
    instance.exclusive = True
    try:
        yield StopListening()
        main_uuid = yield FreshId()
        epoch = yield FreshId()
        if instance.prepared is not None:
            yield Note("PreparedTransactionAborted", {"ts": instance.prepared.ts})
        instance.prepared = None
        instance.outbox += instance.files.finish()
        instance.epochs.promote(epoch, instance.ldt)
        instance.main_uuid = main_uuid
        instance.timestamp = max(instance.timestamp, instance.ldt + 1)
        instance.port = None
        instance.role = Role.MAIN
        instance.persist_role()
    finally:
        instance.exclusive = False


def demote(instance: Instance, port: int) -> Steps[None]:
    """MAIN to REPLICA: registrations are forgotten, data and epoch stay. A taken port is an error afterwards."""
    if instance.role is Role.REPLICA or not instance.try_exclusive():
        raise QueryError(errors.CANNOT_DEMOTE)
    instance.exclusive = True
    try:
        gone = list(instance.replicas.values())
        instance.replicas.clear()
        instance.role = Role.REPLICA
        instance.port = port
        for replica in gone:
            yield Cancel(replica, replica.address)
        instance.main_uuid = yield FreshId()
        instance.persist_role()
        bound = yield Listen(port)
    finally:
        instance.exclusive = False
    if not bound:
        raise QueryError(errors.CANNOT_DEMOTE)


def register(instance: Instance, name: str, mode: Mode, address_text: str) -> Steps[None]:
    """Register a replica and take it over. Error 5 leaves a ghost behind, error 3 does it up to 3.12.

    The role lock is held all the while: no commit and no SHOW REPLICAS passes until the peer answered or timed out.
    """
    address = socket_address(address_text)
    if instance.role is not Role.MAIN:
        raise QueryError(errors.REGISTER_ON_REPLICA)
    if not instance.try_exclusive():
        raise errors.register_failed(name, errors.NO_ACCESS)
    if name in instance.replicas:
        raise errors.register_failed(name, errors.NAME_EXISTS)
    if any(replica.address == address for replica in instance.replicas.values()):
        raise errors.register_failed(name, errors.ENDPOINT_EXISTS)
    replica = Registration(name, address, mode, ghost=True)
    instance.exclusive = True
    try:
        instance.replicas[name] = replica
        instance.persist_role()
        answer = yield from line.ask(replica, SwapMainUUID(instance.main_uuid), SWAP_TIMEOUT_S)
        if answer is None or isinstance(answer, Lost) or not answer.ok:
            raise errors.register_failed(name, errors.ERROR_ACCEPTING_MAIN)
        yield from heartbeat.align(instance, replica)
        verdict = yield from heartbeat.heartbeat(instance, replica)
        if verdict is Verdict.DIVERGED:
            if instance.settings.compat.diverged_rolled_back:
                del instance.replicas[name]
                instance.persist_role()
            raise errors.register_failed(name, errors.CONNECTION_FAILED)
        replica.ghost = False
    finally:
        instance.exclusive = False
    yield Spawn(replica, heartbeat.check(instance, replica))


def drop(instance: Instance, name: str) -> Steps[None]:
    """Forget a registration. The replica isn't told: it stays a replica of this main."""
    if instance.role is not Role.MAIN:
        raise QueryError(errors.DROP_ON_REPLICA)
    if not instance.try_exclusive():
        raise QueryError(errors.DROP_LOCKED)
    replica = instance.replicas.pop(name, None)
    if replica is None:
        raise errors.drop_failed(name)
    instance.persist_role()
    yield Cancel(replica, replica.address)


def start(instance: Instance) -> Steps[bool]:
    """After recovery, before anything else. False: a restored replica's port is taken, which is fatal.

    A restored main contacts each registered replica first; a ghost among them is an ordinary registration now.
    """
    instance.timestamp = max(instance.timestamp, instance.ldt + 1 if instance.ldt else 0)
    instance.next_timestamp()  # the start-up transaction (restore of triggers)
    if instance.settings.files.snapshot_interval_s > 0:
        yield Spawn(instance, _snapshots(instance))
    if automatic_indexes.wanted(instance.settings):
        yield Spawn(instance, automatic_indexes.work(instance))
    if instance.role is Role.REPLICA:
        assert instance.port is not None
        bound: bool = yield Listen(instance.port)
        return bound
    for replica in list(instance.replicas.values()):
        yield from heartbeat.align(instance, replica)
        yield from heartbeat.heartbeat(instance, replica)
    for replica in list(instance.replicas.values()):
        yield Spawn(replica, heartbeat.check(instance, replica))
    return True


def _snapshots(instance: Instance) -> Steps[None]:
    """Write a snapshot now and then."""
    while True:
        yield Sleep(instance.settings.files.snapshot_interval_s)
        if _takes_snapshots(instance):
            instance.write_snapshot()


def _takes_snapshots(instance: Instance) -> bool:
    may = instance.role is Role.MAIN or instance.settings.compat.replica_snapshots
    return may and instance.transactional()


def stop(instance: Instance) -> None:
    """SIGTERM: close the WAL file and, if so set, write a snapshot."""
    instance.outbox += instance.files.finish()
    if instance.settings.files.snapshot_on_exit and _takes_snapshots(instance):
        instance.write_snapshot()
