"""An HTTP proxy before the API server that is slow about some requests: it never answers them, or with page after page.

Each connection carries one request: what is asked next, on another connection, is looked at again.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trustme

_GOOD_BYE_S = 5.0
"""TLS waits for the other side's, who may be gone."""


class StallingProxy:
    """`answer`: a request's path and query -> the body to answer at once, "" for none ever, None to forward it."""

    def __init__(self, target: int, trust: ssl.SSLContext, answer: Callable[[str], str | None]) -> None:
        self._target = target
        self._trust = trust
        self._answer = answer
        self.asked: list[str] = []
        """What was not forwarded."""
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            body = self._answer(target)
            if body is None:
                await self._forward(head, reader, writer)
                return
            self.asked.append(target)
            if body:
                length = len(body.encode())
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}".encode())
                await writer.drain()
            else:
                await reader.read()  # until the client gives up
        except (asyncio.IncompleteReadError, OSError):
            pass  # it went away
        finally:
            await _dropped(writer)

    async def ended(self) -> None:
        """Wait until every connection is closed: their clients are gone."""
        while self._connections:
            await asyncio.wait(set(self._connections))

    async def _forward(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, down = await asyncio.open_connection("127.0.0.1", self._target, ssl=self._trust)
        down.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        both = {asyncio.create_task(_pump(reader, down)), asyncio.create_task(_pump(upstream, writer))}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)  # a client that went away ends its watch
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            await _dropped(down)


async def _dropped(writer: asyncio.StreamWriter) -> None:
    """Everything was sent, and it is closed, when this returns."""
    writer.close()
    with suppress(OSError, TimeoutError):
        await asyncio.wait_for(asyncio.shield(writer.wait_closed()), _GOOD_BYE_S)
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def stalling_proxy(
    kubeconfig: Path, answer: Callable[[str], str | None]
) -> AsyncIterator[tuple[StallingProxy, Path]]:
    """A proxy before this kubeconfig's API server, and the kubeconfig that leads through it."""
    config = _read(kubeconfig)
    cluster = config["clusters"][0]["cluster"]
    trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
    proxy = StallingProxy(int(cluster["server"].rpartition(":")[2]), trust, answer)
    authority, own = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(own)
    trusted, through = kubeconfig.with_name("proxy.crt"), kubeconfig.with_name("through-the-proxy")
    authority.cert_pem.write_to_path(str(trusted))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=own)
    async with server:
        port = server.sockets[0].getsockname()[1]
        cluster |= {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(trusted)}
        _write(through, config)
        yield proxy, through
        await proxy.ended()


def _read(kubeconfig: Path) -> Any:
    return json.loads(kubeconfig.read_text())


def _write(kubeconfig: Path, config: Any) -> None:
    kubeconfig.write_text(json.dumps(config))
