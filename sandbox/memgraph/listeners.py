"""The replication listener of a replica, and the knob that makes it hang."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from sandbox.memgraph.core.messages import Answer, Request, request_from_wire, to_wire
from sandbox.memgraph.frames import Frames

MOMENTS: Final = ("before", "after")


@dataclass(slots=True)
class Hang:
    """The next `times` RPCs of a kind (`*`: any) get stuck before or after they are executed, until `released`.

    What is stuck before is executed after all then, even if nobody waits for the answer any more.
    """

    kind: str = "*"
    moment: str = "before"
    times: int = 0
    released: anyio.Event = field(default_factory=anyio.Event)

    async def suffer(self, kind: str, moment: str) -> None:
        """Get stuck if this is the moment."""
        if self.times > 0 and moment == self.moment and self.kind in ("*", kind):
            self.times -= 1
            await self.released.wait()


class ReplicationListener:
    """Opens and closes with the role. `receive` handles one RPC; an RPC that is none closes its connection."""

    def __init__(self, host: str, receive: Callable[[Request], Awaitable[Answer]], tasks: TaskGroup) -> None:
        self._host = host
        self._receive = receive
        self._tasks = tasks
        self._server: asyncio.Server | None = None
        self._connections: set[Frames] = set()
        self._hang = Hang()

    def hang(self, kind: str, moment: str, times: int) -> None:
        """Let what is stuck go on, and make other RPCs hang."""
        self._hang.released.set()
        self._hang = Hang(kind, moment, times)

    async def open(self, port: int) -> bool:
        """Bind; False if that isn't possible."""
        try:
            self._server = await asyncio.get_running_loop().create_server(self._connection, self._host, port)
        except OSError:
            return False
        return True

    def _connection(self) -> Frames:
        frames = Frames(self._received, lambda ended, _: self._connections.discard(ended))
        self._connections.add(frames)
        return frames

    def _received(self, frames: Frames, frame: dict[str, Any]) -> None:
        self._tasks.start_soon(self._handle, frames, request_from_wire(frame))

    async def _handle(self, frames: Frames, request: Request) -> None:
        hang = self._hang
        await hang.suffer(request.KIND, "before")
        try:
            answer = await self._receive(request)
        except (ValueError, TypeError, KeyError):  # a snapshot that is none
            frames.close()
            return
        await hang.suffer(request.KIND, "after")
        frames.send(to_wire(answer))

    async def close(self) -> None:
        """Stop listening and close every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for frames in list(self._connections):
            frames.close()
        self._connections.clear()
