"""The disk as procedures see it: the journal, and the knob that stalls it."""

from __future__ import annotations

import anyio

from sandbox.memgraph.core.storage.durability import Record
from sandbox.memgraph.journal import Journal


class Disk:
    """Writes records in order. While stalled, whoever needs something written waits; the process goes on."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._goes_on: anyio.Event | None = None

    def stall(self) -> None:
        """From now on nothing is written."""
        if self._goes_on is None:
            self._goes_on = anyio.Event()

    def go_on(self) -> None:
        """What waits is written."""
        if self._goes_on is not None:
            self._goes_on.set()
            self._goes_on = None

    @property
    def stalled(self) -> bool:
        """Whether a write would wait."""
        return self._goes_on is not None

    async def ready(self) -> None:
        """Wait until the disk isn't stalled."""
        while self._goes_on is not None:
            await self._goes_on.wait()

    def write(self, records: list[Record]) -> None:
        """Write; only when not stalled."""
        self.journal.write(records)
