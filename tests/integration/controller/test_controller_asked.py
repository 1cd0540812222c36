"""What a person types, a controller process does and the status API tells: against simulated Memgraph processes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from cell import NAMESPACE, Cell, cell
from kubernetes.aio import client
from ports import free_port

from controller.core.model import Found
from controller.kube.client import connect
from memgraph_ha.cli import main
from sidecar.contract.state import Phase

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Asked:
    """A cell with one controller, and what a person does with both."""

    cell: Cell
    port: int

    async def type(self, line: str) -> int:
        """The command's exit code."""
        words = [*line.split(), "--kubeconfig", str(self.cell.kubeconfig), "-n", NAMESPACE, "--release", "r"]
        return await anyio.to_thread.run_sync(main, words)

    async def status(self) -> dict[str, Any]:
        """GET /api/v1/status."""

        def get() -> dict[str, Any]:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/status", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
                return found

        return await anyio.to_thread.run_sync(get)

    async def status_when(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a status like this."""
        status: dict[str, Any] = {}
        with anyio.move_on_after(20):
            while True:
                status = await self.status()
                if condition(status):
                    return status
                await anyio.sleep(0.02)
        raise AssertionError(f"{status}\n{self.cell.story()}")


def decided(reason: str) -> Callable[[dict[str, Any]], bool]:
    """The last decision has this reason."""
    return lambda status: bool(status["decision"]) and status["decision"]["reason"] == reason


def registered(status: dict[str, Any]) -> bool:
    """Both replicas are registered on the main, one of them as its partner."""
    modes = [instance["registration_mode"] or "" for instance in status["instances"]]
    return sorted(modes) == ["", "async", "strict_sync"]


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Asked]:
    async with cell(tmp_path) as running:
        port = free_port()
        running.start_controller("c-0", port)
        yield Asked(running, port)


async def test_a_switchover_that_was_typed(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    """To an instance of one's choice; the status tells the answer, and how every instance is."""
    first = await asked.cell.settled(main=0)
    assert await asked.type("switchover --to 2") == 0
    assert capsys.readouterr().out == "switchover to instance 2 accepted\n"
    document = await asked.cell.settled(main=2)
    assert document.epoch == first.epoch + 2
    status = await asked.status_when(registered)
    assert (status["leading"], status["leader"], status["main"], status["phase"]) == (True, "c-0", "r-2", "serving")
    assert (status["term"], status["epoch"]) == (document.term, document.epoch)
    assert (status["last_answer"]["value"], status["last_answer"]["writer"]) == ("2", "c-0")
    assert [i["role"] for i in status["instances"]] == ["replica", "replica", "main"]


async def test_paused_while_the_main_dies(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is published; what is asked meanwhile is refused; resumed, it fails over."""
    await asked.cell.settled(main=0)
    assert await asked.type("pause --why disk") == 0
    before = await asked.cell.store.read()
    assert isinstance(before, Found)
    asked.cell.kill(0)
    await asked.cell.report(0, running=False)
    assert await asked.type("switchover") == 1
    assert "resume it first" in capsys.readouterr().err
    status = await asked.status_when(decided("Paused"))
    assert "disk" in status["paused"]
    assert status["instances"][0]["problem"] == "not running"
    assert await asked.cell.store.read() == before
    assert await asked.type("resume") == 0
    assert (await asked.cell.settled(other_than=0)).epoch == before.document.epoch + 2
    assert await reasons(asked.cell) >= {"Paused", "RequestAnswered", "SwitchoverRefused"}


async def test_a_person_decides_when_main_and_partner_are_lost(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    """P-F3's last sentence: refused for one that does not answer, carried out for the one that is left."""
    first = await asked.cell.settled(main=0)
    assert first.sync is not None
    left = next(ordinal for ordinal in (1, 2) if ordinal != first.sync.ordinal)
    assert await asked.type("pause") == 0  # or the one that is left might become the partner in time
    for ordinal in (first.sync.ordinal, 0):
        asked.cell.kill(ordinal)
        await asked.cell.report(ordinal, running=False)
    assert await asked.type("resume") == 0
    await asked.status_when(decided("NoCandidate"))
    assert await asked.type(f"promote {first.sync.ordinal} --accept-data-loss") == 1
    assert "does not answer" in capsys.readouterr().err
    assert await asked.type(f"promote {left} --accept-data-loss") == 0
    await asked.cell.role_becomes(left, "main")
    status = await asked.status_when(decided("Unprotected"))
    assert (status["main"], status["phase"]) == (f"r-{left}", Phase.SERVING)
    assert await reasons(asked.cell) >= {"PromotedByCommand", "RequestRefused"}


async def reasons(cell: Cell) -> set[str]:
    """The reasons of all Events."""
    async with connect(str(cell.kubeconfig)) as api:
        events = await client.CoreV1Api(api).list_namespaced_event(NAMESPACE)
        return {event.reason or "" for event in events.items}
