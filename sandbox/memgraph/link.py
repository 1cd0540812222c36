"""The sending side of replication: one connection per replica, and the knobs that break it."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from sandbox.memgraph.core.messages import Answer, Finalize, Loss, Lost, Request, answer_from_wire, to_wire
from sandbox.memgraph.frames import Frames

CONNECT_TIMEOUT_S: Final = 5.0
STATES: Final = ("ok", "refuse", "blackhole", "delay")


@dataclass(slots=True)
class Fault:
    """What happens to everything sent to a peer. `changed` is set when another fault takes its place."""

    state: str = "ok"
    delay_s: float = 0.0
    changed: anyio.Event = field(default_factory=anyio.Event)


class _Connection:
    """One connection. `closed_by_peer`: it ended with a FIN, which the next use finds out; a RST shows at once."""

    def __init__(self) -> None:
        self._frames: Frames | None = None
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self.closed_by_peer = False
        self.reset = False

    async def open(self, address: str, silence_s: float) -> None:
        host, _, port = address.rpartition(":")
        transport, self._frames = await asyncio.get_running_loop().create_connection(
            lambda: Frames(self._received, self._lost), host, int(port)
        )
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            raw: socket.socket = transport.get_extra_info("socket")
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * silence_s))

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._frames is None or self.closed_by_peer:
            raise ConnectionError("closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._frames.send(request)
        return await self._answer

    def _received(self, frames: Frames, frame: dict[str, Any]) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(frame)

    def _lost(self, frames: Frames, error: Exception | None) -> None:
        self.closed_by_peer, self.reset = True, error is not None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("closed"))

    def close(self) -> None:
        if self._frames is not None:
            self._frames.close()


class Link:
    """Calls replicas. `lose_finalizes`: so many commit decisions are thrown away instead of being sent.

    `silence_s`: after this time a connection breaks whose packets vanish: by a knob, or on a real network.
    """

    def __init__(self, silence_s: float = 5.0) -> None:
        self._silence_s = silence_s
        self.lose_finalizes = 0
        self._faults: dict[str, Fault] = {"*": Fault()}
        self._connections: dict[str, _Connection] = {}

    def set_fault(self, peer: str, state: str, delay_s: float) -> None:
        """Change what happens to a peer (`*`: to all, forgetting what was set for single ones)."""
        changed = list(self._faults.values()) if peer == "*" else [self._fault(peer)]
        if peer == "*":
            self._faults.clear()
        self._faults[peer] = Fault(state, delay_s)
        for fault in changed:
            fault.changed.set()
        if state == "refuse":
            for address in [address for address in self._connections if peer in ("*", address)]:
                self.disconnect(address)

    def _fault(self, address: str) -> Fault:
        return self._faults.get(address) or self._faults["*"]

    def disconnect(self, address: str) -> None:
        """Close the connection to a peer; a call in flight is lost."""
        connection = self._connections.pop(address, None)
        if connection is not None:
            connection.close()

    async def connect(self, address: str) -> bool | Lost:
        """Make sure that there is a connection. One that the peer closed with a FIN passes: only using it tells."""
        connection = self._connections.get(address)
        if connection is not None and not connection.reset:
            return True
        try:
            with anyio.fail_after(CONNECT_TIMEOUT_S):
                await self._pass(address)
                connection = _Connection()
                await connection.open(address, self._silence_s)
        except (OSError, ValueError):
            self._connections.pop(address, None)
            return Lost(Loss.UNREACHABLE)
        self._connections[address] = connection
        return True

    async def call(self, address: str, request: Request, timeout_s: float) -> Answer | Lost:
        """One RPC. Never raises for what a network or a peer can do."""
        if isinstance(request, Finalize) and request.decision and self.lose_finalizes > 0:
            self.lose_finalizes -= 1
            return Lost(Loss.BROKEN)
        connected = await self.connect(address)
        if isinstance(connected, Lost):
            return connected
        connection = self._connections[address]
        try:
            with anyio.fail_after(timeout_s):
                await self._pass(address)
                return answer_from_wire(await connection.ask(to_wire(request)))
        except TimeoutError:
            return self._broken(address, connection, Loss.TIMEOUT)
        except (OSError, ValueError):
            return self._broken(address, connection, Loss.BROKEN)
        except asyncio.CancelledError:
            self._broken(address, connection, Loss.BROKEN)  # its answer must not be taken for the next one's
            raise

    def _broken(self, address: str, connection: _Connection, how: Loss) -> Lost:
        connection.close()
        if self._connections.get(address) is connection:
            del self._connections[address]
        return Lost(how)

    async def _pass(self, address: str) -> None:
        """Suffer the peer's fault. A black hole that ends lets through what still waits, as TCP would."""
        while (fault := self._fault(address)).state == "blackhole":
            with anyio.move_on_after(self._silence_s) as silence:
                await fault.changed.wait()
            if silence.cancelled_caught:
                raise ConnectionError("packets vanish")
        if fault.state == "refuse":
            raise ConnectionRefusedError(address)
        if fault.state == "delay":
            await anyio.sleep(fault.delay_s)

    def close(self) -> None:
        """Close every connection."""
        for address in list(self._connections):
            self.disconnect(address)
