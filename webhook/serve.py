"""Serves the application by TLS with a certificate that exists in memory only. The only file that imports `uvicorn`."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

from sidecar.contract.logs import emit

CONNECTIONS_MAX: Final = 512
"""More reviews than anybody has under way at once; each may hold one body of 8 MB at worst."""
STOP_GRACE_S: Final = 10
ONCE: Final = ("connection", "close")
"""An API server keeps a connection for 90 s. One whose node lost its power says nothing, and the next review would be
sent into it: no answer, and a pod without the sidecar, long after the Service knew better. A handshake costs 2 ms."""

_log = logging.getLogger(__name__)


class PortTaken(Exception):
    """The address can't be bound. The text names it and the next step."""


def bind(address: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet, so that callers are refused rather than left waiting.

    An empty address is every one, IPv4 and IPv6, or IPv4 where the kernel has nothing else. Raises PortTaken.
    """
    every = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"
    family = socket.AF_INET6 if ipaddress.ip_address(address or every).version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6 and not address:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address or every, port))
    except OSError as error:
        listener.close()
        hint = "set MEMGRAPH_HA_WEBHOOK_ADDRESS or MEMGRAPH_HA_WEBHOOK_PORT to a free one, or stop who has it"
        raise PortTaken(f"can't listen on {address or every} port {port}: {error.strerror}; {hint}") from error
    return listener


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: `stop` is called by whoever owns the process."""

    def __init__(self, app: Any, context: ssl.SSLContext) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ssl_context_factory=lambda _config, _default: context,
                http="h11",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                headers=[ONCE],
                limit_concurrency=CONNECTIONS_MAX,
                timeout_graceful_shutdown=STOP_GRACE_S,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and say where."""
        await super().startup(sockets)
        for listener in sockets or ():
            address, port = listener.getsockname()[:2]
            emit(_log, "Listening", address=address, port=port)

    def stop(self) -> None:
        """Answer what is under way, then end `serve`."""
        self.should_exit = True
