"""One HTTP answer of the API server as it comes in, and what went wrong with it in one word: Unreachable."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

import anyio
import h11
from anyio.streams.tls import TLSStream

BODY_BYTES_MAX: Final = 4 << 20
"""A ConfigMap has at most 1 MiB of data; JSON escapes and managed fields come on top."""
RECEIVE_BYTES: Final = 16 * 1024


class Unreachable(Exception):
    """The API server did not answer, or not in HTTP. Nothing is known about what it holds."""


class Answer:
    """One HTTP answer as it comes in: its status, then its body in whole or by lines."""

    def __init__(self, stream: TLSStream) -> None:
        self.status = 0
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT)
        self._lines: deque[bytes] = deque()
        self._rest = b""

    async def ask(self, path: str, headers: list[tuple[str, str]]) -> None:
        """Send the question and wait for the status."""
        request = h11.Request(method="GET", target=path, headers=headers)
        await self._stream.send((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        event = await self._event()
        while isinstance(event, h11.InformationalResponse):
            event = await self._event()
        if not isinstance(event, h11.Response):
            raise Unreachable("it closed the connection without an answer")
        self.status = event.status_code

    async def body(self) -> bytes:
        """All of the body."""
        whole = b""
        while (part := await self._part()) is not None:
            whole += part
            if len(whole) > BODY_BYTES_MAX:
                raise Unreachable("its answer is longer than any ConfigMap")
        return whole

    async def line(self) -> bytes | None:
        """The next line of the body; None: it has ended."""
        while not self._lines:
            part = await self._part()
            if part is None:
                return None
            *lines, self._rest = (self._rest + part).split(b"\n")
            if len(self._rest) > BODY_BYTES_MAX:
                raise Unreachable("a line of its watch is longer than any ConfigMap")
            self._lines.extend(line for line in lines if line.strip())
        return self._lines.popleft()

    async def _part(self) -> bytes | None:
        event = await self._event()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return cast("h11.Event | type[h11.PAUSED]", event)
            try:
                self._http.receive_data(await self._stream.receive(RECEIVE_BYTES))
            except anyio.EndOfStream:
                self._http.receive_data(b"")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the errors of sockets, TLS and HTTP into Unreachable, with the usual cause where there is one."""
    try:
        yield
    except TimeoutError:
        raise Unreachable(f"{what} did not come in time") from None
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(f"its certificate is not accepted ({error.verify_message}); check ca.crt") from None
    except (OSError, ssl.SSLError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream) as error:
        raise Unreachable(f"{what}: {error or type(error).__name__}") from None
    except h11.RemoteProtocolError as error:
        raise Unreachable(f"{what} is no HTTP: {error}") from None
