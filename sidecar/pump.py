"""One client connection and its upstream: sockets, timers and nothing decided.

Bytes move in protocol callbacks (an anyio stream costs three times the CPU per round trip). Each side's backpressure
pauses the other side's reading, so a connection buffers at most its two transports' write buffers.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol, cast

from sidecar.contract.state import CutKind
from sidecar.core.route import Port, Tag, Upstream
from sidecar.core.session import Ending, Session

BUFFER_BYTES_MAX: Final = 64 * 1024
"""What a transport may hold unsent before the other side is paused, and what a client may send while it is held."""
LINGER_S: Final = 1.0
"""After our FIN we read on for so long: closing over unread bytes would send a RST, which eats our last answer."""
REFUSE_S: Final = 5.0
"""For a client to send its first request after we answered its handshake only to refuse."""
AWAIT_S: Final = 20.0
"""For a client in an open transaction to send the request that our FAILURE answers."""
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000))
"""A main whose node vanished sends no FIN: noticed after 30 s even if the document never changes. Linux names."""


class Stage(Enum):
    """Where a connection is in its life."""

    HELD = "held"
    DIALLING = "dialling"
    PUMPING = "pumping"
    DRAINING = "draining"
    """Cut; the answer under way may still come."""
    REFUSING = "refusing"
    """There is no upstream and will be none; the next request is answered by a FAILURE."""
    ENDED = "ended"


class Hub(Protocol):
    """What a connection tells its proxy."""

    def opened(self, connection: Connection) -> None:
        """A client is here and wants an upstream."""

    def dialled(self, connection: Connection, upstream: asyncio.Transport) -> None:
        """The dial under way succeeded."""

    def upstream_lost(self, connection: Connection) -> None:
        """The upstream closed without having been asked to."""

    def rewrote(self, connection: Connection) -> None:
        """The upstream said that it is not the main."""

    def detached(self, connection: Connection) -> None:
        """Its upstream is gone for good."""

    def closed(self, connection: Connection) -> None:
        """The client is gone."""


class Connection(asyncio.Protocol):
    """The client's side; `Upward` is the other one."""

    def __init__(self, hub: Hub, port: Port, since: float) -> None:
        self.port = port
        self.since = since
        self.stage = Stage.HELD
        self.session = Session()
        self.target: Upstream | None = None
        self.dials_failed = 0
        self.failed_at = 0.0
        self.failed: frozenset[str] = frozenset()
        self.cancel_dial: Callable[[], None] | None = None
        self._hub = hub
        self._client: asyncio.Transport | None = None
        self._upstream: asyncio.Transport | None = None
        self._buffer = b""
        self._client_eof = False
        self._timer: asyncio.TimerHandle | None = None
        self._message = ""

    @property
    def tag(self) -> Tag | None:
        """What the connection was routed under."""
        return self.target.tag if self.target else None

    # ---- from the client ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = cast("asyncio.Transport", transport)  # uvloop's has another base
        tune(self._client)
        self._hub.opened(self)

    def data_received(self, data: bytes) -> None:
        match self.stage:
            case Stage.PUMPING:
                self.session.requests(data)
                if self._upstream is not None:
                    self._upstream.write(data)
            case Stage.HELD | Stage.DIALLING:
                self.session.requests(data)
                self._buffer += data
                if len(self._buffer) > BUFFER_BYTES_MAX:
                    self._pause(self._client)
            case Stage.REFUSING:
                self._answer_refused(data)

    def eof_received(self) -> bool:
        self._client_eof = True
        if self.stage is Stage.PUMPING and self._upstream is not None and self._upstream.can_write_eof():
            self._upstream.write_eof()
            return True
        return self.stage is Stage.DRAINING

    def connection_lost(self, exc: Exception | None) -> None:
        self._client = None
        self._clear_timer()
        self._drop_upstream(flush=self.stage is Stage.PUMPING)
        self.stage = Stage.ENDED
        self._hub.closed(self)

    def pause_writing(self) -> None:
        self._pause(self._upstream)

    def resume_writing(self) -> None:
        self._resume(self._upstream)

    # ---- from the proxy ----------------------------------------------------------------------------------------

    def hold(self, seconds: float, then: Callable[[], None]) -> None:
        """Wait; `then` is called after `seconds` unless something else happens first."""
        self.stage = Stage.HELD
        self._set_timer(seconds, then)

    def dialling(self, target: Upstream) -> None:
        """A dial of `target` is under way."""
        self._clear_timer()
        self.stage = Stage.DIALLING
        self.target = target

    def dial_failed(self, now: float) -> None:
        """It failed."""
        assert self.target is not None
        self.dials_failed += 1
        self.failed_at = now
        self.failed |= {self.target.address}
        self.target = None
        self.stage = Stage.HELD

    def attach(self, upstream: asyncio.Transport) -> None:
        """Pump from now on."""
        self._clear_timer()
        tune(upstream)
        self._upstream = upstream
        self.cancel_dial = None
        self.stage = Stage.PUMPING
        self._resume(self._client)
        if self._buffer:
            upstream.write(self._buffer)
            self._buffer = b""
        if self._client_eof and upstream.can_write_eof():
            upstream.write_eof()

    def cut(self, kind: CutKind, grace_s: float) -> bool:
        """The route has changed. Whether an upstream was (or, in a grace period, will be) taken from this client."""
        if self.stage is Stage.DRAINING and kind is CutKind.FAILOVER:
            self._finish()
        if self.stage is not Stage.PUMPING:
            return False
        ending, last = self.session.cut(kind)
        if ending is Ending.DRAIN:
            self.stage = Stage.DRAINING
            self._set_timer(grace_s, self._finish)
        else:
            self._end(ending, last)
        return True

    def refuse(self, message: str, last_version: tuple[int, int] | None) -> None:
        """No upstream will be found: say so in Bolt if the client speaks it, and close."""
        answer = self.session.refuse_start(last_version)
        if answer is None or self._client is None:
            self._finish()
            return
        self._client.write(answer)
        self._message = message
        self._await_request(REFUSE_S)
        self._answer_refused(b"")

    def close(self) -> None:
        """End it now, whatever is under way."""
        self._finish()

    # ---- from the upstream -------------------------------------------------------------------------------------

    def upstream_made(self, transport: asyncio.Transport) -> None:
        """The dial succeeded."""
        self._hub.dialled(self, transport)

    def upstream_data(self, data: bytes) -> None:
        """The upstream sent `data`."""
        if self.stage not in (Stage.PUMPING, Stage.DRAINING) or self._client is None:
            return
        forward, ending = self.session.answers(data)
        rewrote = self.session.rewrites and ending is not None
        if ending is None:
            if forward:
                self._client.write(forward)
            return
        self._end(ending, forward)
        if rewrote:
            self._hub.rewrote(self)

    def upstream_eof(self) -> bool:
        """The upstream will send no more. Whether it is to stay open for what the client still sends."""
        if self.stage is Stage.PUMPING and self.session.raw and self._client is not None and not self._client_eof:
            self._client.write_eof()
            return True
        self.upstream_gone()
        return False

    def upstream_gone(self) -> None:
        """The upstream closed."""
        if self.stage not in (Stage.PUMPING, Stage.DRAINING):
            return
        asked = self._client_eof or self.session.farewell or self.stage is Stage.DRAINING
        if self.stage is Stage.PUMPING:
            self._end(*self.session.cut(CutKind.FAILOVER))
        else:
            self._finish()
        if not asked:
            self._hub.upstream_lost(self)

    def upstream_pause(self) -> None:
        """The upstream takes no more for now."""
        self._pause(self._client)

    def upstream_resume(self) -> None:
        """It does again."""
        self._resume(self._client)

    # ---- ends --------------------------------------------------------------------------------------------------

    def _end(self, ending: Ending, last: bytes) -> None:
        if ending is Ending.AWAIT:
            if last and self._client is not None:
                self._client.write(last)
            self._await_request(AWAIT_S)
            self._drop_upstream(flush=False)
            self._resume(self._client)
        else:
            self._finish(last)

    def _await_request(self, seconds: float) -> None:
        self.stage = Stage.REFUSING
        self._set_timer(seconds, self._finish)

    def _answer_refused(self, data: bytes) -> None:
        answer = self.session.refuse(data, self._message) if self._message else self.session.refuse(data)
        if answer is not None:
            self._finish(answer)

    def _finish(self, last: bytes = b"") -> None:
        """Send `last` and a FIN, then read on for a moment."""
        self._clear_timer()
        ended, self.stage = self.stage is Stage.ENDED, Stage.ENDED
        self._drop_upstream(flush=False)
        if ended or self._client is None:
            return
        if last:
            self._client.write(last)
        if self._client_eof or self._client.is_closing():
            self._client.close()
            return
        self._client.write_eof()
        self._resume(self._client)
        self._set_timer(LINGER_S, self._client.abort)

    def _drop_upstream(self, *, flush: bool) -> None:
        if self.cancel_dial is not None:
            self.cancel_dial()
            self.cancel_dial = None
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            if flush:
                upstream.close()
            else:
                upstream.abort()
        if upstream is not None:
            self._hub.detached(self)

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._clear_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pause(self, transport: asyncio.Transport | None) -> None:
        if transport is not None and not transport.is_closing():
            transport.pause_reading()

    def _resume(self, transport: asyncio.Transport | None) -> None:
        if transport is not None and not transport.is_closing():
            transport.resume_reading()


class Upward(asyncio.Protocol):
    """The upstream's side of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.upstream_made(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        self._connection.upstream_data(data)

    def eof_received(self) -> bool:
        return self._connection.upstream_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.upstream_gone()

    def pause_writing(self) -> None:
        self._connection.upstream_pause()

    def resume_writing(self) -> None:
        self._connection.upstream_resume()


def tune(transport: asyncio.Transport) -> None:
    """No delay for small messages, a bounded buffer, and a dead peer that is noticed."""
    transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
    raw = transport.get_extra_info("socket")
    if raw is None:
        return
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            raw.setsockopt(socket.IPPROTO_TCP, option, value)
