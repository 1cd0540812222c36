"""A real driver, a real sidecar process and simulated Memgraphs: what an app sees of a changing main."""

from __future__ import annotations

from pathlib import Path

import anyio
import neo4j
import pytest
from ports import free_port

from sidecar.contract.state import CutKind
from tests.integration.sidecar.conftest import World, cut_of, document

pytestmark = pytest.mark.anyio


async def _write(tx: neo4j.AsyncManagedTransaction) -> int:
    await (await tx.run("CREATE (n:Written {by: 'app'})")).consume()
    record = await (await tx.run("MATCH (n:Written) RETURN count(n)")).single(strict=True)
    return int(record[0])


async def test_a_write_sent_to_a_replica_succeeds_on_the_main_without_an_error(world: World, tmp_path: Path) -> None:
    """The document is behind: it still names an instance that has become a replica."""
    main = await world.memgraph(tmp_path / "main")
    role = f"SET REPLICATION ROLE TO REPLICA WITH PORT {free_port()};"
    replica = await world.memgraph(tmp_path / "replica", role, role)
    behind = document(replica)
    await world.api.publish(behind)
    sidecar = await world.sidecar()
    await sidecar.event("RouteChanged", new_epoch=1)
    counts: list[int] = []
    async with (
        neo4j.AsyncGraphDatabase.driver(sidecar.uri()) as driver,
        driver.session() as session,
        anyio.create_task_group() as tasks,
    ):

        async def write() -> None:
            counts.append(await session.execute_write(_write))

        tasks.start_soon(write)
        await sidecar.event("NotTheMain", address=replica)
        await world.api.publish(cut_of(behind, CutKind.FAILOVER))
        await world.api.publish(document(main, epoch=3))
    assert counts == [1]
    assert await sidecar.metric("memgraph_ha_sidecar_rewrites_total") >= 1


async def test_an_open_transaction_is_retried_as_a_whole_on_the_new_main(world: World, tmp_path: Path) -> None:
    old, new = await world.memgraph(tmp_path / "old"), await world.memgraph(tmp_path / "new")
    first = document(old)
    await world.api.publish(first)
    sidecar = await world.sidecar()
    await sidecar.event("RouteChanged", new_epoch=1)
    tries = 0

    async def write(tx: neo4j.AsyncManagedTransaction) -> int:
        nonlocal tries
        tries += 1
        count = await _write(tx)
        if tries == 1:  # the main changes while the transaction is open
            await world.api.publish(cut_of(first, CutKind.PLANNED))
            await sidecar.event("RouteChanged", new_epoch=2)
            await world.api.publish(document(new, epoch=3))
        await (await tx.run("CREATE (n:Written {by: 'second'})")).consume()
        return count

    async with neo4j.AsyncGraphDatabase.driver(sidecar.uri()) as driver, driver.session() as session:
        assert await session.execute_write(write) == 1
        assert await session.execute_write(_write) == 3
    assert tries == 2
    async with neo4j.AsyncGraphDatabase.driver(f"bolt://{old}") as driver, driver.session() as session:
        record = await (await session.run("MATCH (n) RETURN count(n)")).single(strict=True)
        assert record[0] == 0
