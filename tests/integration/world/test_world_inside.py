"""The world as a library: where pods share one address, with apps of one's own, and when something can't start."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import anyio
import pytest
from neo4j import AsyncGraphDatabase

from sandbox import manifests
from sandbox.world import World, WorldError
from sidecar.contract import names

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("world")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def count(uri: str) -> int:
    """One managed write and a count, through a sidecar."""
    async with AsyncGraphDatabase.driver(uri) as driver:
        await driver.execute_query("CREATE (:Thing)")
        records, _, _ = await driver.execute_query("MATCH (n:Thing) RETURN count(n) AS count")
        return int(records[0]["count"])


async def test_a_world_on_one_address(tmp_path: Path) -> None:
    """As on a system with 127.0.0.1 only: everything has ports of its own, and works; a killed main is replaced."""
    steps: list[str] = []
    async with World(tmp_path / "w", apps=1, one_address=True, progress=steps.append) as world:
        app = world.find_app("app-0")
        assert app is not None
        assert app["uri"].startswith("bolt://127.0.0.1:")
        assert await count(app["uri"]) == 1
        assert world.document is not None
        old = world.document.main_pod
        victim = next(item["pid"] for item in world.state["memgraphs"] if item["pod"] == old)
        os.kill(victim, signal.SIGKILL)
        await world.wait_until(
            lambda world: world.document is not None and world.document.main_pod != old,
            deadline_s=15,
            what="another main",
        )
        assert await count(app["uri"]) == 2
    assert len(steps) >= 3
    assert not (tmp_path / "w" / "world.json").exists()


async def test_an_app_of_one_s_own_with_and_without_a_sidecar(tmp_path: Path) -> None:
    """An app's localhost is its sidecar; a pod that opts out has none."""
    async with World(tmp_path / "w", apps=0) as world:
        code = "import os,signal; print(os.environ['MEMGRAPH_URI'], flush=True); signal.pause()"
        for name, label in (("with", names.INJECT_ENABLED), ("without", names.INJECT_DISABLED)):
            manifest = manifests.waiting_app(0)
            manifest["metadata"] = {"name": name, "labels": {names.INJECT_LABEL: label}}
            manifest["spec"]["containers"][0]["command"] = ["python", "-c", code]
            await world.create_app(manifest)
            await world.wait_until(
                lambda world, name=name: world.ready("apps", name),  # type: ignore[misc]
                deadline_s=20, what=f"pod {name}",
            )  # fmt: skip
        injected, plain = world.find_app("with"), world.find_app("without")
        assert injected is not None
        assert plain is not None
        assert plain["uri"] is None
        log = tmp_path / "w" / "pods" / "apps_with" / "app.log"
        with anyio.fail_after(10):
            while not log.exists() or not log.read_text():  # noqa: ASYNC110  # another process writes it
                await anyio.sleep(0.01)
        assert log.read_text().strip() == injected["uri"]
        await world.delete_app("without")
        assert world.find_app("without") is None


async def test_a_world_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    """Controllers that end at once: no main is ever published."""
    broken = (sys.executable, "-c", "raise SystemExit('no')")
    with pytest.raises(WorldError, match=r"a published main with a partner was missing after 6 s.*The logs are in"):
        async with World(tmp_path / "w", apps=0, controller_command=broken, start_s=6.0):
            pytest.fail("it started")
    logs = list((tmp_path / "w" / "pods").glob("memgraph-ha_memgraph-ha-controller-*/controller.log"))
    assert [log.read_text().splitlines()[0] for log in logs] == ["no", "no"]


async def kill_api_server(folder: Path) -> None:
    """Run a world until its API server is killed; returns only if that has no consequence."""
    async with World(folder, apps=0) as world:
        listing = await anyio.run_process(["ps", "-ww", "-eo", "pid=,args="])
        found = [line.split() for line in listing.stdout.decode().splitlines()]
        pids = [int(pid) for pid, *words in found if "sandbox.kubernetes" in words and str(world.folder) in words]
        assert len(pids) == 1
        os.kill(pids[0], signal.SIGKILL)
        await anyio.sleep(30)


async def test_a_world_without_its_api_server_ends(tmp_path: Path) -> None:
    """The block is left with an error that names the log."""
    with pytest.raises(WorldError, match=r"the API server ended with code -9"):
        await kill_api_server(tmp_path / "w")
