"""Options of TCP sockets: no delay for small messages, and a dead peer that is noticed."""

from __future__ import annotations

import asyncio
import socket
from typing import Final, Protocol

BUFFER_BYTES_MAX: Final = 64 * 1024
"""What a transport may hold unsent before the other side is paused, and what a client may send while it is held."""
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000))
"""A main whose node vanished sends no FIN, nor does an API server's: noticed after 30 s, whatever else happens. Linux
names; seconds, but for the last one."""


class HasOptions(Protocol):
    """A socket, or what uvloop gives for one."""

    def setsockopt(self, level: int, name: int, value: int, /) -> None:
        """As socket.socket.setsockopt."""


def tune(transport: asyncio.Transport) -> None:
    """Prepare one side of a proxied connection."""
    transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
    raw = transport.get_extra_info("socket")
    if raw is not None:
        keep_alive(raw)


def keep_alive(raw: HasOptions) -> None:
    """No delay, keepalive and user timeout."""
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            raw.setsockopt(socket.IPPROTO_TCP, option, value)
