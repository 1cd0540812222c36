"""One client connection through the sidecar's real pump, in memory: what goes in on each side, and what comes out.

The transports are asyncio's but for the sockets, and timers run out when the test says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any, Final, cast

from sidecar.bolt.failure import Kind
from sidecar.contract.env import CutMode, Rewrite
from sidecar.contract.state import CutKind, Phase
from sidecar.core.confirm import Word
from sidecar.core.route import Port, Tag, Upstream
from sidecar.pump import Connection
from sidecar.upward import Upward

GRACE_S: Final = 2.0
_TARGET: Final = Upstream("127.0.0.1:7687", Tag(1, Phase.SERVING, "uid", "127.0.0.1:7687"))


class Timers:
    """As much of a loop as a connection needs: it asks for one timer at a time."""

    def __init__(self) -> None:
        self.waiting: list[tuple[asyncio.TimerHandle, Callable[[], object]]] = []
        self._loop = cast("asyncio.AbstractEventLoop", self)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(delay, callback, args, self._loop, context)
        self.waiting.append((handle, partial(callback, *args)))
        return handle

    def within(self, call: Callable[..., Any], *arguments: object) -> Any:
        """Call it as this loop would. asyncio exports the function for the authors of loops, in spite of its name."""
        asyncio._set_running_loop(self._loop)
        try:
            return call(*arguments)
        finally:
            asyncio._set_running_loop(None)

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.waiting = [(other, then) for other, then in self.waiting if other is not handle]


class Wire(asyncio.Transport):
    """What a connection did to one of its sockets."""

    def __init__(self) -> None:
        super().__init__()
        self.got = bytearray()
        self.eof = False  # after a FIN, too
        self.gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.eof, "a write after the FIN"
        if not self.gone:
            self.got += data

    def write_eof(self) -> None:
        self.eof = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.eof = self.gone = True

    def abort(self) -> None:
        self.eof = self.gone = True

    def is_closing(self) -> bool:
        return self.gone

    def pause_reading(self) -> None:
        """Nothing waits here to be read."""

    def resume_reading(self) -> None:
        """See pause_reading."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 7687) if name == "sockname" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever full here."""


class Link:
    """A client, the sidecar's connection, and (once attached) an upstream. `table` answers each ROUTE, if given.

    With `doubts` every acknowledgement counts as one that took long, and waits until the test confirms it.
    """

    def __init__(
        self, *, table: bytes | None = None, rewrite: Rewrite = Rewrite.FAILOVER, doubts: bool = False
    ) -> None:
        self.rewrite = rewrite
        self.confirm_after_s = 0.0 if doubts else 3600.0
        self.current = True  # the upstream is the one that the document names
        self.asked = 0  # how often the API server's word was asked for
        self.words: list[Word] = []
        self.last_version: tuple[int, int] | None = None
        self._table = table
        self.client = Wire()
        self.upstream: Wire | None = None
        self.lost = 0  # upstreams that went without having been asked to
        self._timers = Timers()
        self.connection = Connection(self, Port.READ_WRITE, 0.0)
        self._up = Upward(self.connection)
        self._closed = False
        self._detached = False
        self._do(self.connection.connection_made, self.client)

    # ---- what happens to it ------------------------------------------------------------------------------------

    def attach(self) -> None:
        """A dial succeeded."""
        self.upstream = Wire()
        self.connection.dialling(_TARGET)
        self._do(self.connection.attach, self.upstream)

    def from_client(self, data: bytes) -> None:
        """The client sent `data`."""
        if not self._closed:
            self._do(self.connection.data_received, data)

    def client_eof(self) -> None:
        """The client sent a FIN."""
        if not self._closed and not self._do(self.connection.eof_received):
            self.client.close()
            self._settle()

    def from_upstream(self, data: bytes) -> None:
        """The upstream sent `data`; what was on its way arrives even after it was dropped."""
        self._do(self._up.data_received, data)

    def upstream_eof(self) -> None:
        """The upstream sent a FIN."""
        if self.upstream is not None and not self._do(self._up.eof_received):
            self.upstream.close()
            self._settle()

    def cut(self, kind: CutKind) -> None:
        """The route changed."""
        self._do(self.connection.cut, kind, CutMode.GRACEFUL, GRACE_S)

    def confirmed(self) -> None:
        """The API server answered what it was asked."""
        self._do(self.connection.confirmed)

    def refuse(self, message: str, last: tuple[int, int] | None) -> None:
        """No upstream will be found."""
        self.last_version = last
        self._do(self.connection.refuse, message)

    def wait(self) -> None:
        """Time passes until the connection's timer runs out, if it has one."""
        if self._timers.waiting:
            _, then = self._timers.waiting.pop()
            assert not self._timers.waiting, "two timers"
            self._do(then)

    def end(self) -> None:
        """The client is gone: nothing stays behind."""
        self.client.close()
        self._settle()
        assert not self._timers.waiting

    # ---- the proxy's side (sidecar.pump.Hub) -------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """Waits until the test attaches an upstream."""

    def dialled(self, connection: Connection, upstream: asyncio.Transport) -> None:
        """The test knows."""

    def upstream_lost(self, connection: Connection) -> None:
        self.lost += 1

    def routes(self, dialled: str, request: bytes) -> bytes | None:
        """What a ROUTE is answered by; None: by the upstream."""
        return self._table

    def rewrote(self, connection: Connection, kind: Kind) -> None:
        """The test sees it in the bytes."""

    def confirm(self, connection: Connection) -> None:
        self.asked += 1

    def is_current(self, connection: Connection) -> bool:
        return self.current

    def was_confirmed(self, connection: Connection, word: Word, took_s: float) -> None:
        self.words.append(word)

    def detached(self, connection: Connection) -> None:
        """The test sees it in the transport."""

    def closed(self, connection: Connection) -> None:
        """Link called it."""

    # ---- the loop ----------------------------------------------------------------------------------------------

    def _do(self, call: Callable[..., Any], *arguments: object) -> Any:
        answer = self._timers.within(call, *arguments)
        self._settle()
        return answer

    def _settle(self) -> None:
        """A transport that was closed says so to its protocol."""
        if self.client.gone and not self._closed:
            self._closed = True
            self._do(self.connection.connection_lost, None)
        if self.upstream is not None and self.upstream.gone and not self._detached:
            self._detached = True
            self._do(self._up.connection_lost, None)
