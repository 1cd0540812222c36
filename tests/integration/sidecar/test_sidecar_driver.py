"""A real neo4j driver through a real sidecar process: follow, hold, cut, rewrite."""

from __future__ import annotations

import anyio
import neo4j
import pytest
from neo4j.exceptions import IncompleteCommit, ServiceUnavailable, TransientError

from sidecar.bolt import messages as m
from sidecar.contract.state import CutKind
from tests.integration.sidecar.conftest import World, cut_of, document, message

pytestmark = pytest.mark.anyio


async def _name(tx: neo4j.AsyncManagedTransaction) -> str:
    result = await tx.run("CREATE (n) RETURN 'name'")
    record = await result.single(strict=True)
    return str(record[0])


def _driver(uri: str) -> neo4j.AsyncDriver:
    return neo4j.AsyncGraphDatabase.driver(uri, max_transaction_retry_time=20)


async def test_a_managed_transaction_follows_the_main_through_a_failover(world: World) -> None:
    """O-F1, O-F28."""
    old, new = await world.peer("old"), await world.peer("new")
    first = document(old.address)
    await world.api.publish(first)
    sidecar = await world.sidecar()
    async with _driver(sidecar.uri()) as driver, driver.session() as session:
        assert await session.execute_write(_name) == "old"
        await world.api.publish(cut_of(first, CutKind.FAILOVER))
        line = await sidecar.event("RouteChanged", new_epoch=2)
        assert line["connections_cut"] == 1
        assert line["cut_kind"] == "failover"
        assert (line["old_epoch"], line["phase"], line["main"]) == (1, "cut", old.address)
        async with anyio.create_task_group() as tasks:
            names: list[str] = []

            async def write() -> None:
                names.append(await session.execute_write(_name))

            tasks.start_soon(write)
            await world.api.publish(document(new.address, epoch=3))
        assert names == ["new"]


async def test_a_connection_made_during_a_cut_waits_and_then_reaches_the_new_main(world: World) -> None:
    old, new = await world.peer("old"), await world.peer("new")
    await world.api.publish(cut_of(document(old.address), CutKind.FAILOVER))
    sidecar = await world.sidecar()
    await sidecar.event("RouteChanged", new_epoch=2)
    async with _driver(sidecar.uri()) as driver, driver.session() as session, anyio.create_task_group() as tasks:
        names: list[str] = []

        async def write() -> None:
            names.append(await session.execute_write(_name))

        tasks.start_soon(write)
        while (await sidecar.state())["held"] == 0:
            await anyio.lowlevel.checkpoint()
        await world.api.publish(document(new.address, epoch=3))
    assert names == ["new"]
    assert old.got == []


async def test_a_hold_ends_with_a_failure_that_drivers_retry(world: World) -> None:
    sidecar = await world.sidecar(MEMGRAPH_HA_HOLD_S="0.2")
    async with _driver(sidecar.uri()) as driver, driver.session() as session:
        with pytest.raises(TransientError) as caught:
            await session.run("RETURN 1")
    assert caught.value.code == "Neo.TransientError.General.DatabaseUnavailable"
    assert "NoDocument" in str(caught.value)
    assert caught.value.is_retryable()


async def test_an_idle_open_transaction_gets_a_failure_on_its_next_request(world: World) -> None:
    old = await world.peer("old")
    first = document(old.address)
    await world.api.publish(first)
    sidecar = await world.sidecar()
    async with _driver(sidecar.uri()) as driver, driver.session() as session:
        tx = await session.begin_transaction()
        await tx.run("CREATE (n)")
        await world.api.publish(cut_of(first, CutKind.FAILOVER))
        line = await sidecar.event("RouteChanged", new_epoch=2)
        assert line["connections_cut"] == 1
        with pytest.raises(TransientError):
            await tx.commit()
    assert not any(request.signature == m.COMMIT for request in old.got)


async def test_a_commit_in_flight_is_answered_in_a_planned_cut(world: World) -> None:
    """O-S28."""
    old = await world.peer("old")
    release = anyio.Event()

    async def slow(_: object) -> bytes:
        await release.wait()
        return message(m.SUCCESS, {})

    old.answers[m.COMMIT] = slow
    first = document(old.address)
    await world.api.publish(first)
    sidecar = await world.sidecar()
    async with _driver(sidecar.uri()) as driver, driver.session() as session:
        tx = await session.begin_transaction()
        await tx.run("CREATE (n)")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tx.commit)
            await old.seen(m.COMMIT)
            await world.api.publish(cut_of(first, CutKind.PLANNED))
            while (await sidecar.state())["epoch"] != 2:
                await anyio.lowlevel.checkpoint()
            release.set()
    line = await sidecar.event("RouteChanged", new_epoch=2)
    assert line["connections_cut"] == 1


async def test_a_commit_in_flight_gets_no_answer_after_a_failover_cut(world: World) -> None:
    """O-S28."""
    old = await world.peer("old")
    old.answer(m.COMMIT, None)
    first = document(old.address)
    await world.api.publish(first)
    sidecar = await world.sidecar()
    async with _driver(sidecar.uri()) as driver, driver.session() as session:
        tx = await session.begin_transaction()
        await tx.run("CREATE (n)")

        async def commit() -> None:
            with pytest.raises((IncompleteCommit, ServiceUnavailable)):
                await tx.commit()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(commit)
            await old.seen(m.COMMIT)
            await world.api.publish(cut_of(first, CutKind.FAILOVER))


async def test_a_write_on_a_replica_is_retried_on_the_main(world: World) -> None:
    """The document is late: the old main is a replica already, and only its refusal says so (O-F1, O-S3)."""
    old, new = await world.peer("old"), await world.peer("new")
    text = "Write queries are forbidden on the replica instance. Replica instances accept only read queries."
    old.answer(m.RUN, message(m.FAILURE, {"code": "Memgraph.ClientError.MemgraphError.MemgraphError", "message": text}))
    old.answer(m.PULL, message(m.IGNORED))
    first = document(old.address)
    await world.api.publish(first)
    sidecar = await world.sidecar()
    async with _driver(sidecar.uri()) as driver, driver.session() as session:
        with pytest.raises(TransientError, match="Write queries are forbidden on the replica instance"):
            await session.run("CREATE (n)")
        await sidecar.event("NotTheMain", address=old.address)
        await world.api.asked_for("/configmaps/", times=2)
        await world.api.publish(cut_of(first, CutKind.FAILOVER))
        await world.api.publish(document(new.address, epoch=3))
        assert await session.execute_write(_name) == "new"
    assert await sidecar.metric("memgraph_ha_sidecar_rewrites_total") == 1


async def test_a_main_that_died_is_asked_about_and_its_clients_wait_for_the_next(world: World) -> None:
    """P-C4: the upstream refuses, the document still names it; the client sees one slow transaction and no error."""
    old, new = await world.peer("old"), await world.peer("new")
    dead = "127.0.0.1:1"
    await world.api.publish(document(dead))
    sidecar = await world.sidecar()
    async with _driver(sidecar.uri()) as driver, driver.session() as session, anyio.create_task_group() as tasks:
        names: list[str] = []

        async def write() -> None:
            names.append(await session.execute_write(_name))

        tasks.start_soon(write)
        await sidecar.event("DialFailed", address=dead)
        await world.api.asked_for("/configmaps/", times=2)
        await world.api.publish(cut_of(document(dead), CutKind.FAILOVER))
        await world.api.publish(document(new.address, epoch=3))
    assert names == ["new"]
    assert old.got == []
