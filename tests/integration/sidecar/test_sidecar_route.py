"""`neo4j://`: a real driver, a real sidecar and simulated Memgraphs, which know no routes themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import neo4j
import pytest
from ports import free_port

from sidecar.contract import env
from sidecar.contract.state import CutKind
from tests.integration.sidecar.conftest import Sidecar, World, cut_of, document

pytestmark = pytest.mark.anyio


def _driver(sidecar: Sidecar) -> neo4j.AsyncDriver:
    return neo4j.AsyncGraphDatabase.driver(f"neo4j://127.0.0.1:{sidecar.port}", max_transaction_retry_time=20)


async def _write(tx: neo4j.AsyncManagedTransaction) -> str:
    result = await tx.run("CREATE (n:Written) RETURN 'main' AS name")
    record = await result.single(strict=True)
    return str(record["name"])


async def _read(tx: neo4j.AsyncManagedTransaction) -> str:
    record = await (await tx.run("MATCH (n:Here) RETURN n.name AS name")).single(strict=True)
    return str(record["name"])


async def test_writes_go_to_the_main_and_reads_to_a_replica(world: World, tmp_path: Path) -> None:
    """O-S26, O-S30."""
    main = await world.memgraph(tmp_path / "main", "CREATE (:Here {name: 'main'});")
    role = f"SET REPLICATION ROLE TO REPLICA WITH PORT {free_port()};"
    replica = await world.memgraph(tmp_path / "replica", "CREATE (:Here {name: 'replica'});", role)
    await world.api.publish(document(main, read_addresses=(replica,)))
    sidecar = await world.sidecar()
    await sidecar.event("RouteChanged", new_epoch=1)
    async with _driver(sidecar) as driver, driver.session() as session:
        assert await session.execute_write(_write) == "main"
        assert await session.execute_read(_read) == "replica"
        assert await session.execute_write(_write) == "main"
    state = await sidecar.state()
    assert state["epoch"] == 1
    assert await sidecar.metric("memgraph_ha_sidecar_routes_total") >= 1
    assert await sidecar.metric("memgraph_ha_sidecar_rewrites_total") == 0


async def test_without_a_replica_the_main_is_read(world: World, tmp_path: Path) -> None:
    main = await world.memgraph(tmp_path / "main", "CREATE (:Here {name: 'main'});")
    await world.api.publish(document(main))
    sidecar = await world.sidecar()
    await sidecar.event("RouteChanged", new_epoch=1)
    async with _driver(sidecar) as driver, driver.session() as session:
        assert await session.execute_read(_read) == "main"
        assert await session.execute_write(_write) == "main"


async def test_a_fallback_to_the_main_is_a_reader_like_others(world: World, tmp_path: Path) -> None:
    """The read port itself leads to the main, since it was told so."""
    main = await world.memgraph(tmp_path / "main", "CREATE (:Here {name: 'main'});")
    await world.api.publish(document(main, read_addresses=("127.0.0.1:1",)))
    sidecar = await world.sidecar(**{env.READ_FALLBACK: "main"})
    await sidecar.event("RouteChanged", new_epoch=1)
    async with _driver(sidecar) as driver, driver.session() as session:
        assert await session.execute_read(_read) == "main"
        assert (await sidecar.state())["readConnections"] == 1


async def test_a_driver_that_routes_follows_the_main(world: World, tmp_path: Path) -> None:
    old, new = await world.memgraph(tmp_path / "old"), await world.memgraph(tmp_path / "new")
    first = document(old)
    await world.api.publish(first)
    sidecar = await world.sidecar()
    await sidecar.event("RouteChanged", new_epoch=1)
    async with _driver(sidecar) as driver, driver.session() as session:
        assert await session.execute_write(_write) == "main"
        await world.api.publish(cut_of(first, CutKind.FAILOVER))
        await sidecar.event("RouteChanged", new_epoch=2)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.execute_write, _write)
            await world.api.publish(replace(document(new), epoch=3))
    async with neo4j.AsyncGraphDatabase.driver(f"bolt://{new}") as driver, driver.session() as session:
        record = await (await session.run("MATCH (n:Written) RETURN count(n)")).single(strict=True)
    assert record[0] == 1
