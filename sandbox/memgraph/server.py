"""One simulated instance as a process: recover, restore the role, run the init-file, then open Bolt."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio.abc import TaskGroup

from sandbox.memgraph.admin import Admin
from sandbox.memgraph.bolt_server import BoltConnection
from sandbox.memgraph.clients import Clients
from sandbox.memgraph.core.compat import COMPAT
from sandbox.memgraph.core.cypher.ast import UserChange
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Settings
from sandbox.memgraph.core.query import users
from sandbox.memgraph.core.query.interpreter import Interpreter
from sandbox.memgraph.core.replication import roles
from sandbox.memgraph.core.storage.durability import IdentityRecord, Limits
from sandbox.memgraph.core.storage.epochs import Epochs
from sandbox.memgraph.disk import Disk
from sandbox.memgraph.flags import BadFlag, Flags, config
from sandbox.memgraph.journal import DirectoryInUse, Journal
from sandbox.memgraph.link import Link
from sandbox.memgraph.listeners import ReplicationListener
from sandbox.memgraph.runtime import Runtime
from sandbox.memgraph.tls import bolt_context
from sidecar.contract.logs import emit

_log: Final = logging.getLogger(__name__)


def new_instance(flags: Flags) -> Instance:
    """An empty MAIN with random identities."""
    files = Limits(
        wal_enabled=flags.storage_wal_enabled,
        wal_file_bytes=flags.storage_wal_file_size_kib * 1024,
        flush_every=flags.storage_wal_file_flush_every_n_tx,
        snapshot_interval_s=flags.storage_snapshot_interval_sec,
        snapshot_on_exit=flags.storage_snapshot_on_exit,
        snapshot_retention=flags.storage_snapshot_retention_count,
    )
    settings = Settings(
        check_frequency_s=flags.replication_replica_check_frequency_sec,
        stale_history=flags.sim_stale_history,
        restore_replication_state=flags.replication_restore_state_on_startup,
        automatic_label_indexes=flags.storage_automatic_label_index_creation_enabled,
        automatic_edge_type_indexes=flags.storage_automatic_edge_type_index_creation_enabled,
        server_name=flags.bolt_server_name_for_init,
        files=files,
        compat=COMPAT[flags.compat],
        config=config(flags),
    )
    return Instance(str(uuid.uuid4()), str(uuid.uuid4()), Epochs(str(uuid.uuid4())), settings)


async def serve(flags: Flags) -> None:
    """Run until SIGTERM or SIGINT. Raises BadFlag for what the command line has to change."""
    init_lines = _read_init_file(flags)
    tls = bolt_context(flags.bolt_cert_file, flags.bolt_key_file)
    try:
        journal = Journal(flags.data_directory, keep_role=flags.replication_restore_state_on_startup)
    except DirectoryInUse as error:
        raise BadFlag(f"{error}: stop that one or choose another --data-directory") from None
    except OSError as error:
        place = f"the data directory {flags.data_directory} can't be used ({error.strerror})"
        raise BadFlag(f"{place}: choose another --data-directory") from None
    link = Link(COMPAT[flags.compat].silence_s)
    try:
        instance = _recover(flags, journal)
        disk = Disk(journal)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
            runtime = Runtime(instance, disk, link, tasks)
            listener = ReplicationListener(flags.bolt_address, runtime.receive, tasks)
            runtime.listen, runtime.stop_listening = listener.open, listener.close
            clients = Clients()
            admin = Admin(instance, link, clients, listener, disk)
            async with _listening(flags, runtime, clients, admin, tasks, init_lines, tls):
                await anyio.sleep_forever()
        roles.stop(instance)
        disk.go_on()
        runtime.flush()
    finally:
        link.close()
        journal.close()
    emit(_log, "Stopped")


def _read_init_file(flags: Flags) -> list[str]:
    if flags.init_file is None:
        return []
    try:
        lines = flags.init_file.read_text().splitlines()
    except OSError as error:
        raise BadFlag(f"--init-file {flags.init_file} can't be read: {error.strerror}") from None
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("//")]


def _recover(flags: Flags, journal: Journal) -> Instance:
    instance = new_instance(flags)
    identity = journal.read_identity()
    if identity is None:
        journal.write([IdentityRecord(instance.database_uuid)])
    else:
        instance.database_uuid = identity
    if flags.data_recovery_on_startup:
        snapshots, wals, lost = journal.read()
        if lost:
            emit(_log, "WalTruncated", logging.WARNING, bytes=lost)
        instance.recover(snapshots, wals)
    else:
        journal.set_aside()
    instance.users = journal.read_users()
    instance.triggers = journal.read_triggers()
    role = journal.read_role()
    if role is not None:
        instance.restore_role(role)
    emit(_log, "Recovered", vertices=len(instance.graph.nodes), ldt=instance.ldt, role=instance.role.value)
    return instance


@asynccontextmanager
async def _listening(
    flags: Flags,
    runtime: Runtime,
    clients: Clients,
    admin: Admin,
    tasks: TaskGroup,
    init_lines: list[str],
    tls: ssl.SSLContext | None,
) -> AsyncIterator[None]:
    loop, run_id = asyncio.get_running_loop(), str(uuid.uuid4())
    try:
        bolt = await loop.create_server(
            lambda: BoltConnection(runtime, clients, tasks, run_id=run_id),
            flags.bolt_address,
            flags.bolt_port,
            ssl=tls,
            start_serving=False,
        )
    except OSError as error:
        raise _port_taken("bolt-port", flags.bolt_address, flags.bolt_port, error) from None
    try:
        if flags.sim_admin_port:
            await _open_admin(flags, admin, tasks)
        if not await runtime.run(roles.start(runtime.instance)):
            address = f"{flags.bolt_address}:{runtime.instance.port}"
            raise BadFlag(f"the replication port {address} of the restored role is taken: stop what listens there")
        await _add_first_user(runtime)
        await _run_init_file(runtime, init_lines)
        await bolt.start_serving()
        _log_ready(flags, runtime.instance)
        yield
    finally:
        bolt.close()
        with anyio.CancelScope(shield=True):
            await runtime.stop_listening()


def _log_ready(flags: Flags, instance: Instance) -> None:
    host = "localhost" if flags.bolt_address == "0.0.0.0" else flags.bolt_address
    scheme = "bolt" if flags.bolt_cert_file is None else "bolt+ssc"
    emit(
        _log,
        "Ready",
        bolt=f"{flags.bolt_address}:{flags.bolt_port}",
        connect=f"{scheme}://{host}:{flags.bolt_port}",
        role=instance.role.value,
        stop="Ctrl-C or SIGTERM",
    )


async def _open_admin(flags: Flags, admin: Admin, tasks: TaskGroup) -> None:
    try:
        listener = await anyio.create_tcp_listener(local_host=flags.bolt_address, local_port=flags.sim_admin_port)
    except OSError as error:
        raise _port_taken("sim-admin-port", flags.bolt_address, flags.sim_admin_port, error) from None
    tasks.start_soon(listener.serve, admin.serve)


def _port_taken(flag: str, address: str, port: int, error: OSError) -> BadFlag:
    if isinstance(error, socket.gaierror):
        return BadFlag(f"--bolt-address {address} is no address of this machine ({error.strerror}): try 127.0.0.1")
    return BadFlag(
        f"can't listen on {address}:{port} ({os.strerror(error.errno or 0)}): "
        f"stop what listens there or choose another --{flag}"
    )


async def _add_first_user(runtime: Runtime) -> None:
    name = os.environ.get("MEMGRAPH_USER")
    if name and runtime.instance.role.value == "main":
        password = os.environ.get("MEMGRAPH_PASSWORD", "")
        await runtime.run(users.change(runtime.instance, UserChange("create-if-missing", name, password)))


async def _run_init_file(runtime: Runtime, lines: list[str]) -> None:
    for number, line in enumerate(lines, start=1):
        interpreter = Interpreter(runtime.instance)
        try:
            result = await runtime.run(interpreter.prepare(line, {}))
            await runtime.run(interpreter.pull(result, -1))
        except QueryError as error:  # the line itself may hold a password
            emit(_log, "InitFileQueryFailed", logging.ERROR, line=number, message=error.message)


async def _stop_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for received in signals:
            emit(_log, "Stopping", signal=signal.Signals(received).name)
            scope.cancel()
            return
