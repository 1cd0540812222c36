"""The admin listener: /livez, /readyz, /metrics and /state, over HTTP/1.1.

Liveness and readiness speak of this process alone: a probe that followed the main would restart every client pod's
sidecar, or take every app out of service, on each failover.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import h11

from sidecar.core.itself import LOOPBACK

IDLE_S: Final = 10.0
"""A scraper keeps its connection for the next time at most this long, which also bounds one that says nothing."""
CONNECTIONS_MAX: Final = 32
"""The kubelet's probes, a scraper or two and a person."""

Page = Callable[[], tuple[int, str, str]]
"""Status, content type, body."""


def text(status: int, body: str) -> tuple[int, str, str]:
    """A page of plain text."""
    return status, "text/plain; charset=utf-8", body + "\n"


def as_json(value: Mapping[str, Any]) -> tuple[int, str, str]:
    """A page of JSON."""
    return 200, "application/json", json.dumps(value, indent=2) + "\n"


class Admin(asyncio.Protocol):
    """One connection of a probe, a scraper or a person. `open_now` is shared by all of them."""

    def __init__(self, pages: Mapping[str, Page], open_now: set[Admin], private: frozenset[str] = frozenset()) -> None:
        """`private`: the paths that answer on loopback only."""
        self._pages = pages
        self._private = private
        self._local = False
        self._open = open_now
        self._http = h11.Connection(h11.SERVER)
        self._transport: asyncio.Transport | None = None
        self._target = ""
        self._head_only = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base
        self._local = (self._transport.get_extra_info("peername") or ("",))[0] in LOOPBACK
        self._open.add(self)
        if len(self._open) > CONNECTIONS_MAX:
            self._transport.abort()
            return
        self._timer = asyncio.get_running_loop().call_later(IDLE_S, self.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        """End the connection after what was written."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            self._serve()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint)

    def _serve(self) -> None:
        while self._transport is not None and not self._transport.is_closing():
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._head_only = event.method == b"HEAD"
                path, _, _ = event.target.partition(b"?")
                self._target = path.decode("ascii", "replace") if event.method in (b"GET", b"HEAD") else ""
            elif isinstance(event, h11.EndOfMessage):
                self._answer(*self._page()())
                if self._http.our_state is h11.MUST_CLOSE:
                    self.close()
                    return
                self._http.start_next_cycle()
            elif not isinstance(event, h11.Data):
                if isinstance(event, h11.ConnectionClosed):
                    self.close()
                return

    def _page(self) -> Page:
        if self._target in self._private and not self._local:
            return _private
        return self._pages.get(self._target, _not_found)

    def _refuse(self, status: int) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._answer(*text(status, "bad request"))
        self.close()

    def _answer(self, status: int, kind: str, body: str) -> None:
        payload = body.encode()
        headers = [("content-type", kind), ("content-length", str(len(payload))), ("cache-control", "no-store")]
        out = [
            self._http.send(h11.Response(status_code=status, headers=headers)),
            None if self._head_only else self._http.send(h11.Data(data=payload)),
            self._http.send(h11.EndOfMessage()),
        ]
        if self._transport is not None:
            self._transport.write(b"".join(part for part in out if part))


def _private() -> tuple[int, str, str]:
    return text(403, "this page answers on loopback only: ask from within the pod, or through kubectl port-forward")


def _not_found() -> tuple[int, str, str]:
    return text(404, "there are /livez, /readyz, /metrics and /state")
