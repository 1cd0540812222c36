"""Watches the running world through what it leaves behind: log files, world.json and the apps' histories.

Everything is read a few times a second and told at once; who waits for something is asked again after each look.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import anyio

from sandbox.demo.coordination import Line, Routed, parse
from sandbox.demo.history import Record, decode
from sandbox.demo.narrate import Happening, Narrator
from sandbox.demo.tail import Tails

LOOK_S: Final = 0.05
"""Files tell nobody that they grew. A twentieth of a second is below what a reader notices."""


class Feed:
    """What has been seen so far. `lines` and every history are in the order of their files."""

    def __init__(self, folder: Path, tell: Callable[[Happening], None]) -> None:
        self._world_file = folder / "world.json"
        self._logs = Tails(folder, "pods/*/*.log")
        self._files = Tails(folder, "history/*.jsonl")
        self._tell = tell
        self._narrator = Narrator()
        self._looked = anyio.Event()
        self.world: dict[str, Any] = {}
        self.lines: list[Line] = []
        self.histories: dict[str, list[Record]] = {}
        self.unreadable = 0

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await anyio.sleep(LOOK_S)

    def look(self) -> None:
        """Read what is new, tell it in the order it happened, and wake who waits."""
        happenings = [*self._new_world(), *self._new_lines(), *self._new_records()]
        for happening in sorted(happenings, key=lambda happening: happening.ts):
            self._tell(happening)
        looked, self._looked = self._looked, anyio.Event()
        looked.set()

    async def until(self, condition: Callable[[], bool | Awaitable[bool]], within_s: float) -> bool:
        """Whether the condition came true in time. It is asked now and after each look."""
        with anyio.move_on_after(within_s):
            while True:
                answer = condition()
                if answer if isinstance(answer, bool) else await answer:
                    return True
                await self._looked.wait()
        return False

    def _new_world(self) -> list[Happening]:
        try:
            self.world = json.loads(self._world_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return self._narrator.world(self.world, time.time())

    def _new_lines(self) -> list[Happening]:
        found = []
        for path, text in self._logs.lines():
            pod = path.parent.name.partition("_")[2]
            line = parse(text, pod)
            if line is not None:
                self.lines.append(line)
                found.append(line)
        told = [self._narrator.log_line(line) for line in sorted(found, key=_order)]
        return [happening for happening in told if happening is not None]

    def _new_records(self) -> list[Happening]:
        told = []
        for _, text in self._files.lines():
            try:
                record = decode(text)
            except ValueError:
                self.unreadable += bool(text.strip())
                continue
            self.histories.setdefault(record.app, []).append(record)
            happening = self._narrator.record(record)
            if happening is not None:
                told.append(happening)
        return told


def _order(line: Line) -> tuple[float, bool]:
    """By time; of lines in the same millisecond, the controller's before those of the sidecars that follow it."""
    return line.ts, isinstance(line, Routed)
