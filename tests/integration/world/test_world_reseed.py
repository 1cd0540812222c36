"""A replica that really diverged, in the whole world of processes: found by Error 3, begun anew, caught up (P-R1)."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from memgraph_process import Memgraph
from neo4j import AsyncGraphDatabase
from neo4j.exceptions import DriverError, Neo4jError

from sandbox import manifests
from sandbox.world import World
from sidecar.contract import names
from sidecar.contract.state import Phase

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("world"), pytest.mark.timeout(120)]
Object = dict[str, Any]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def ask(uri: str, query: str) -> list[Object]:
    """One auto-committed statement."""
    async with AsyncGraphDatabase.driver(uri) as driver, driver.session() as session:
        return await (await session.run(query)).data()


async def write(uri: str, label: str) -> None:
    """One managed transaction."""
    async with AsyncGraphDatabase.driver(uri) as driver:
        await driver.execute_query(f"CREATE (:{label})")


def memgraph(world: World, pod: str) -> Object:
    found: Object = next(item for item in world.state["memgraphs"] if item["pod"] == pod)
    return found


def pod_uid(world: World, pod: str) -> str:
    return str(world.pods().get((manifests.RELEASE, pod), {}).get("metadata", {}).get("uid", ""))


async def isolated_write(world: World, uri: str) -> None:
    """What an isolated ex-main may still do: commit something that nobody else will ever have."""
    for row in await ask(uri, "SHOW REPLICAS"):
        await ask(uri, f"DROP REPLICA {row['name']}")
    await ask(uri, "CREATE (:Lost)")


async def labels(uri: str) -> set[str]:
    """The labels this instance holds now; none while it does not answer."""
    try:
        rows = await ask(uri, "MATCH (n) RETURN labels(n) AS labels")
    except (DriverError, Neo4jError):
        return set()
    return {label for row in rows for label in row["labels"]}


def labels_in(aside: Path, copy: Path) -> set[str]:
    """What an operator finds who starts a Memgraph on a copy of the data that was moved aside."""
    shutil.copytree(aside, copy / "data")
    instance = Memgraph(copy)
    try:
        return {label for row in instance.start().query("MATCH (n) RETURN labels(n)") for label in row[0]}
    finally:
        instance.stop()


async def test_a_diverged_ex_main_begins_anew_and_catches_up(tmp_path: Path) -> None:
    """It hung, another took over; it woke up isolated and committed; its data is kept aside, and it follows again."""
    async with World(tmp_path / "w", apps=1) as world:
        app = world.find_app("app-0")
        assert app is not None
        await write(app["uri"], "Kept")
        assert world.document is not None
        old, epoch = world.document.main_pod, world.document.epoch
        former = memgraph(world, old)
        uid, uri = pod_uid(world, old), f"bolt://{former['bolt']}"
        os.kill(former["pid"], signal.SIGSTOP)

        def moved(world: World) -> bool:
            document = world.document
            return document is not None and document.main_pod != old and document.phase is Phase.SERVING

        await world.wait_until(moved, deadline_s=20, what="another main")
        await write(app["uri"], "After")
        controllers = [item["pid"] for item in world.state["controllers"]]
        for pid in controllers:
            os.kill(pid, signal.SIGSTOP)
        os.kill(former["pid"], signal.SIGCONT)
        await isolated_write(world, uri)
        assert await labels(uri) == {"Kept", "Lost"}
        for pid in controllers:
            os.kill(pid, signal.SIGCONT)
        await world.wait_until(
            lambda world: pod_uid(world, old) not in ("", uid) and world.ready(manifests.RELEASE, old),
            deadline_s=30, what="the successor of the diverged instance's pod",
        )  # fmt: skip
        found: set[str] = set()
        while found != {"Kept", "After"}:
            found = await labels(f"bolt://{memgraph(world, old)['bolt']}")
            assert "Lost" not in found
        assert world.document.epoch > epoch
        (aside,) = (tmp_path / "w" / "volumes").glob("*/mg_data.old-*")
        assert aside.name == f"mg_data.old-{world.document.epoch}"
        assert labels_in(aside, tmp_path / "copy") == {"Kept", "Lost"}
        orders = await world.kubernetes.get("configmaps", manifests.RELEASE, names.reseed_config_map(manifests.RELEASE))
        assert not orders.get("data")
        events = {item["reason"] for item in await world.kubernetes.list("events", manifests.RELEASE)}
        assert {"Reseeding", "Reseeded"} <= events
        assert "ReseedFailed" not in events
        log = tmp_path / "w" / "pods" / f"{manifests.RELEASE}_{old}" / "reseed.log"
        assert "DataMovedAside" in log.read_text()
        await write(app["uri"], "Again")
