"""One sandbox under a steady write load, and one fault after the other in it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from settling import serves_anew, settle

from failover.faults import Kind, Target
from failover.stages import Incomplete, Run, Step, measure, parse
from sandbox import manifests
from sandbox.control import Control
from sandbox.demo.app import CANCELLED
from sandbox.demo.checker import Window, check, longest_stall
from sandbox.demo.history import Kind as Outcome
from sandbox.demo.history import Record, decode_all
from sandbox.demo.live import app_pod
from sandbox.demo.readback import read_back
from sandbox.demo.tail import Tails
from sandbox.world import World
from sidecar.contract import names
from sidecar.contract.state import Document

_APP: Final = "app-0"
_PUBLISH_S: Final = 30.0
"""The slowest kind waits for a Lease (4 s), then for a main that does not answer."""
_WRITES: Final = 25
"""Acknowledged writes before a fault and after it: half a second of the app's pace."""
_WRITES_S: Final = 20.0
_LOOK_S: Final = 0.02
"""Files tell nobody that they grew."""
_PHASE_S: Final = 0.5
"""Probes and looks at the Lease come every half second: faults are spread over that."""
_RELIST_S: Final = 1.0
"""How often a kubelet looks whether its containers live (PLEG)."""
_GOLDEN: Final = 0.618
"""Multiples of it, modulo one, are spread evenly however many there are."""


class BenchError(Exception):
    """A fault had another end than it should; the message says which, and where the logs are."""


class Bench:
    """A settled world with an app that writes through its sidecar. Make it with `bench`."""

    def __init__(self, world: World, control: Control) -> None:
        self._world = world
        self._control = control
        self._logs = Tails(world.folder, f"pods/{manifests.RELEASE}_*-controller-*/controller.log")
        self._histories = Tails(world.folder, "history/*.jsonl")
        self._steps: list[Step] = []
        self._records: list[Record] = []

    async def run(self, kind: Kind, number: int) -> Run:
        """Let one fault happen to the settled world and measure it. Raises BenchError, WorldError, CannotDo."""
        await self._writes(time.time())
        await anyio.sleep(number * _GOLDEN % 1 * _PHASE_S)
        before = self._document()
        target = Target(self._world, self._control, before)
        fault = await kind.inject(target)
        try:
            await self._world.wait_until(
                lambda world: serves_anew(world, before), deadline_s=_PUBLISH_S, what="no main was published"
            )
            published = time.time()
            await self._writes(published)
        finally:
            await kind.mend(target)
        return self._measured(fault, before)

    async def settle(self) -> None:
        """Wait until nothing is left of the last fault. Raises WorldError."""
        await settle(self._world)

    async def lost(self) -> list[str]:
        """Stop the app, read everything back: what was acknowledged and is not there, a sentence each."""
        await self._world.delete_app(_APP)
        self._look()
        bolt = {item["pod"]: item["bolt"] for item in self._world.state["memgraphs"]}
        found = await read_back(bolt, self._document().main_pod)
        if found is None:
            raise BenchError(f"no main can be read back: the logs are in {self._world.folder}")
        report = check({_APP: self._records}, found.ids)
        if len(report.lost) > len(report.witnesses):
            return [*report.witnesses, f"and {len(report.lost) - len(report.witnesses)} more"]
        return list(report.witnesses)

    def errors(self) -> list[str]:
        """The names of the errors that the app got from managed transactions so far."""
        self._look()
        failed = [record for record in self._records if record.kind in (Outcome.FAIL, Outcome.INFO)]
        return [record.error for record in failed if record.error != CANCELLED]

    def _measured(self, fault: float, before: Document) -> Run:
        self._look()
        try:
            failover = measure(self._steps, fault, before.epoch)
        except Incomplete as error:
            raise BenchError(f"{error}: the logs are in {self._world.folder}") from error
        end = time.time()
        published = fault + failover.publish / 1000
        first = next((r.ts for r in self._records if r.kind is Outcome.OK and r.ts >= published), end)
        return Run(
            failover,
            stall=round(longest_stall([self._records], Window("", fault, end)) * 1000, 1),
            resume=round((first - published) * 1000, 1),
        )

    async def _writes(self, since: float) -> None:
        """Until the app got so many more acknowledgements."""

        def enough() -> bool:
            self._look()
            return sum(r.kind is Outcome.OK and r.ts > since for r in self._records[-10 * _WRITES :]) >= _WRITES

        with anyio.move_on_after(_WRITES_S):
            while not enough():  # noqa: ASYNC110  # another process makes it true
                await anyio.sleep(_LOOK_S)
            return
        raise BenchError(f"the app does not write (waited {_WRITES_S:g} s): the logs are in {self._world.folder}")

    def _look(self) -> None:
        self._steps += [step for _, line in self._logs.lines() if (step := parse(line)) is not None]
        self._records += decode_all(line for _, line in self._histories.lines())[0]

    def _document(self) -> Document:
        document = self._world.document
        if document is None:
            raise BenchError(f"there is no valid document: the logs are in {self._world.folder}")
        return document


@asynccontextmanager
async def bench(folder: Path, progress: Callable[[str], None]) -> AsyncIterator[Bench]:
    """A new world, settled. Raises WorldError."""
    history = folder / "history"
    history.mkdir(parents=True, exist_ok=True)
    for old in history.iterdir():
        old.unlink()
    uri = f"bolt://localhost:{names.READ_WRITE_PORT}"
    async with (
        World(
            folder, apps=1, app_manifest=lambda _: app_pod(_APP, uri, history), relist_s=_RELIST_S, progress=progress
        ) as world,
        Control(folder) as control,
    ):
        found = Bench(world, control)
        await found.settle()
        yield found
