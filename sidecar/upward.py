"""The upstream's side of a connection: a protocol that passes everything on to the client's side."""

from __future__ import annotations

import asyncio
from typing import cast

from sidecar.pump import Connection


class Upward(asyncio.Protocol):
    """The upstream's side of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # Not by a method of ours that passes it on: every buffer comes this way.
        self.data_received = connection.upstream_data  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.upstream_made(cast("asyncio.Transport", transport))

    def eof_received(self) -> bool:
        return self._connection.upstream_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.upstream_gone()

    def pause_writing(self) -> None:
        self._connection.upstream_pause()

    def resume_writing(self) -> None:
        self._connection.upstream_resume()
