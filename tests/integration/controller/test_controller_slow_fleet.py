"""A fleet that is hard to read delays no failover: the controller's other requests wait for none of its answers."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest
from api_server import until
from cell import Cell, cell
from fleet_pods import injected
from stalling_proxy import StallingProxy, stalling_proxy

from webhook.core.model import Release

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
OURS: Final = Release("r", "db", "r", True, "example/sidecar:2")
USUAL_S: Final = 5.0
"""A failover takes some 0.1 s here. A request of the fleet waits 10 s for its answer; twenty thousand pods take longer
than this to read."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def hangs(target: str) -> str | None:
    """Nothing that the fleet asks for is ever answered."""
    return "" if target.startswith("/api/v1/namespaces?") else None


def thousands(target: str) -> str | None:
    """Pods without an end, fifty a page."""
    return PAGE if target.startswith("/api/v1/pods?") else None


def _page() -> str:
    pods = []
    for number in range(50):
        pod = injected(OURS)
        pod["metadata"] |= {"name": f"web-{number}", "annotations": {"filler": "x" * 6000}}  # a usual pod's size
        pods.append(pod)
    return json.dumps({"metadata": {"continue": "more"}, "items": pods})


PAGE: Final = _page()


@pytest.fixture(params=[hangs, thousands])
async def slow(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Cell, StallingProxy]]:
    """A controller whose fleet's requests go through a proxy that is slow about them."""
    monkeypatch.setenv("MEMGRAPH_HA_SIDECAR_IMAGE", OURS.sidecar_image)
    monkeypatch.setenv("MEMGRAPH_HA_CLIENT_ACCESS", "allServiceAccounts")
    answer: Callable[[str], str | None] = request.param
    async with cell(tmp_path) as running, stalling_proxy(running.kubeconfig, answer) as (proxy, through):
        running.kubeconfig = through
        running.start_controller("c-0")
        yield running, proxy
        await running.stop_controllers()  # before what they are connected to


async def test_it_delays_no_failover(slow: tuple[Cell, StallingProxy]) -> None:
    running, proxy = slow
    await running.settled(main=0)
    await until("the fleet is being read", lambda: proxy.asked)
    began = time.monotonic()
    running.kill(0)
    await running.report(0, running=False)
    await running.settled(other_than=0)
    assert time.monotonic() - began < USUAL_S
