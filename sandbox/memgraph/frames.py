"""Frames of the replication link: four bytes of length (big endian), then a JSON object.

This is the simulator's own protocol: a real Memgraph speaks a binary one (SLK) that nothing else needs to understand.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, cast

FRAME_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of one frame; a snapshot of a sandbox's data is far below."""


class Frames(asyncio.Protocol):
    """Cuts a TCP stream into frames. A malformed one closes the connection."""

    def __init__(
        self,
        received: Callable[[Frames, dict[str, Any]], None],
        closed: Callable[[Frames, Exception | None], None] = lambda *_: None,
    ) -> None:
        self._received = received
        self._closed = closed
        self._buffer = bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""

        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._buffer += data
        while len(self._buffer) >= 4 and self.transport is not None:
            size = int.from_bytes(self._buffer[:4], "big")
            if size > FRAME_LIMIT:
                self.close()
                return
            if len(self._buffer) < 4 + size:
                return
            body = bytes(self._buffer[4 : 4 + size])
            del self._buffer[: 4 + size]
            try:
                frame = json.loads(body)
                if not isinstance(frame, dict):
                    raise ValueError("a frame is an object")
                self._received(self, frame)
            except ValueError:
                self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self.transport = None
        self._closed(self, exc)

    def send(self, frame: dict[str, Any]) -> None:
        """Send one frame; without effect once the connection is gone."""
        if self.transport is not None:
            body = json.dumps(frame, separators=(",", ":")).encode()
            self.transport.write(len(body).to_bytes(4, "big") + body)

    def close(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()
            self.transport = None
