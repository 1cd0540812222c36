"""Two controller processes with the chart's rights on a real API server, and three simulated Memgraph processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from cell import NAMESPACE, Cell, cell_on
from envtest.audit import Event
from real import AnyCluster, needs_own
from real_release import Release, installed

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def release(cluster: AnyCluster) -> Release:
    return installed(cluster, "r", NAMESPACE, without=("StatefulSet", "MutatingWebhookConfiguration"), restricted=False)


@pytest.fixture
async def running(release: Release, tmp_path: Path) -> AsyncIterator[Cell]:
    kubeconfig = release.kubeconfig("controller")
    async with cell_on(tmp_path, release.cluster.kubeconfig, kubeconfig) as cell:
        cell.start_controller("c-0")
        cell.start_controller("c-1")
        yield cell


def refused(release: Release) -> list[Event]:
    """What the API server would not do for the controllers, conflicts aside."""
    asked = release.cluster.audited(release.account("controller"))
    return [event for event in asked if event.code in (400, 401, 403, 422)]


async def write(cell: Cell, main: int, number: int) -> None:
    await cell.ask(main, "CREATE (:Write {id: $id})", {"id": number})


@needs_own("an API server that may be stopped")
async def test_an_api_server_s_crash_a_failover_and_a_switchover(running: Cell, release: Release) -> None:
    """The crash changes nothing for the clients; the failover and the switchover lose nothing; nothing is forbidden."""
    first = await running.settled(main=0)
    for number in range(10):
        await write(running, 0, number)
    await anyio.to_thread.run_sync(lambda: release.cluster.stop_api_server(kill=True))
    await write(running, 0, 10)
    assert refused(release) == []
    await anyio.to_thread.run_sync(release.cluster.start_api_server)
    # An API server answers before it has read the roles, and forbids everything until it has.
    while_it_started = refused(release)
    back = await running.settled(main=0)
    assert (back.epoch, back.sync) == (first.epoch, first.sync), "no client was cut, no partner changed"
    running.kill(0)
    await running.report(0, running=False)
    second = await running.settled(other_than=0)
    assert second.epoch == first.epoch + 2
    await write(running, second.master_index, 11)
    await running.restart(0)
    await running.role_becomes(0, "replica")
    await running.settled(other_than=0)
    await running.request_switchover()
    third = await running.settled(other_than=second.master_index)
    rows = await running.ask(third.master_index, "MATCH (n:Write) RETURN n.id AS id ORDER BY id")
    assert [row["id"] for row in rows] == list(range(12))
    assert refused(release) == while_it_started, "nothing the chart does not allow, nothing malformed"
    reasons = {event["reason"] for event in release.admin.get(release.path("events")).body["items"]}
    assert "Published" in reasons
