"""One client connection and its upstream: sockets, timers and nothing decided.

Bytes move in protocol callbacks (an anyio stream costs three times the CPU per round trip). Each side's backpressure
pauses the other side's reading, so a connection buffers at most its two transports' write buffers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Final, cast

from sidecar.contract.env import CutMode
from sidecar.contract.state import CutKind
from sidecar.core.confirm import CONFIRM_S, Word, doubtful
from sidecar.core.refusal import Refusal
from sidecar.core.route import Port, Tag, Upstream
from sidecar.core.session import Ending, Session
from sidecar.hub import Hub, Stage
from sidecar.sockets import BUFFER_BYTES_MAX, tune

LINGER_S: Final = 1.0
"""After our FIN we read on for so long: closing over unread bytes would send a RST, which eats our last answer."""
REFUSE_S: Final = 5.0
"""For a client to send its handshake and first request, if they only get a FAILURE."""
AWAIT_S: Final = 20.0
"""For a client in an open transaction to send the request that our FAILURE answers."""


# Looked up once: a member of an Enum costs more than the comparison, and these two are compared for every buffer.
_PUMPING: Final = Stage.PUMPING
_DRAINING: Final = Stage.DRAINING


class Connection(asyncio.Protocol):
    """The client's side; upward.py is the other one."""

    def __init__(self, hub: Hub, port: Port, since: float) -> None:
        self.port = port
        self.since = since
        self.stage = Stage.HELD
        self.session = Session(rewrite=hub.rewrite)
        self.target: Upstream | None = None
        self.waited = False  # for an upstream, longer than a dial
        self.dials_failed = 0
        self.failed_at = 0.0
        self.failed: frozenset[str] = frozenset()
        self.cancel_dial: Callable[[], None] | None = None
        self.bytes_up = 0
        self.bytes_down = 0
        self._hub = hub
        self._confirm_after_s = hub.confirm_after_s
        self._client: asyncio.Transport | None = None
        self._upstream: asyncio.Transport | None = None
        self._buffer = b""
        self._client_eof = False
        self._client_full = False  # it does not read as fast as is written
        self._asked = 0.0  # when what is unanswered was asked, or the acknowledgement before it came
        self._took = 0.0  # how long the acknowledgement took that waits
        self._waiting: tuple[bytes, Ending | None] = b"", None  # it, what came with it, and what is to follow
        self._timer: asyncio.TimerHandle | None = None
        self._refusal: Refusal | None = None

    @property
    def confirming(self) -> bool:
        """Whether an acknowledgement waits for the API server's word."""
        return self.stage is Stage.CONFIRMING

    @property
    def tag(self) -> Tag | None:
        """What the connection was routed under."""
        return self.target.tag if self.target else None

    # ---- from the client ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = cast("asyncio.Transport", transport)  # uvloop's has another base
        tune(self._client)
        host, port = self._client.get_extra_info("sockname")[:2]
        # Not a method of this object: nothing may keep a connection alive that has ended.
        self.session.routes = partial(self._hub.routes, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        self._hub.opened(self)

    def data_received(self, data: bytes) -> None:
        if self.stage is _PUMPING:
            session, upstream = self.session, self._upstream
            if session.idle:
                self._asked = monotonic()
            forward = session.requests(data)
            self.bytes_up += len(forward)
            if upstream is not None:
                upstream.write(forward)
            if session.reply:
                self._send_reply()
        elif self.stage is Stage.REFUSING:
            self._answer_refused(data)
        elif self.stage is Stage.HELD or self.stage is Stage.DIALLING:
            self._keep(self.session.requests(data))
        elif self.stage is Stage.DRAINING or self.stage is Stage.CONFIRMING:
            self._keep(data)  # it is answered if the transaction turns out to be still open; or asked after all

    def eof_received(self) -> bool:
        self._client_eof = True
        if self.stage is Stage.PUMPING and self._upstream is not None and self._upstream.can_write_eof():
            self._half_close(self._upstream)
            return True
        # Who waits for an upstream and speaks no Bolt may have said all it wants to; a Bolt client has not.
        waits = self.stage is Stage.HELD or self.stage is Stage.DIALLING
        return self.stage in (Stage.DRAINING, Stage.CONFIRMING) or (waits and self.session.raw)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client = None
        self._clear_timer()
        self._drop_upstream(flush=self.stage is Stage.PUMPING)
        self.stage = Stage.ENDED
        self._hub.closed(self)

    def pause_writing(self) -> None:
        self._client_full = True
        self._pause(self._upstream)

    def resume_writing(self) -> None:
        self._client_full = False
        if self.stage is not Stage.CONFIRMING:
            self._resume(self._upstream)

    # ---- from the proxy ----------------------------------------------------------------------------------------

    def hold(self, seconds: float, then: Callable[[], None]) -> None:
        """Wait; `then` is called after `seconds` unless something else happens first."""
        self.stage = Stage.HELD
        self.waited = True
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

    def stop_dial(self) -> None:
        """The dial under way leads nowhere any more."""
        cancel, self.cancel_dial = self.cancel_dial, None
        self.stage = Stage.HELD
        self.target = None
        if cancel is not None:
            cancel()

    def attach(self, upstream: asyncio.Transport) -> None:
        """Pump from now on."""
        self._clear_timer()
        tune(upstream)
        self._upstream = upstream
        self.cancel_dial = None
        self.stage = Stage.PUMPING
        self._asked = monotonic()
        self._resume(self._client)
        if self._buffer:
            self.bytes_up += len(self._buffer)
            upstream.write(self._buffer)
            self._buffer = b""
        if self._client_eof and upstream.can_write_eof():
            self._half_close(upstream)

    def cut(self, kind: CutKind, mode: CutMode, grace_s: float) -> bool:
        """The route has changed. Whether an upstream was (or, in a grace period, will be) taken from this client."""
        if self.stage is Stage.DRAINING and kind is CutKind.FAILOVER:
            self._finish()
        if self.stage is Stage.CONFIRMING:
            self._end_unconfirmed(Word.CHANGED)
            return True
        if self.stage is not Stage.PUMPING:
            return False
        ending, last = self.session.cut(kind) if mode is CutMode.GRACEFUL else (Ending.CLOSE, b"")
        if ending is Ending.DRAIN:
            self.stage = Stage.DRAINING
            self._set_timer(grace_s, self._finish)
        else:
            self._end(ending, last)
        return True

    def refuse(self, message: str) -> None:
        """No upstream will be found: say so in Bolt if the client speaks it, and close."""
        self._refuse(Refusal(self.session, message, greeted=False, last=self._hub.last_version), REFUSE_S)
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
        client, session = self._client, self.session
        if (self.stage is not _PUMPING and self.stage is not _DRAINING) or client is None:
            if self.stage is Stage.CONFIRMING:
                self._wait_with(data)
            return
        forward, ending = session.answers(data)
        self.bytes_down += len(forward)
        if session.acknowledged is not None and self._is_doubtful():
            self._wait_for_word(forward, ending)
        elif ending is None:
            if forward:
                client.write(forward)
        else:
            self._end(ending, forward)
        if session.rewritten is not None:
            kind, session.rewritten = session.rewritten, None
            self._hub.rewrote(self, kind)

    def upstream_eof(self) -> bool:
        """The upstream will send no more. Whether it is to stay open for what the client still sends."""
        if self.stage is Stage.PUMPING and self.session.raw and self._client is not None and not self._client_eof:
            self._client.write_eof()
            return True
        self.upstream_gone()
        return False

    def upstream_gone(self) -> None:
        """The upstream closed."""
        if self.stage not in (Stage.PUMPING, Stage.DRAINING, Stage.CONFIRMING):
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

    # ---- acknowledgements that took long (P-C6) ----------------------------------------------------------------

    def _is_doubtful(self) -> bool:
        session, now = self.session, monotonic()
        self._took, self._asked = now - self._asked, now
        acknowledged, session.acknowledged = session.acknowledged, None
        return doubtful(acknowledged or b"", self._took, self._confirm_after_s) and self.stage is _PUMPING

    def _wait_for_word(self, forward: bytes, ending: Ending | None) -> None:
        self.stage = Stage.CONFIRMING
        self._waiting = forward, ending
        self._pause(self._upstream)
        self._set_timer(CONFIRM_S, lambda: self._end_unconfirmed(Word.UNANSWERED))
        self._hub.confirm(self)

    def _wait_with(self, data: bytes) -> None:
        """More came although reading has paused: what TLS had taken off the wire already."""
        forward, ending = self._waiting
        if ending is None:
            more, ending = self.session.answers(data)
            self.session.acknowledged = None
            self._waiting = forward + more, ending

    def confirmed(self) -> None:
        """The API server has answered: what waited goes on if the upstream is still the main."""
        if self.stage is not Stage.CONFIRMING:
            return
        if not self._hub.is_current(self):
            self._end_unconfirmed(Word.CHANGED)
            return
        self._clear_timer()
        self.stage = Stage.PUMPING
        self._hub.was_confirmed(self, Word.CONFIRMED, self._took)
        (forward, ending), self._waiting = self._waiting, (b"", None)
        if ending is not None:
            self._end(ending, forward)
            return
        if self._client is not None:
            self._client.write(forward)  # may fill it
        if not self._client_full:
            self._resume(self._upstream)
        kept, self._buffer = self._buffer, b""
        if kept:
            self._resume(self._client)
            self.data_received(kept)
        if self._client_eof and self._upstream is not None and self._upstream.can_write_eof():
            self._half_close(self._upstream)

    def _end_unconfirmed(self, word: Word) -> None:
        self._hub.was_confirmed(self, word, self._took)
        self._finish()

    # ---- ends --------------------------------------------------------------------------------------------------

    def _end(self, ending: Ending, last: bytes) -> None:
        if ending is Ending.AWAIT:
            if last and self._client is not None:
                self._client.write(last)
            self._refuse(Refusal(self.session), AWAIT_S)
            self._drop_upstream(flush=False)
            self._resume(self._client)
            if self._buffer:
                self._answer_refused(self._buffer)
        else:
            self._finish(last)

    def _keep(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > BUFFER_BYTES_MAX:
            self._pause(self._client)

    def _send_reply(self) -> None:
        reply, self.session.reply = self.session.reply, b""
        if self._client is not None:
            self._client.write(reply)

    def _refuse(self, refusal: Refusal, seconds: float) -> None:
        self.stage = Stage.REFUSING
        self._refusal = refusal
        self._set_timer(seconds, self._finish)

    def _answer_refused(self, data: bytes) -> None:
        if self._refusal is None or self._client is None:
            return
        answer, done = self._refusal.feed(data)
        if done:
            self._finish(answer)
        elif answer:
            self._client.write(answer)

    def _half_close(self, upstream: asyncio.Transport) -> None:
        upstream.write(self.session.kept())
        upstream.write_eof()

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
        if upstream is None:
            return
        if flush:
            upstream.close()
        else:
            upstream.abort()
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
        if transport is self._client and self._client_eof:
            return  # nothing is left to read, and its end would be told once more
        if transport is not None and not transport.is_closing():
            transport.resume_reading()
