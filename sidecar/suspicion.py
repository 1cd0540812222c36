"""Questions to the API server beside the watch: about upstreams that refused or closed, and about late answers.

New connections to an upstream that refused or closed wait until the API server was asked about it (P-C4).

The rule asks only without proof of freshness for 30 s. Here every such upstream is asked about: a quiet watch brings a
bookmark a minute at best, so half of the time there would be no proof anyway, and a watch that hangs looks as fresh as
one that is quiet. In a failover the cut usually comes before the question is due.

A connection whose acknowledgement took long waits for an answer that was asked for after it came (P-C6).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from sidecar.core.route import SUSPECT_S


class Doubtful(Protocol):
    """Who waits for the API server's word."""

    @property
    def confirming(self) -> bool:
        """Whether it still does."""

    def confirmed(self) -> None:
        """It came, and nothing has changed."""


class Question:
    """What one question to the API server is to settle."""

    def __init__(self, suspicion: Suspicion, addresses: set[str], doubtful: set[Doubtful]) -> None:
        self._suspicion = suspicion
        self._addresses = addresses
        self._doubtful = doubtful

    @property
    def open(self) -> bool:
        """Whether somebody still waits for it."""
        return bool(self._suspicion.until) or any(one.confirming for one in self._doubtful)

    def answered(self, *, sure: bool) -> None:
        """It was answered, and acted upon. `sure`: by a document that counts; without one, nobody is confirmed."""
        for one in self._doubtful if sure else ():
            one.confirmed()
        self._suspicion.settle(self._addresses)
        if not sure:
            self.again()

    def again(self) -> None:
        """It was not: who still waits for a word is asked about once more."""
        for one in self._doubtful:
            if one.confirming:
                self._suspicion.confirm(one)


class Suspicion:
    """Which addresses are suspect, and until when new connections wait for an answer."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.until: dict[str, float] = {}  # an entry that has expired was never answered
        self._wake = wake
        self._doubtful: set[Doubtful] = set()
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

    def confirm(self, one: Doubtful) -> None:
        """Ask whether nothing has changed, for its sake."""
        self._doubtful.add(one)
        self._raised.set()

    async def raised(self) -> Question:
        """Wait until there is something to ask."""
        await self._raised.wait()
        self._raised.clear()
        doubtful, self._doubtful = self._doubtful, set()
        return Question(self, set(self.until), doubtful)

    def settle(self, addresses: set[str]) -> None:
        """These were asked about, and the answer was acted upon."""
        for address in addresses:
            self.until.pop(address, None)
        self._wake()
