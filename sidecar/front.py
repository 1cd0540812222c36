"""Where clients come in, and which published addresses lead there."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from sidecar import listen
from sidecar.contract import names
from sidecar.contract.logs import emit
from sidecar.contract.state import Document
from sidecar.core.itself import Listener, leads_home
from sidecar.core.route import Port

logger = logging.getLogger(__name__)


class Front:
    """The listeners for clients."""

    def __init__(self, make: Callable[[Port], asyncio.Protocol]) -> None:
        self.itself: frozenset[str] = frozenset()
        """Addresses of the last document looked at that lead back here."""
        self._make = make
        self._ports: dict[Port, int] = {}
        self._bound: list[Listener] = []
        self._servers: list[asyncio.Server] = []

    @property
    def ports(self) -> tuple[int, int]:
        """The read-write and the read port; 0 before they are open."""
        return self._ports.get(Port.READ_WRITE, 0), self._ports.get(Port.READ, 0)

    @property
    def listening(self) -> bool:
        """Whether clients are accepted."""
        return bool(self._servers)

    async def open(self, port: Port, sockets: list[socket.socket]) -> None:
        """Accept clients of `port` from now on."""
        loop = asyncio.get_running_loop()
        self._bound += [one.getsockname()[:2] for one in sockets]
        self._ports[port] = sockets[0].getsockname()[1]
        for one in sockets:
            server = await loop.create_server(lambda: self._make(port), sock=one, backlog=listen.BACKLOG)
            self._servers.append(server)

    def close(self) -> None:
        """Accept nobody any more; connections live on."""
        for server in self._servers:
            server.close()
        self._servers = []

    def look_for_itself(self, document: Document) -> None:
        """An address that leads back here would be dialled for ever, by the connections that its dials make."""
        addresses = {document.main_address, *document.read_addresses}
        found = frozenset(a for a in addresses if leads_home(a, self._bound, listen.is_own))
        for address in found - self.itself:
            message = (
                f"the document publishes {address}, which is this sidecar itself, and is not dialled: keep sidecars "
                f"out of Memgraph's pods (label {names.INJECT_LABEL}: {names.INJECT_DISABLED}), and loopback addresses "
                "out of the document"
            )
            emit(logger, "UpstreamIsItself", logging.ERROR, address=address, message=message)
        self.itself = found
