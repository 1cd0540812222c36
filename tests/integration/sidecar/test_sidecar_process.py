"""The sidecar process as the kubelet, the API server and raw clients see it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
import trustme

from sidecar import kube
from sidecar.bolt import messages as m
from sidecar.bolt.handshake import MAGIC
from sidecar.contract import state
from sidecar.contract.state import CutKind
from sidecar.core.follow import Follow, Problem
from tests.integration.sidecar.conftest import NAME, NAMESPACE, Sidecar, World, cut_of, document, message

pytestmark = pytest.mark.anyio
HANDSHAKE = MAGIC + bytes.fromhex("000001ff 00080805 00020404 00000003")
RETRY = b"Neo.TransientError.General.DatabaseUnavailable"


@asynccontextmanager
async def _client(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def _at_epoch(sidecar: Sidecar, epoch: int) -> None:
    await sidecar.event("RouteChanged", new_epoch=epoch)


async def test_it_listens_before_the_api_server_answers_and_reports_why(world: World) -> None:
    """O-S12, O-S29."""
    world.api.mute = True
    sidecar = await world.sidecar()
    status, body = await sidecar.get("/readyz")
    assert (status, body) == (200, "listening\n")
    assert (await sidecar.state())["epoch"] is None
    assert (await sidecar.get("/livez"))[0] == 200
    assert (await sidecar.get("/nothing"))[0] == 404


async def test_an_unreachable_api_server_is_reported_and_mended_without_a_restart(world: World) -> None:
    world.api.fail_with = 503
    sidecar = await world.sidecar()
    line = await sidecar.event("Problem")
    assert "503" in line["message"]
    world.api.fail_with = 0
    await world.api.publish(document("127.0.0.1:1"))
    await _at_epoch(sidecar, 1)
    await world.api.watched()
    assert (await sidecar.state())["lastProblem"] is None


async def test_401_reads_the_token_again_and_403_names_the_role(world: World) -> None:
    """O-S10."""
    world.api.token = "rotated"
    sidecar = await world.sidecar()
    assert (await sidecar.event("Problem"))["reason"] == "Unauthorized"
    (world.api.token_dir / "token").write_text("rotated")
    world.api.fail_with = 403
    forbidden = await sidecar.event("Problem", reason="Forbidden")
    assert "RoleBinding" in forbidden["message"]
    assert "rotated" not in str(sidecar.log)
    world.api.fail_with = 0
    await world.api.publish(document("127.0.0.1:1"))
    await _at_epoch(sidecar, 1)
    assert await sidecar.metric('memgraph_ha_sidecar_problems_total{reason="Forbidden"}') >= 1


async def test_an_unreadable_token_names_the_setting_and_heals(world: World) -> None:
    (world.api.token_dir / "token").unlink()
    sidecar = await world.sidecar()
    line = await sidecar.event("Problem", reason="TokenUnreadable")
    assert "MEMGRAPH_HA_TOKEN_DIR" in line["message"]
    (world.api.token_dir / "token").write_text(world.api.token)
    await world.api.publish(document("127.0.0.1:1"))
    await _at_epoch(sidecar, 1)


async def test_it_follows_through_410_and_a_dropped_watch(world: World) -> None:
    """O-F4, O-S7."""
    await world.api.publish(document("127.0.0.1:1"))
    sidecar = await world.sidecar()
    await _at_epoch(sidecar, 1)
    await world.api.watched()
    await world.api.expire()
    await world.api.publish(document("127.0.0.1:1", epoch=2))
    await _at_epoch(sidecar, 2)
    world.api.drop_watchers()
    await world.api.publish(document("127.0.0.1:1", epoch=3))
    await _at_epoch(sidecar, 3)


async def test_a_malformed_or_deleted_document_keeps_the_last_good_state(world: World) -> None:
    """O-F5."""
    main = await world.peer("main")
    first = document(main.address)
    await world.api.publish(first)
    sidecar = await world.sidecar()
    await _at_epoch(sidecar, 1)
    await world.api.watched()
    await world.api.publish(state.encode(first) | {"epoch": "many"})
    line = await sidecar.event("Problem", reason="DocumentMalformed")
    assert "epoch has the value 'many'" in line["message"]
    await world.api.delete()
    await sidecar.event("Problem", reason="DocumentDeleted")
    ready = (await sidecar.get("/readyz"))[1]
    assert ready.startswith("listening\nlast contact: 2")
    assert "DocumentDeleted" in ready
    assert NAME not in ready  # anybody may ask
    async with _client(sidecar.port) as (reader, writer):
        writer.write(HANDSHAKE)
        assert await reader.readexactly(4) == b"\0\0\x02\x05"
        await world.api.publish(first, uid="object-2")
        await sidecar.event("Mended")
        writer.write(message(m.RUN, "RETURN 1", {}, {}))
        await main.seen(m.RUN)  # the same connection: a new object that repeats the state cuts nothing
    assert await sidecar.metric("memgraph_ha_sidecar_document_malformed_total") == 1
    assert "DocumentDeleted" not in (await sidecar.get("/readyz"))[1]


async def test_the_read_port_spreads_and_loses_only_what_left(world: World) -> None:
    """O-F55, O-S30."""
    main, one, two = await world.peer("main"), await world.peer("one"), await world.peer("two")
    first = replace(document(main.address), read_addresses=(one.address, two.address))
    await world.api.publish(first)
    sidecar = await world.sidecar()
    await _at_epoch(sidecar, 1)
    async with _client(sidecar.read_port) as (r1, w1), _client(sidecar.read_port) as (r2, w2):
        for reader, writer in ((r1, w1), (r2, w2)):
            writer.write(HANDSHAKE)
            await reader.readexactly(4)
        assert (len(one.connections), len(two.connections)) == (1, 1)
        await world.api.publish(replace(first, read_addresses=(two.address,)))
        line = await sidecar.event("ReadAddressesChanged")
        assert line["connections_cut"] == 1
        done = [asyncio.ensure_future(r.read()) for r in (r1, r2)]
        finished, _ = await asyncio.wait(done, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in finished] == [b""]
        w1.write(message(m.RUN, "RETURN 1", {}, {}))
        w2.write(message(m.RUN, "RETURN 1", {}, {}))
        await two.seen(m.RUN)
        for task in done:
            task.cancel()
        await asyncio.gather(*done, return_exceptions=True)


async def test_what_is_no_bolt_passes_through_with_half_close_and_backpressure(world: World) -> None:
    total = 4 << 20

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = await reader.read(-1)  # until the client's half-close came through
        writer.write(whole)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, limit=2 * total)
    async with server:
        await world.api.publish(document(f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        sidecar = await world.sidecar()
        await _at_epoch(sidecar, 1)
        async with _client(sidecar.port) as (reader, writer):
            data = os.urandom(total)
            writer.write(b"\x16\x03\x01" + data)
            writer.write_eof()
            assert await reader.read(-1) == b"\x16\x03\x01" + data
        for _ in range(20):  # sometimes the upstream is there first
            async with _client(sidecar.port) as (reader, writer):
                writer.write(b"all at once")  # and its end, before there is an upstream
                writer.write_eof()
                assert await reader.read(-1) == b"all at once"


async def test_answers_of_a_failed_over_main_never_arrive(world: World) -> None:
    """P-C1: the old main acknowledges after the cut; the client sees the connection end instead."""
    old = await world.peer("old")
    release = anyio.Event()

    async def late(_: object) -> bytes:
        await release.wait()
        return message(m.SUCCESS, {"late": True})

    old.answers[m.PULL] = late
    first = document(old.address)
    await world.api.publish(first)
    sidecar = await world.sidecar()
    await _at_epoch(sidecar, 1)
    async with _client(sidecar.port) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readexactly(4)
        writer.write(message(m.RUN, "CREATE (n)", {}, {}) + message(m.PULL, {"n": -1}))
        await old.seen(m.PULL)
        await world.api.publish(cut_of(first, CutKind.FAILOVER))
        while (await sidecar.state())["epoch"] != 2:  # not the log line, which comes when the last connection ended
            await anyio.lowlevel.checkpoint()
        release.set()
        assert b"late" not in await reader.read(-1)


async def test_a_planned_cut_waits_no_longer_than_the_grace(world: World) -> None:
    old = await world.peer("old")
    old.answer(m.COMMIT, None)
    first = document(old.address)
    await world.api.publish(first)
    sidecar = await world.sidecar(MEMGRAPH_HA_COMMIT_GRACE_S="0.3")
    await _at_epoch(sidecar, 1)
    async with _client(sidecar.port) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readexactly(4)
        writer.write(message(m.BEGIN, {}) + message(m.COMMIT))
        await old.seen(m.COMMIT)
        await world.api.publish(cut_of(first, CutKind.PLANNED))
        line = await sidecar.event("RouteChanged", new_epoch=2)
        assert 250 <= line["duration_ms"] < 2000
        assert RETRY not in await reader.read(-1)


async def test_an_open_transaction_with_a_query_under_way_gets_a_retriable_failure(world: World) -> None:
    old = await world.peer("old")
    old.answer(m.PULL, None)
    first = document(old.address)
    await world.api.publish(first)
    sidecar = await world.sidecar()
    await _at_epoch(sidecar, 1)
    async with _client(sidecar.port) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readexactly(4)
        writer.write(message(m.BEGIN, {}) + message(m.RUN, "CREATE (n)", {}, {}) + message(m.PULL, {"n": -1}))
        await old.seen(m.PULL)
        await world.api.publish(cut_of(first, CutKind.FAILOVER))
        assert (await reader.read(-1)).count(RETRY) == 1


async def test_the_last_answer_is_followed_by_a_fin_and_never_a_rst(world: World) -> None:
    """A RST would eat the answer in the client's stack; whoever is still sending would cause one if we closed."""
    old = await world.peer("old")
    old.answer(m.PULL, None)
    first = document(old.address)
    await world.api.publish(first)
    sidecar = await world.sidecar()
    await _at_epoch(sidecar, 1)
    with socket.create_connection(("127.0.0.1", sidecar.port)) as client:
        client.sendall(HANDSHAKE + message(m.BEGIN, {}) + message(m.PULL, {"n": -1}))
        await old.seen(m.PULL)
        await world.api.publish(cut_of(first, CutKind.FAILOVER))
        await _at_epoch(sidecar, 2)
        client.sendall(message(m.RUN, "RETURN 1", {}, {}))
        client.sendall(message(m.RUN, "RETURN 1", {}, {}))  # after a RST this one would be a broken pipe
        client.settimeout(5)
        answer = b""
        while part := client.recv(65536):
            answer += part
    assert RETRY in answer


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a full backlog swallows connects only on Linux")
async def test_a_dial_under_way_to_a_main_that_vanished_ends_with_the_change(world: World) -> None:
    new = await world.peer("new")
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (one, two):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        gone = document(f"127.0.0.1:{full.getsockname()[1]}")
        await world.api.publish(gone)
        sidecar = await world.sidecar()
        await _at_epoch(sidecar, 1)
        async with _client(sidecar.port) as (reader, writer):
            writer.write(HANDSHAKE)
            while (await sidecar.state())["held"] == 0:
                await anyio.lowlevel.checkpoint()
            await world.api.publish(cut_of(gone, CutKind.FAILOVER))
            await world.api.publish(document(new.address, epoch=3))
            with anyio.fail_after(2):  # a dial is given up after 3 s
                assert await reader.readexactly(4) == b"\0\0\x02\x05"


async def test_each_side_that_does_not_read_stops_the_other_from_sending(world: World) -> None:
    much = 64 << 20

    def push(one: socket.socket) -> int:
        """Send until nothing moves for a second; how much went."""
        one.settimeout(1)
        sent = 0
        try:
            while sent < much:
                sent += one.send(b"x" * (1 << 20))
        except TimeoutError:
            pass
        return sent

    with socket.create_server(("127.0.0.1", 0)) as upstream:
        await world.api.publish(document(f"127.0.0.1:{upstream.getsockname()[1]}"))
        sidecar = await world.sidecar()
        await _at_epoch(sidecar, 1)
        with socket.create_connection(("127.0.0.1", sidecar.port)) as client:
            main, _ = await anyio.to_thread.run_sync(upstream.accept)
            with main:
                for one in (client, main):
                    assert 0 < await anyio.to_thread.run_sync(push, one) < much


async def test_a_watch_that_falls_silent_is_left_for_a_look_and_a_new_one(world: World) -> None:
    """It may be dead, or blind, or only quiet: nothing is wrong until the look fails."""
    await world.api.publish(document("127.0.0.1:1"))
    where = kube.Where("127.0.0.1", world.api.port, NAMESPACE, NAME, str(world.api.token_dir))
    learned: list[object] = []
    async with anyio.create_task_group() as tasks:
        client = kube.Kube(where, kube.Pace(silence_s=0.1))
        tasks.start_soon(kube.follow, client, Follow(NAMESPACE, NAME), learned.append)
        await world.api.asked_for("watch=true", times=2)
        tasks.cancel_scope.cancel()
    assert [one for one in learned if isinstance(one, Problem)] == []
    assert ["watch=true" in path for path in world.api.asked[:4]] == [False, True, False, True]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has")
async def test_the_watch_notices_a_node_that_vanished(world: World) -> None:
    """Its socket has a keepalive timer running: half a minute, whatever the bookmarks do."""
    await world.api.publish(document("127.0.0.1:1"))
    await world.sidecar()
    await world.api.watched()
    table = (await anyio.Path("/proc/net/tcp").read_text()).splitlines()[1:]
    timers = [row.split()[5][:2] for row in table if row.split()[2].endswith(f":{world.api.port:04X}")]
    assert "02" in timers  # 02: keepalive


async def test_a_main_that_closes_an_open_transaction_costs_a_retry_only(world: World) -> None:
    main = await world.peer("main")
    main.answer(m.PULL, None)
    await world.api.publish(document(main.address))
    sidecar = await world.sidecar()
    await _at_epoch(sidecar, 1)
    async with _client(sidecar.port) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readexactly(4)
        writer.write(message(m.BEGIN, {}) + message(m.RUN, "CREATE (n)", {}, {}) + message(m.PULL, {"n": -1}))
        await main.seen(m.PULL)
        main.close_all()
        assert RETRY in await reader.read(-1)
    await world.api.asked_for(f"/configmaps/{'memgraph-ha-state'}", times=2)


async def test_an_upstream_with_tls_is_checked_against_the_documents_ca(world: World) -> None:
    """O-S25."""
    ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("memgraph.example").configure_cert(context)
    main = await world.peer("main", context)
    named = document(main.address, tls_ca=ca.cert_pem.bytes().decode(), tls_server_name="memgraph.example")
    await world.api.publish(replace(named, tls_server_name="other.example"))
    sidecar = await world.sidecar()
    await _at_epoch(sidecar, 1)
    async with _client(sidecar.port) as (reader, writer):
        writer.write(HANDSHAKE)
        failed = await sidecar.event("DialFailed")
        assert "other.example" in failed["message"]
        await world.api.publish(replace(named, epoch=2))
        assert await reader.readexactly(4) == b"\0\0\x02\x05"
        await world.api.publish(replace(named, epoch=3, tls_ca="no certificate \u00e9"))
        assert await reader.read(-1) == b""
    async with _client(sidecar.port) as (_, writer):
        writer.write(HANDSHAKE)
        await sidecar.event("DialFailed")
        assert (await sidecar.get("/livez"))[0] == 200


async def test_a_silent_api_server_delays_a_redial_by_three_seconds_at_most(world: World) -> None:
    """P-C4: the upstream closed, nobody can say whether it is still the main; then the last known one is dialled."""
    main = await world.peer("main")
    await world.api.publish(document(main.address))
    sidecar = await world.sidecar()
    await _at_epoch(sidecar, 1)
    async with _client(sidecar.port) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readexactly(4)
        world.api.mute = True
        main.close_all()
        assert await reader.read(-1) == b""
    began = anyio.current_time()
    async with _client(sidecar.port) as (reader, writer):
        writer.write(HANDSHAKE)
        assert await reader.readexactly(4) == b"\0\0\x02\x05"
    assert 2 < anyio.current_time() - began < 5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has")
async def test_an_idle_sidecar_stays_small(world: World) -> None:
    """One runs in every client pod; its chart asks for 32 MiB (O-S24)."""
    await world.api.publish(document("127.0.0.1:1"))
    sidecar = await world.sidecar()
    await _at_epoch(sidecar, 1)
    await world.api.watched()
    status = await anyio.Path(f"/proc/{sidecar.process.pid}/status").read_text()
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert kib <= 32 * 1024


async def test_sigterm_lets_connections_end_and_then_exits_0(world: World) -> None:
    """O-S14."""
    main = await world.peer("main")
    await world.api.publish(document(main.address))
    sidecar = await world.sidecar()
    await _at_epoch(sidecar, 1)
    async with _client(sidecar.port) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readexactly(4)
        sidecar.process.send_signal(signal.SIGTERM)
        assert (await sidecar.event("Draining"))["connections"] == 1
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", sidecar.port)
        assert (await sidecar.get("/readyz"))[0] == 503
        writer.write(message(m.RUN, "RETURN 1", {}, {}))
        await main.seen(m.RUN)
    await sidecar.event("Stopped")
    assert await sidecar.process.wait() == 0


async def test_a_second_signal_ends_it_at_once(world: World) -> None:
    sidecar = await world.sidecar()
    async with _client(sidecar.port) as (_, writer):
        writer.write(HANDSHAKE)
        while (await sidecar.state())["held"] == 0:
            await anyio.lowlevel.checkpoint()
        sidecar.process.send_signal(signal.SIGTERM)
        await sidecar.event("Draining")
        sidecar.process.send_signal(signal.SIGTERM)
        assert await sidecar.process.wait() == 0


async def test_the_probe_tells_a_listening_sidecar_from_none(world: World) -> None:
    """O-S16, O-S17."""
    sidecar = await world.sidecar()
    environ = {
        "MEMGRAPH_HA_NAMESPACE": "n",
        "MEMGRAPH_HA_CONFIG_MAP": "c",
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "MEMGRAPH_HA_ADMIN_PORT": str(sidecar.admin_port),
    }
    command = [sys.executable, "-m", "sidecar", "probe"]
    up = await anyio.run_process(command, env=environ, check=False)
    assert (up.returncode, up.stderr) == (0, b"")
    sidecar.process.send_signal(signal.SIGKILL)
    await sidecar.process.wait()
    down = await anyio.run_process(command, env=environ, check=False)
    assert down.returncode == 1
    assert str(sidecar.admin_port).encode() in down.stderr


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, ["MEMGRAPH_HA_NAMESPACE", "MEMGRAPH_HA_CONFIG_MAP", "KUBERNETES_SERVICE_HOST"]),
        ({"MEMGRAPH_HA_PORT": "x", "MEMGRAPH_HA_LOG_LEVEL": "loud"}, ["MEMGRAPH_HA_PORT", "MEMGRAPH_HA_LOG_LEVEL"]),
    ],
)
def test_bad_settings_are_all_named_and_exit_2(environ: dict[str, str], words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "sidecar"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert all(word in done.stderr for word in words)
    assert "Traceback" not in done.stderr


def test_a_port_already_taken_names_the_variable_and_exits_2(tmp_path: Path) -> None:
    """O-S18."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environ = {
            "MEMGRAPH_HA_NAMESPACE": "n",
            "MEMGRAPH_HA_CONFIG_MAP": "c",
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "MEMGRAPH_HA_TOKEN_DIR": str(tmp_path),
            "MEMGRAPH_HA_PORT": str(taken.getsockname()[1]),
        }
        done = subprocess.run(
            [sys.executable, "-m", "sidecar"], env=environ, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert "MEMGRAPH_HA_PORT: cannot listen on 127.0.0.1" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_is_short() -> None:
    done = subprocess.run([sys.executable, "-m", "sidecar", "--help"], capture_output=True, text=True, check=True)
    assert "probe" in done.stdout
    assert len(done.stdout.splitlines()) < 12
