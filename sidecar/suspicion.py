"""Upstreams that refused or closed: new connections to one wait until the API server was asked about it (P-C4).

The rule asks only without proof of freshness for 30 s. Here every such upstream is asked about: a quiet watch brings a
bookmark a minute at best, so half of the time there would be no proof anyway, and a watch that hangs looks as fresh as
one that is quiet. In a failover the cut usually comes before the question is due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from sidecar.core.route import SUSPECT_S


class Suspicion:
    """Which addresses are suspect, and until when new connections wait for an answer."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.until: dict[str, float] = {}  # an entry that has expired was never answered
        self._wake = wake
        self._raised = asyncio.Event()

    def suspect(self, address: str) -> None:
        """An upstream refused or closed."""
        if address not in self.until:
            self.until[address] = time.monotonic() + SUSPECT_S
            self._raised.set()

    def clear(self) -> None:
        """A document that changes the main was the answer."""
        self.until.clear()

    def heard(self) -> None:
        """A word of the API server came after all: what nobody had answered may be asked again, or dialled."""
        now = time.monotonic()
        late = [address for address, until in self.until.items() if until <= now]
        for address in late:
            del self.until[address]
        if late:
            self._wake()

    async def raised(self) -> Callable[[], None]:
        """Wait for a suspicion. Call what is returned once the API server has answered."""
        await self._raised.wait()
        self._raised.clear()
        asked = set(self.until)

        def answered() -> None:
            for address in asked:
                self.until.pop(address, None)
            self._wake()

        return answered
