"""Clients that are cut off: what they send waits, and nobody hears of it."""

from __future__ import annotations

from typing import Final

import anyio

STATES: Final = ("ok", "blackhole")


class Clients:
    """Which clients, by the name they give in HELLO, can't reach this instance now.

    A partition as TCP sees it that heals before TCP gives up: nothing is refused, and what was sent meanwhile arrives
    late. Only the handshake and HELLO still pass, since nobody knows before who asks.
    """

    def __init__(self) -> None:
        self._cut: set[str] = set()
        self._changed = anyio.Event()

    def set_fault(self, name: str, state: str) -> None:
        """From now on; `name` is the beginning of a user agent."""
        if state == "ok":
            self._cut.discard(name)
        else:
            self._cut.add(name)
        self._changed.set()
        self._changed = anyio.Event()

    async def reached_by(self, client: str) -> None:
        """Return when nothing is between this client and us."""
        while client.startswith(tuple(self._cut)):
            await self._changed.wait()
