"""The sending side of replication: one connection per replica and channel, and the knobs that break it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from sandbox.memgraph.core.messages import (
    Answer,
    Finalize,
    Lost,
    Ping,
    Request,
    answer_from_wire,
    to_wire,
)
from sandbox.memgraph.frames import Frames

CONNECT_TIMEOUT_S: Final = 5.0
STATES: Final = ("ok", "refuse", "blackhole", "delay")


@dataclass(slots=True)
class Fault:
    """What happens to everything sent to a peer. `changed` is set when another fault takes its place."""

    state: str = "ok"
    delay_s: float = 0.0
    changed: anyio.Event = field(default_factory=anyio.Event)


class _Channel:
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.lock = anyio.Lock()
        self._frames: Frames | None = None
        self._answer: asyncio.Future[dict[str, Any]] | None = None

    @property
    def connected(self) -> bool:
        return self._frames is not None

    async def connect(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        _, self._frames = await asyncio.get_running_loop().create_connection(
            lambda: Frames(self._received, self._lost), host, int(port)
        )

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._frames is None:
            raise ConnectionError("closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._frames.send(request)
        return await self._answer

    def _received(self, frames: Frames, frame: dict[str, Any]) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(frame)

    def _lost(self, frames: Frames) -> None:
        if frames is self._frames:
            self.close()

    def close(self) -> None:
        frames, self._frames = self._frames, None
        if frames is not None:
            frames.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("closed"))


class Link:
    """Calls replicas. `lose_finalizes`: so many commit decisions are thrown away instead of being sent."""

    def __init__(self) -> None:
        self.lose_finalizes = 0
        self._faults: dict[str, Fault] = {"*": Fault()}
        self._channels: dict[tuple[str, bool], _Channel] = {}

    def set_fault(self, peer: str, state: str, delay_s: float) -> None:
        """Change what happens to a peer (`*`: to all, forgetting what was set for single ones)."""
        changed = list(self._faults.values()) if peer == "*" else [self._fault(peer)]
        if peer == "*":
            self._faults.clear()
        self._faults[peer] = Fault(state, delay_s)
        for fault in changed:
            fault.changed.set()
        if state == "refuse":
            for address in {address for address, _ in self._channels if peer in ("*", address)}:
                self.forget(address)

    def _fault(self, address: str) -> Fault:
        return self._faults.get(address) or self._faults["*"]

    def forget(self, address: str) -> None:
        """Close the connections to a peer; calls in flight are lost."""
        for ping in (True, False):
            channel = self._channels.pop((address, ping), None)
            if channel is not None:
                channel.close()

    async def call(self, address: str, request: Request, timeout_s: float) -> Answer | Lost:
        """One RPC. Never raises for what a network or a peer can do."""
        if isinstance(request, Finalize) and request.decision and self.lose_finalizes > 0:
            self.lose_finalizes -= 1
            return Lost()
        channel = self._channels.setdefault((address, isinstance(request, Ping)), _Channel())
        try:
            with anyio.fail_after(timeout_s + CONNECT_TIMEOUT_S):
                async with channel.lock:
                    return await self._call(channel, address, request, timeout_s)
        except TimeoutError:
            channel.close()
            return Lost(timed_out=True)
        except (OSError, ValueError):
            channel.close()
            return Lost()
        except asyncio.CancelledError:
            channel.close()  # its answer must not be taken for the next one's
            raise

    async def _call(self, channel: _Channel, address: str, request: Request, timeout_s: float) -> Answer:
        if not channel.connected:
            with anyio.fail_after(CONNECT_TIMEOUT_S):
                await self._pass(address)
                await channel.connect(address)
        with anyio.fail_after(timeout_s):
            await self._pass(address)
            return answer_from_wire(await channel.ask(to_wire(request)))

    async def _pass(self, address: str) -> None:
        """Suffer the peer's fault. A black hole that ends lets through what still waits, as TCP would."""
        while (fault := self._fault(address)).state == "blackhole":
            await fault.changed.wait()
        if fault.state == "refuse":
            raise ConnectionRefusedError(address)
        if fault.state == "delay":
            await anyio.sleep(fault.delay_s)

    def close(self) -> None:
        """Close every connection."""
        for address in {address for address, _ in self._channels}:
            self.forget(address)
