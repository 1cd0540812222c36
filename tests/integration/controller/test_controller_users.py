"""Users from a Secret, with real processes: nobody comes in without a password, before and after a failover (P-U)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import neo4j.exceptions
import pytest
from cell import Cell, cell

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
OLD, NEW = "old 'one'", 'new \\"ünïcode"'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Cell]:
    async with cell(tmp_path, {"ops": OLD, "app": OLD}) as it:
        it.auth = ("app", OLD)
        it.start_controller("c-0")
        yield it


def everything_said(folder: Path) -> str:
    """The logs of all processes."""
    return "".join(log.read_text() for log in folder.glob("*.log"))


async def comes_in(cell: Cell, ordinal: int, password: str) -> bool:
    """Whether app may come in with this password."""
    cell.auth = ("app", password)
    try:
        await cell.ask(ordinal, "SHOW REPLICATION ROLE")
    except neo4j.exceptions.Neo4jError as error:
        if not str(error.code).endswith("Unauthenticated"):
            raise
        return False
    return True


async def becomes_known(cell: Cell, ordinal: int, password: str) -> None:
    """Wait until app comes in with this password."""
    with anyio.fail_after(30):
        while not await comes_in(cell, ordinal, password):
            pass


async def test_a_password_is_changed_and_stays_changed_through_a_failover(running: Cell, tmp_path: Path) -> None:
    """The main at once; the partner, which started before, when it is promoted; the old main at its next start.

    The controller is a new process after the change: it has only the Secret to know the old password from.
    """
    first = await running.settled(main=0)
    assert first.sync is not None
    partner = first.sync.ordinal
    await running.ask(0, "CREATE (:Write {id: 1})")
    assert not await comes_in(running, 0, "wrong")
    running.change_users({"ops": NEW, "ops.previous": OLD, "app": NEW})
    await becomes_known(running, 0, NEW)
    assert not await comes_in(running, 0, OLD)
    assert await comes_in(running, partner, OLD)
    running.controllers["c-0"].kill()
    running.controllers["c-0"].wait(10)
    running.start_controller("c-1")
    document = first
    while document.term == first.term:
        document = await running.settled(main=0)
    running.kill(0)
    await running.report(0, running=False)
    second = await running.settled(other_than=0)
    assert second.master_index == partner
    assert not await comes_in(running, partner, OLD)
    assert await comes_in(running, partner, NEW)
    assert await running.ask(partner, "MATCH (n:Write) RETURN n.id AS id") == [{"id": 1}]
    await running.restart(0)
    await becomes_started(running, 0)
    assert not await comes_in(running, 0, OLD)
    said = everything_said(tmp_path)
    assert '"UsersChanged"' in said
    assert not [word for word in ("old 'one", "n\\u00efcode", "ünïcode", "IDENTIFIED", "SET PASSWORD") if word in said]


async def becomes_started(cell: Cell, ordinal: int) -> None:
    """Wait until it answers, and says it is a replica: its role lines ran after its users' lines."""
    cell.auth = ("app", NEW)
    await cell.role_becomes(ordinal, "replica")
