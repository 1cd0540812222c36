"""Who reaches whom, how fast, and which processes stand still.

Endpoints are names: `c-0` a controller, `m-0` a Memgraph instance, `s-0` a client pod (app and sidecar), `api` the API
server. A direction that is blocked swallows what is sent; nobody is told.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import trio


class Network:
    """Latencies and blocked directions, both drawn from one seeded generator."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._blocked: dict[tuple[str, str], int] = {}
        self._stopped: dict[str, trio.Event] = {}
        self._changed = trio.Event()

    def latency(self) -> float:
        """One way, in seconds: mostly well under a millisecond, sometimes ten times that."""
        return self._rng.uniform(0.0001, 0.0006) * (10 if self._rng.random() < 0.02 else 1)

    def passes(self, source: str, target: str) -> bool:
        """Whether what `source` sends arrives at `target`."""
        return (source, target) not in self._blocked

    def connects(self, source: str, target: str) -> bool:
        """Whether a connection between them can be made."""
        return self.passes(source, target) and self.passes(target, source)

    def block(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Block these directions; each must be unblocked as often."""
        for pair in pairs:
            self._blocked[pair] = self._blocked.get(pair, 0) + 1

    def unblock(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Undo one `block`."""
        for pair in pairs:
            left = self._blocked.get(pair, 0) - 1
            if left > 0:
                self._blocked[pair] = left
            else:
                self._blocked.pop(pair, None)
        self._announce()

    async def connected(self, source: str, target: str) -> None:
        """Wait until a connection between them can be made."""
        while not self.connects(source, target):
            await self._changed.wait()

    def stop(self, name: str) -> None:
        """SIGSTOP: what this process does next waits."""
        self._stopped.setdefault(name, trio.Event())

    def resume(self, name: str) -> None:
        """SIGCONT."""
        event = self._stopped.pop(name, None)
        if event is not None:
            event.set()

    def stall_watches(self, who: str) -> None:
        """The connections that `who`'s watches use hang: news waits, and nobody notices. Other calls go through."""
        self.stop(_watches(who))

    def resume_watches(self, who: str) -> None:
        """They move again, and what waited arrives."""
        self.resume(_watches(who))

    async def watching(self, who: str) -> None:
        """Wait until news may reach this process, and it may go on."""
        await self.running(_watches(who))
        await self.running(who)

    def stopped(self, name: str) -> bool:
        """Whether this process stands still."""
        return name in self._stopped

    async def running(self, name: str) -> None:
        """Wait until this process may go on."""
        while name in self._stopped:
            await self._stopped[name].wait()

    def _announce(self) -> None:
        event, self._changed = self._changed, trio.Event()
        event.set()


def _watches(who: str) -> str:
    return f"watches of {who}"


def both(a: str, b: str) -> list[tuple[str, str]]:
    """Both directions between two endpoints."""
    return [(a, b), (b, a)]
