"""Dials of upstreams, over TLS where the document says so."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Final

import anyio
import anyio.abc

from sidecar.core.itself import split
from sidecar.core.route import Upstream
from sidecar.hub import Stage
from sidecar.pump import Connection
from sidecar.upward import Upward

DIAL_S: Final = 3.0
"""A pod on the same network answers in milliseconds; the node that vanished never does."""

Failed = Callable[[Connection, Upstream, Exception], None]


class Dialler:
    """Dials in tasks of `tasks`. A failed dial of a connection that still waits for it is told to `failed`."""

    def __init__(self, tasks: anyio.abc.TaskGroup, failed: Failed) -> None:
        self._tasks = tasks
        self._failed = failed
        self._tls: tuple[str, ssl.SSLContext] | None = None

    def dial(self, connection: Connection, target: Upstream) -> None:
        """Begin to dial; the connection's own protocol is told of the success."""
        scope = anyio.CancelScope()
        connection.dialling(target)
        connection.cancel_dial = scope.cancel
        self._tasks.start_soon(self._task, connection, target, scope)

    async def _task(self, connection: Connection, target: Upstream, scope: anyio.CancelScope) -> None:
        with scope:
            try:
                host, port = split(target.address)
                context = self._context(target)
                with anyio.fail_after(DIAL_S):
                    await asyncio.get_running_loop().create_connection(
                        lambda: Upward(connection),
                        host,
                        port,
                        ssl=context,
                        # Without a name, the certificate must be for the address itself.
                        server_hostname=(target.tls_server_name or host) if context else None,
                    )
            except (OSError, ValueError, TypeError) as error:  # address and CA are somebody else's text
                if connection.stage is Stage.DIALLING and connection.target is target:
                    connection.dial_failed(time.monotonic())
                    self._failed(connection, target, error)

    def _context(self, target: Upstream) -> ssl.SSLContext | None:
        """TLS as soon as the document names a CA or a server; without a CA, the system's authorities are trusted."""
        if not target.tls_ca and not target.tls_server_name:
            return None
        if self._tls is None or self._tls[0] != target.tls_ca:
            self._tls = (target.tls_ca, ssl.create_default_context(cadata=target.tls_ca or None))
        return self._tls[1]
