"""The admin listener's protocol, fed bytes by a transport that records."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from sidecar.http import CONNECTIONS_MAX, Admin, text
from sidecar.pages import PRIVATE


class Recorder(asyncio.Transport):
    def __init__(self, extra: dict[str, object] | None = None) -> None:
        super().__init__(extra)
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:
    """The protocol sets a timer, which nobody runs here."""
    loop = asyncio.new_event_loop()
    asyncio._set_running_loop(loop)
    yield
    asyncio._set_running_loop(None)
    loop.close()


def _connect(open_now: set[Admin] | None = None) -> tuple[Admin, Recorder]:
    admin, transport = (
        Admin({"/livez": lambda: text(200, "alive")}, set() if open_now is None else open_now),
        Recorder(),
    )
    admin.connection_made(transport)
    return admin, transport


def _request(path: str, method: str = "GET", more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n".encode()


def test_several_requests_in_any_pieces_on_one_connection() -> None:
    whole = _request("/livez") + _request("/livez?verbose=1")
    for size in (1, 7, len(whole)):
        admin, transport = _connect()
        for at in range(0, len(whole), size):
            admin.data_received(whole[at : at + size])
        assert transport.written.count(b"200") == 2
        assert transport.written.endswith(b"alive\n")
        assert not transport.closed
        admin.connection_lost(None)


def test_a_connection_that_is_to_be_closed_is_closed() -> None:
    admin, transport = _connect()
    admin.data_received(_request("/livez", more="connection: close\r\n"))
    assert transport.closed
    assert b"200" in transport.written


@pytest.mark.parametrize("request_", [_request("/"), _request("/livez", "POST")])
def test_what_is_not_there_is_404(request_: bytes) -> None:
    admin, transport = _connect()
    admin.data_received(request_)
    assert transport.written.startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\r\n\r\n", b"x" * 100_000, b"GET / HTTP/9\r\n\r\n"])
def test_what_is_no_http_is_refused(data: bytes) -> None:
    admin, transport = _connect()
    admin.data_received(data)
    assert transport.closed
    assert transport.written.startswith(b"HTTP/1.1 4")


def test_head_has_no_body() -> None:
    admin, transport = _connect()
    admin.data_received(_request("/livez", "HEAD"))
    assert transport.written.endswith(b"\r\n\r\n")


def test_a_crowd_is_turned_away() -> None:
    open_now: set[Admin] = set()
    first = [_connect(open_now) for _ in range(CONNECTIONS_MAX)]
    _, late = _connect(open_now)
    assert late.closed
    assert not any(transport.closed for _, transport in first)


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        (("127.0.0.1", 5), b"200"),
        (("::1", 5, 0, 0), b"200"),
        (("10.1.2.3", 5), b"403"),
        (("127.0.0.6", 5), b"403"),  # a mesh's proxy, for somebody else
        (None, b"403"),
    ],
)
def test_what_is_private_answers_on_loopback_only(peer: object, status: bytes) -> None:
    transport = Recorder({"peername": peer})
    admin = Admin({"/livez": lambda: text(200, "alive"), "/state": lambda: text(200, "all")}, set(), PRIVATE)
    admin.connection_made(transport)
    admin.data_received(_request("/state") + _request("/livez"))
    first, second = transport.written.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(status)
    assert second.startswith(b"200")
    assert (b"loopback" in first) is (status == b"403")
