"""The replication listener of a replica."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sandbox.memgraph.core.messages import Answer, Request, request_from_wire, to_wire
from sandbox.memgraph.frames import Frames


class ReplicationListener:
    """Opens and closes with the role. `receive` handles one RPC; an RPC that is none closes its connection."""

    def __init__(self, host: str, receive: Callable[[Request], Answer]) -> None:
        self._host = host
        self._receive = receive
        self._server: asyncio.Server | None = None
        self._connections: set[Frames] = set()

    async def open(self, port: int) -> bool:
        """Bind; False if that isn't possible."""
        try:
            self._server = await asyncio.get_running_loop().create_server(self._connection, self._host, port)
        except OSError:
            return False
        return True

    def _connection(self) -> Frames:
        frames = Frames(self._received, self._connections.discard)
        self._connections.add(frames)
        return frames

    def _received(self, frames: Frames, frame: dict[str, Any]) -> None:
        frames.send(to_wire(self._receive(request_from_wire(frame))))

    async def close(self) -> None:
        """Stop listening and close every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for frames in list(self._connections):
            frames.close()
        self._connections.clear()
