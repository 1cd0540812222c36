"""Plays one cell: a program is brought into its state, the main changes, the program goes on, its write is counted."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from client_environments import Driver
from neo4j import AsyncGraphDatabase
from settling import serves_anew, settle

from drivers.cells import Cell, cell
from drivers.program import Program, program
from sandbox import manifests
from sandbox.control import Control
from sandbox.http import Http
from sandbox.memgraph import admin
from sandbox.world import World
from sidecar.contract.state import Document

_RELIST_S: Final = 1.0
"""How often a kubelet looks whether its containers live (PLEG)."""
_LOOK_S: Final = 0.01
"""Of another process, which tells nobody."""
_STEP_S: Final = 20.0
"""For what takes milliseconds, or a detection by the controller."""
_COUNT: Final = "MATCH (n:Change {id: $id}) RETURN count(n) AS count"


@dataclass(frozen=True, slots=True)
class Hold:
    """How an answer to COMMIT is held back: the partner executes this RPC of the main and does not say so.

    `reached`: from the partner's state before and now, whether it has.
    """

    rpc: str
    reached: Callable[[dict[str, Any], dict[str, Any]], bool]


_HOLDS: Final = {
    "commit-undecided": Hold("prepare", lambda _, now: now["prepared"] is not None),
    "commit": Hold("finalize", lambda before, now: now["vertex_count"] > before["vertex_count"]),
}


class StuckError(Exception):
    """A step of a cell did not happen; the message says which."""


class Conductor:
    """A settled world, and one cell after the other in it. Make it with `conductor`."""

    def __init__(self, world: World, control: Control, http: Http) -> None:
        self._world = world
        self._control = control
        self._http = http

    async def play(self, client: Driver, state: str, event: str) -> Cell:
        """One cell, in a settled world. Raises ProgramError, StuckError, WorldError, CannotDo."""
        await settle(self._world)
        before = self._document()
        unique = str(uuid.uuid4())
        log = self._world.folder / f"{client.name}-{state}-{event}.log"
        hold = _HOLDS.get(state)
        address = self._sidecar().removeprefix("bolt://")
        async with program(client, "commit" if hold else state, address, unique, log) as app:
            await app.ready()
            if hold is not None:
                at = await self._during_commit(app, event, before, hold)
            else:
                at = await self._happen(event)
                await self._sidecar_acted(before)
                await app.go_on()
            done = await app.done()
            elapsed_s = time.monotonic() - at
        await self._world.wait_until(
            lambda world: serves_anew(world, before), deadline_s=_STEP_S, what="no main was published"
        )
        applied = await self._count(unique)
        return cell(client.name, state, event, done=done, elapsed_s=elapsed_s, applied=applied)

    async def _during_commit(self, app: Program, event: str, before: Document, hold: Hold) -> float:
        """Let the app commit and the main change while the partner's answer to the main is held back."""
        partner = self._partner(before)
        at_rest = await _tell(partner, {"show": "state"})

        async def reached() -> bool:
            return hold.reached(at_rest, await _tell(partner, {"show": "state"}))

        await _tell(partner, {"knob": "hang", "rpc": hold.rpc, "when": "after", "times": 1})
        try:
            await app.go_on()
            await self._until(reached, "COMMIT did not reach the partner")
            at = await self._happen(event)
            if event == "planned":
                await self._sidecar_acted(before)
        finally:
            await _tell(partner, {"knob": "hang", "times": 0})
        return at

    async def _happen(self, event: str) -> float:
        """Let the main change; when it began (monotonic)."""
        if event == "planned":
            at = time.monotonic()
            await self._control.request_switchover()
            return at
        _, main = await self._control.resolve("main")
        at = time.monotonic()
        os.kill(main, signal.SIGKILL)
        return at

    async def _sidecar_acted(self, before: Document) -> None:
        """Wait until the app's sidecar has acted on the cut."""

        async def acted() -> bool:
            url = self._app()["metrics"].removesuffix("metrics") + "state"
            answer = await self._http.ask("GET", url, timeout_s=_STEP_S)
            return bool(answer.body["epoch"] > before.epoch)

        await self._until(acted, "the sidecar heard of no change")

    async def _count(self, unique: str) -> int:
        """How many times the write is on the main that is published now."""
        bolt = {item["pod"]: item["bolt"] for item in self._world.state["memgraphs"]}
        uri = f"bolt://{bolt[self._document().main_pod]}"
        async with AsyncGraphDatabase.driver(uri) as driver, driver.session() as session:
            record = await (await session.run(_COUNT, id=unique)).single(strict=True)
            return int(record["count"])

    async def _until(self, condition: Callable[[], Any], what: str) -> None:
        with anyio.move_on_after(_STEP_S):
            while not await condition():  # noqa: ASYNC110  # another process makes it true
                await anyio.sleep(_LOOK_S)
            return
        raise StuckError(f"{what} within {_STEP_S:g} s: the logs are in {self._world.folder}")

    def _partner(self, document: Document) -> dict[str, Any]:
        assert document.sync is not None
        found: dict[str, Any] = next(
            item for item in self._world.state["memgraphs"] if item["ordinal"] == document.sync.ordinal
        )
        return found

    def _document(self) -> Document:
        if self._world.document is None:
            raise StuckError(f"there is no valid document: the logs are in {self._world.folder}")
        return self._world.document

    def _app(self) -> dict[str, Any]:
        app: dict[str, Any] = self._world.state["apps"][0]
        return app

    def _sidecar(self) -> str:
        uri: str = self._app()["uri"]
        return uri


@asynccontextmanager
async def conductor(folder: Path, progress: Callable[[str], None]) -> AsyncIterator[Conductor]:
    """A new world with one sidecar. Raises WorldError."""
    async with (
        World(
            folder, apps=1, app_manifest=manifests.waiting_app, relist_s=_RELIST_S, progress=progress
        ) as world,
        Control(folder) as control,
        Http() as http,
    ):  # fmt: skip
        yield Conductor(world, control, http)


async def _tell(instance: dict[str, Any], command: dict[str, Any]) -> dict[str, Any]:
    host, _, port = instance["admin"].rpartition(":")
    answer = await admin.send(host, int(port), command)
    if not answer["ok"]:
        raise StuckError(f"{instance['pod']}: {answer['error']}")
    return answer
