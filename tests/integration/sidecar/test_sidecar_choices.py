"""What an operator may choose: how a cut ends connections, what becomes of stale knowledge, how many may come."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import replace

import anyio
import neo4j
import pytest
from neo4j.exceptions import TransientError

from sidecar.bolt import messages as m
from sidecar.bolt.handshake import MAGIC
from sidecar.contract import env
from sidecar.contract.state import CutKind
from sidecar.core.route import TOLD_MAX
from tests.integration.sidecar.conftest import Peer, Sidecar, World, cut_of, document, message

pytestmark = pytest.mark.anyio
HANDSHAKE = MAGIC + bytes.fromhex("00000205 00000000 00000000 00000000")
HELLO = message(m.HELLO, {"user_agent": "test"})
AGREED = b"\0\0\x02\x05"
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _connected(stack: AsyncExitStack, port: int, host: str = "127.0.0.1") -> Client:
    """A client that has sent its handshake."""
    reader, writer = await _silent(stack, port, host)
    writer.write(HANDSHAKE)
    return reader, writer


async def _silent(stack: AsyncExitStack, port: int, host: str = "127.0.0.1") -> Client:
    """A client that says nothing. The stack keeps its reader: asyncio aborts a connection whose reader is collected."""
    reader, writer = await asyncio.open_connection(host, port)
    stack.callback(_abort, reader, writer)
    return reader, writer


def _abort(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _in_transaction(stack: AsyncExitStack, sidecar: Sidecar, main: Peer) -> Client:
    reader, writer = await _connected(stack, sidecar.port)
    assert await reader.readexactly(4) == AGREED
    seen = sum(request.signature == m.BEGIN for request in main.got)
    writer.write(message(m.BEGIN, {}))
    await main.seen(m.BEGIN, seen + 1)
    await reader.readexactly(len(message(m.SUCCESS, {})))
    return reader, writer


async def _main(world: World, **settings: str) -> tuple[Peer, Sidecar]:
    main = await world.peer("main")
    await world.api.publish(document(main.address))
    sidecar = await world.sidecar(**settings)
    await sidecar.event("RouteChanged", new_epoch=1)
    await world.api.watched()
    return main, sidecar


async def test_an_immediate_cut_ends_everything_without_a_word(world: World) -> None:
    main, sidecar = await _main(world, **{env.CUT_MODE: "immediate"})
    async with AsyncExitStack() as stack:
        opened, _ = await _in_transaction(stack, sidecar, main)
        committing, writer = await _in_transaction(stack, sidecar, main)
        main.answer(m.COMMIT, None)
        writer.write(message(m.COMMIT))
        await main.seen(m.COMMIT)
        await world.api.publish(cut_of(document(main.address), CutKind.PLANNED))
        assert (await sidecar.event("RouteChanged", new_epoch=2))["connections_cut"] == 2
        assert [await opened.read(), await committing.read()] == [b"", b""]


async def test_a_fleet_told_not_to_cut_keeps_its_connections(world: World) -> None:
    """The rollback switch: the document changes its main, and who is connected stays so; who comes goes to the new."""
    old, sidecar = await _main(world)
    new = await world.peer("new")
    async with AsyncExitStack() as stack:
        _, writer = await _in_transaction(stack, sidecar, old)
        await world.api.publish(document(new.address, epoch=3, cut_on_change=False))
        assert (await sidecar.event("RouteChanged", new_epoch=3))["connections_cut"] == 0
        writer.write(message(m.RUN, "RETURN 1", {}, {}))
        await old.seen(m.RUN)
        reader, _ = await _connected(stack, sidecar.port)
        assert await reader.readexactly(4) == AGREED
        assert len(new.connections) == 1
        await world.api.publish(document(new.address, epoch=4))
        assert (await sidecar.event("RouteChanged", new_epoch=4))["connections_cut"] == 2
    assert (await sidecar.state())["cutOnChange"] is True


async def test_stale_knowledge_is_kept_by_default_and_cut_if_told_so(world: World) -> None:
    """O-S2: the API server is no use; both sidecars know since when, one of them acts on it."""
    main, keeping = await _main(world)
    cutting = await world.sidecar(**{env.ON_STALE: "cut", env.STALE: "5", env.HOLD: "1"})
    await cutting.event("RouteChanged", new_epoch=1)
    await world.api.asked_for("watch=true", times=2)
    async with AsyncExitStack() as stack:
        kept, writer = await _in_transaction(stack, keeping, main)
        cut, cut_writer = await _in_transaction(stack, cutting, main)
        world.api.fail_with = 503
        world.api.drop_watchers()
        assert (await cutting.event("Stale"))["connections_cut"] == 1
        state = await cutting.state()
        assert state["stale"] is True
        assert state["lastContact"] is not None
        assert await cutting.metric("memgraph_ha_sidecar_stale") == 1
        assert await cutting.metric('memgraph_ha_sidecar_cuts_total{kind="stale"}') == 1
        cut_writer.write(message(m.RUN, "RETURN 1", {}, {}))
        assert b"Neo.TransientError.General.DatabaseUnavailable" in await cut.read()
        writer.write(message(m.RUN, "RETURN 1", {}, {}))
        await kept.readexactly(2)
        async with neo4j.AsyncGraphDatabase.driver(cutting.uri()) as driver, driver.session() as session:
            with pytest.raises(TransientError, match="API server"):
                await session.run("RETURN 1")
        waiting, _ = await _connected(stack, cutting.port)
        world.api.fail_with = 0
        await cutting.event("FreshAgain")
        assert await waiting.readexactly(4) == AGREED
    assert (await cutting.state())["stale"] is False


async def test_a_suspect_that_nobody_confirms_is_refused_if_told_so(world: World) -> None:
    """P-C4, `onStale: cut`: without it, the last known main is dialled after three seconds."""
    main, sidecar = await _main(world, **{env.ON_STALE: "cut", env.STALE: "3600"})
    async with AsyncExitStack() as stack:
        await _in_transaction(stack, sidecar, main)
        world.api.mute = True
        main.close_all()
        await world.api.asked_for("/configmaps/", times=2)
        reader, writer = await _connected(stack, sidecar.port)
        writer.write(HELLO)
        assert b"does not confirm" in await reader.read()
    assert main.connections == set()


async def test_a_quiet_api_server_is_not_a_stale_one(world: World) -> None:
    """Nothing changes for longer than the age: it looks for itself in time."""
    main, sidecar = await _main(world, **{env.ON_STALE: "cut", env.STALE: "5"})
    async with AsyncExitStack() as stack:
        _, writer = await _in_transaction(stack, sidecar, main)
        await world.api.asked_for("/configmaps/", times=3)  # after 2.5 s and 5 s
        assert await sidecar.metric("memgraph_ha_sidecar_stale") == 0
        writer.write(message(m.RUN, "RETURN 1", {}, {}))
        await main.seen(m.RUN)


async def test_who_is_one_too_many_is_told_so_and_whoever_leaves_makes_room(world: World) -> None:
    main, sidecar = await _main(world, **{env.MAX_CONNECTIONS: "2"})
    async with AsyncExitStack() as stack:
        first, second = [await _connected(stack, sidecar.port) for _ in range(2)]
        for reader, _ in (first, second):
            assert await reader.readexactly(4) == AGREED
        reader, writer = await _connected(stack, sidecar.port)
        writer.write(HELLO)
        told = await reader.read()
        assert b"Neo.TransientError.General.DatabaseUnavailable" in told
        assert b"TooManyConnections" in told
        assert (await sidecar.event("TooManyConnections"))["limit"] == 2
        first[1].transport.abort()
        while (await sidecar.state())["connections"] > 1:
            await anyio.lowlevel.checkpoint()
        third, _ = await _connected(stack, sidecar.port)
        assert await third.readexactly(4) == AGREED
    assert len(main.got) == 0
    assert await sidecar.metric('memgraph_ha_sidecar_refused_connections_total{reason="TooManyConnections"}') == 1


async def test_a_crowd_beyond_the_limit_is_closed_without_a_word(world: World) -> None:
    _, sidecar = await _main(world, **{env.MAX_CONNECTIONS: "1"})
    async with AsyncExitStack() as stack:
        await _connected(stack, sidecar.port)
        for _ in range(TOLD_MAX):  # silent: they keep their places for a while
            await _silent(stack, sidecar.port)
        while (await sidecar.state())["connections"] <= TOLD_MAX:
            await anyio.lowlevel.checkpoint()
        reader, _ = await _connected(stack, sidecar.port)
        assert await reader.read() == b""


async def test_an_upstream_that_is_itself_is_said_once_and_never_dialled(world: World) -> None:
    """O-S20."""
    sidecar = await world.sidecar(**{env.HOLD: "0.5"})
    await world.api.publish(document(f"127.0.0.1:{sidecar.port}"))
    line = await sidecar.event("UpstreamIsItself")
    assert "keep sidecars out" in line["message"]
    async with neo4j.AsyncGraphDatabase.driver(sidecar.uri()) as driver, driver.session() as session:
        with pytest.raises(TransientError, match="UpstreamIsItself"):
            await session.run("RETURN 1")
    assert (await sidecar.state())["connections"] <= 1
    assert await sidecar.metric("memgraph_ha_sidecar_dial_failures_total") == 0


async def test_a_sidecar_on_every_address_knows_its_own(world: World) -> None:
    sidecar = await world.sidecar(**{env.LISTEN: "0.0.0.0"})
    await world.api.publish(document(f"127.0.0.1:{sidecar.read_port}"))
    assert (await sidecar.event("UpstreamIsItself"))["address"] == f"127.0.0.1:{sidecar.read_port}"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_both_families_on_both_sides(world: World) -> None:
    """O-S19: the client comes by ::1, the main is published as [v6]:port."""
    main = await world.peer("main", host="::1")
    assert main.address.startswith("[::1]:")
    other = await world.peer("other")
    await world.api.publish(document(main.address, read_addresses=(other.address,)))
    sidecar = await world.sidecar(**{env.LISTEN: "127.0.0.1,::1", env.ADMIN_ADDRESS: "127.0.0.1,::1"})
    await sidecar.event("RouteChanged", new_epoch=1)
    async with AsyncExitStack() as stack:
        for host in ("127.0.0.1", "::1"):
            reader, _ = await _connected(stack, sidecar.port, host)
            assert await reader.readexactly(4) == AGREED
        reader, _ = await _connected(stack, sidecar.read_port, "::1")
        assert await reader.readexactly(4) == AGREED
        assert (len(main.connections), len(other.connections)) == (2, 1)


@pytest.mark.parametrize(
    ("status", "words"), [(403, r"forbidden \(403\)"), (503, "answered 503"), (404, "does not exist")]
)
async def test_a_hold_says_what_is_wrong_with_the_way_to_the_document(world: World, status: int, words: str) -> None:
    world.api.fail_with = 0 if status == 404 else status
    sidecar = await world.sidecar(**{env.HOLD: "0.5"})
    await sidecar.event("Problem")
    async with neo4j.AsyncGraphDatabase.driver(sidecar.uri()) as driver, driver.session() as session:
        with pytest.raises(TransientError, match=words):
            await session.run("RETURN 1")


async def test_a_hold_says_that_the_main_is_unreachable_or_being_changed(world: World) -> None:
    await world.api.publish(document("127.0.0.1:1"))
    sidecar = await world.sidecar(**{env.HOLD: "0.5"})
    await sidecar.event("RouteChanged", new_epoch=1)
    async with neo4j.AsyncGraphDatabase.driver(sidecar.uri()) as driver, driver.session() as session:
        with pytest.raises(TransientError, match="the main is unreachable"):
            await session.run("RETURN 1")
        await world.api.publish(cut_of(document("127.0.0.1:1"), CutKind.FAILOVER))
        await sidecar.event("RouteChanged", new_epoch=2)
        with pytest.raises(TransientError, match="there is no main"):
            await session.run("RETURN 1")


async def test_figures_of_bytes_and_holds(world: World) -> None:
    main, sidecar = await _main(world)
    await world.api.publish(cut_of(document(main.address), CutKind.FAILOVER))
    await sidecar.event("RouteChanged", new_epoch=2)
    async with AsyncExitStack() as stack:
        reader, writer = await _connected(stack, sidecar.port)
        while (await sidecar.state())["held"] == 0:
            await anyio.lowlevel.checkpoint()
        await world.api.publish(replace(document(main.address), epoch=3))
        assert await reader.readexactly(4) == AGREED
        writer.write(message(m.RUN, "RETURN 1", {}, {}))
        await main.seen(m.RUN)
        answer = await reader.readexactly(len(message(m.SUCCESS, {"fields": ["name"]})))
        sent = len(HANDSHAKE) + len(message(m.RUN, "RETURN 1", {}, {}))
        name = 'memgraph_ha_sidecar_bytes_total{port="read-write",direction="%s"}'
        assert await sidecar.metric(name % "up") == sent
        assert await sidecar.metric(name % "down") == len(AGREED) + len(answer)
    assert await sidecar.metric("memgraph_ha_sidecar_hold_duration_seconds_count") == 1


async def test_in_detail_it_speaks_to_its_own_pod_only(world: World) -> None:
    """O-S17: probes and scrapers come in by the pod's address, and so may anybody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))  # sends nothing; says which address this machine would come from
        except OSError:
            pytest.skip("this machine has no address but loopback")
        outside = one.getsockname()[0]
    sidecar = await world.sidecar(**{env.ADMIN_ADDRESS: "0.0.0.0"})
    assert (await sidecar.get("/state"))[0] == 200
    for path, status in (("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/state", 403)):
        assert (await sidecar.get(path, outside))[0] == status
