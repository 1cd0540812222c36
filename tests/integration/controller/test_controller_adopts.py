"""A release that is pointed at a StatefulSet of another name: it takes over what runs there, and fails over."""

from __future__ import annotations

from pathlib import Path

import pytest
from cell import Cell, cell

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def of_another_name(it: Cell) -> None:
    it.release = "graph"


async def test_a_main_with_data_is_adopted_as_it_is_and_watched_from_then_on(tmp_path: Path) -> None:
    """P-B1, P-B2: nobody had published anything of it."""
    async with cell(tmp_path, prepare=of_another_name) as it:
        await it.role_becomes(1, "replica")
        await it.ask(1, "SET REPLICATION ROLE TO MAIN")
        await it.ask(1, "CREATE (:Write {id: 1})")
        it.start_controller("c-0")
        adopted = await it.settled(main=1)
        assert adopted.main_pod == "r-1"
        it.kill(1)
        await it.report(1, running=False)
        after = await it.settled(other_than=1)
        assert await it.ask(after.master_index, "MATCH (w:Write) RETURN w.id AS id") == [{"id": 1}]
