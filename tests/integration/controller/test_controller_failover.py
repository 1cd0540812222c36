"""The controller as a process, against simulated Memgraph processes and a running API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cell import Cell, cell

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Cell]:
    async with cell(tmp_path) as it:
        it.start_controller("c-0")
        yield it


async def write(cell: Cell, main: int, number: int) -> None:
    """One acknowledged write on the main."""
    await cell.ask(main, "CREATE (:Write {id: $id})", {"id": number})


async def ids(cell: Cell, ordinal: int) -> list[int]:
    """What this instance holds."""
    return [row["id"] for row in await cell.ask(ordinal, "MATCH (n:Write) RETURN n.id AS id ORDER BY id")]


async def test_bootstrap_then_kill_then_the_old_main_comes_back(running: Cell) -> None:
    """B1, F1-F6, N1: three empty replicas get a main; killed, its partner takes over with every write.

    The pods say so, too.
    """
    first = await running.settled(main=0)
    await running.labelled("main", "sync", "replica")
    assert [row["sync_mode"] for row in await running.ask(0, "SHOW REPLICAS")].count("strict_sync") == 1
    for number in range(20):
        await write(running, 0, number)
    running.kill(0)
    await running.report(0, running=False)
    second = await running.settled(other_than=0)
    assert first.sync is not None
    assert second.master_index == first.sync.ordinal
    assert second.epoch == first.epoch + 2
    assert await ids(running, second.master_index) == list(range(20))
    await write(running, second.master_index, 20)
    await running.restart(0)
    await running.role_becomes(0, "replica")
    expected = list(range(21))
    await running.settled(other_than=0)
    found: list[int] = []
    for _ in range(500):
        found = await ids(running, 0)
        if found == expected:
            break
    assert found == expected
    await running.labelled("replica", "main", "sync")


async def test_a_hung_main_is_replaced_and_demoted_when_it_wakes(running: Cell) -> None:
    """F1 (silent), F5, F7 (O-F48, O-L1)."""
    first = await running.settled(main=0)
    running.hang(0)
    second = await running.settled(other_than=0)
    assert second.epoch == first.epoch + 2
    running.resume(0)
    await running.role_becomes(0, "replica")
    assert (await running.settled()).master_index == second.master_index


async def test_a_switchover_on_request(running: Cell) -> None:
    """P: planned, no write lost, the old main stays as a replica of the new one."""
    first = await running.settled(main=0)
    await write(running, 0, 1)
    await running.request_switchover()
    second = await running.settled(other_than=0)
    assert second.epoch == first.epoch + 2
    assert await ids(running, second.master_index) == [1]
    await running.role_becomes(0, "replica")


async def test_another_controller_takes_over_and_touches_nothing(running: Cell) -> None:
    """W2, W3: a killed leader is followed within its lease; the main, the epoch and the partner stay (O-L2, O-L10)."""
    first = await running.settled(main=0)
    running.start_controller("c-1")
    running.controllers["c-0"].kill()
    running.controllers["c-0"].wait(10)
    document = first
    while document.term == first.term:
        document = await running.settled()
    assert (document.master_index, document.epoch, document.sync) == (first.master_index, first.epoch, first.sync)
    running.kill(0)
    await running.report(0, running=False)
    assert (await running.settled(other_than=0)).term == document.term


async def test_a_lost_partner_is_replaced_without_touching_a_connection(running: Cell) -> None:
    """S3, S6, S8."""
    first = await running.settled(main=0)
    assert first.sync is not None
    partner = first.sync.ordinal
    running.kill(partner)
    await running.report(partner, running=False)
    document = first
    while document.sync is None or document.sync.ordinal == partner:
        document = await running.settled(main=0)
    assert document.epoch == first.epoch
    await write(running, 0, 1)
