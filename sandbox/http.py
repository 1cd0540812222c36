"""HTTPS with JSON bodies, for the parts of the sandbox that are clients (the only file that imports aiohttp)."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import aiohttp
import anyio
import anyio.lowlevel

LINE_BYTES_MAX: Final = 4 << 20
"""A watch event is one line; the API server takes no object above 3 MiB."""


class Unreachable(Exception):
    """No answer: refused, reset, timed out, or TLS failed. Whether the request was carried out is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and the decoded body ({} if it was no JSON object)."""

    code: int
    body: dict[str, Any]


class Http:
    """A connection pool. Use as an async context manager."""

    def __init__(self, tls: ssl.SSLContext | None = None, headers: Mapping[str, str] | None = None) -> None:
        self._tls = tls
        self._headers = dict(headers or {})
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Http:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls if self._tls is not None else True)
        self._session = aiohttp.ClientSession(
            connector=connector, headers=self._headers, read_bufsize=LINE_BYTES_MAX, trust_env=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            with anyio.CancelScope(shield=True):
                await self._session.close()
                # Closed transports say good-bye in the loop's next turn.
                await anyio.lowlevel.checkpoint()

    async def ask(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> Answer:
        """One request and its whole answer. Raises Unreachable."""
        assert self._session is not None
        payload = None if body is None else json.dumps(body)
        try:
            async with self._session.request(
                method,
                url,
                data=payload,
                headers={"Content-Type": "application/json", **(headers or {})},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                ssl=tls if tls is not None else True if self._tls is None else self._tls,
                server_hostname=server_name,
            ) as response:
                return Answer(response.status, _object(await response.read()))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(f"{method} {url}: {error or type(error).__name__}") from error

    @asynccontextmanager
    async def lines(self, url: str, *, silence_s: float) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """A long answer, line by line. Raises Unreachable, also after `silence_s` without a byte."""
        assert self._session is not None
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=silence_s)
        try:
            async with self._session.get(url, timeout=timeout) as response:
                try:
                    yield response.status, aiter(response.content)
                finally:
                    # Closing a stream that has not ended only begins TLS' good-bye, which nobody waits for.
                    if response.connection is not None and response.connection.transport is not None:
                        response.connection.transport.abort()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unreachable(f"GET {url}: {error or type(error).__name__}") from error


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
