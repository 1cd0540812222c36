"""Readiness gates end to end: controllers set them, the kubelet counts them, a roll-out waits, a full stop ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from neo4j import AsyncGraphDatabase

from sandbox import manifests
from sandbox.world import World
from sidecar.contract import names
from sidecar.contract.state import Phase

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("world"), pytest.mark.timeout(300)]
PODS = [f"{manifests.RELEASE}-{ordinal}" for ordinal in range(3)]
WITHIN_S = 120.0  # each of three pods ends, starts and catches up; a busy machine takes its time


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def metadata(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = world.pods().get((manifests.RELEASE, name), {}).get("metadata", {})
    return found


def uids(world: World) -> list[str]:
    return [metadata(world, name).get("uid", "") for name in PODS]


def roles(world: World) -> list[str]:
    return sorted(metadata(world, name).get("labels", {}).get(names.ROLE_LABEL, "") for name in PODS)


def settled(world: World) -> bool:
    """Every pod is Ready and says what it is, and a replica holds every write."""
    document = world.document
    served = document is not None and document.phase is Phase.SERVING and document.sync is not None
    ready = all(world.ready(manifests.RELEASE, name) for name in PODS)
    return served and ready and roles(world) == ["main", "replica", "sync"]


async def settles(world: World, also: Callable[[World], bool], what: str) -> None:
    await world.wait_until(lambda world: settled(world) and also(world), deadline_s=WITHIN_S, what=what)


async def query(world: World, text: str) -> list[Any]:
    assert world.document is not None
    async with AsyncGraphDatabase.driver(f"bolt://{world.document.main_address}") as driver:
        records, _, _ = await driver.execute_query(text)
        return [record.values() for record in records]


async def test_a_roll_out_takes_one_instance_after_the_other_and_a_full_stop_ends(tmp_path: Path) -> None:
    """No instance waits for another to be Ready before the controller can act; every write is there afterwards."""
    async with World(tmp_path / "w", apps=0) as world:
        await settles(world, lambda _: True, "the first settling")
        await query(world, "CREATE (:Write {id: 1})")
        first = uids(world)
        went: list[str] = []

        def all_new(world: World) -> bool:
            now = uids(world)
            went.extend(n for n, a, b in zip(PODS, first, now, strict=True) if b not in ("", a) and n not in went)
            return len(went) == len(PODS)

        template = {"spec": {"template": {"metadata": {"annotations": {"rolled": "out"}}}}}
        await world.kubernetes.patch("statefulsets", manifests.RELEASE, manifests.RELEASE, template)
        await world.wait_until(all_new, deadline_s=WITHIN_S, what="three new pods")
        assert went == PODS[::-1]
        await settles(world, lambda _: True, "the settling after the roll-out")
        assert await query(world, "MATCH (n:Write) RETURN n.id") == [[1]]
        await query(world, "CREATE (:Write {id: 2})")

        second = uids(world)
        async with anyio.create_task_group() as stop:
            for name in PODS:
                stop.start_soon(world.kubernetes.delete, "pods", manifests.RELEASE, name)
        await settles(world, lambda world: not set(uids(world)) & set(second), "the settling after a full stop")
        assert await query(world, "MATCH (n:Write) RETURN n.id ORDER BY n.id") == [[1], [2]]
