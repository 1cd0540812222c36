"""Bolt by hand: a socket, and bytes written as the tests of the protocol need them, wrong ones included."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

MAGIC = bytes.fromhex("6060b017")
TIMEOUT_S = 10.0

RUN, PULL, DISCARD, RESET, ACK_FAILURE = b"\x10", b"\xb1\x3f\xa0", b"\xb1\x2f\xa0", b"\xb0\x0f", b"\xb0\x0e"
PULL_ONE = b"\xb1\x3f\xa1\x81n\x01"
PULL_ALL_V1, DISCARD_ALL_V1 = b"\xb0\x3f", b"\xb0\x2f"
BEGIN, COMMIT, ROLLBACK, GOODBYE = b"\xb1\x11\xa0", b"\xb0\x12", b"\xb0\x13", b"\xb0\x02"
ROUTE = b"\xb3\x66\xa0\x90\x85neo4j"
NOOP = b"\x00\x02\x00\x00\x00\x00"
"""As Memgraph means it: a message of marker 0 and signature 0. A bare empty chunk, Bolt's own NOOP, closes there."""

SUCCESS, RECORD, IGNORED, FAILURE = 0x70, 0x71, 0x7E, 0x7F
EMPTY_SUCCESS = b"\xb1\x70\xa0"
BARE_IGNORED = b"\xb0\x7e"
BROKEN = b"Memgraph.ExecutionException"
"""The code that announces a close."""


def text(value: str) -> bytes:
    """A PackStream string."""
    data = value.encode()
    return (bytes((0x80 + len(data),)) if len(data) < 16 else b"\xd1" + len(data).to_bytes(2, "big")) + data


def init() -> bytes:
    """INIT of version 1, without credentials."""
    return b"\xb2\x01" + text("conformance/1") + b"\xa1" + text("scheme") + text("none")


def hello() -> bytes:
    """HELLO of version 4."""
    return b"\xb1\x01\xa2" + text("user_agent") + text("conformance/1") + text("scheme") + text("none")


def logon() -> bytes:
    """LOGON of version 5.1 on."""
    return b"\xb1\x6a\xa1" + text("scheme") + text("none")


def run(query: str, extra: bytes | None = b"\xa0") -> bytes:
    """RUN without parameters; `extra` None for version 1."""
    fields = text(query) + b"\xa0" + (extra or b"")
    return bytes((0xB2 + (extra is not None),)) + RUN + fields


def chunked(message: bytes) -> bytes:
    """One message in one chunk."""
    return len(message).to_bytes(2, "big") + message + b"\x00\x00"


class Wire:
    """A connection. `Closed` means that the server said no more."""

    def __init__(self, endpoint: tuple[str, int]) -> None:
        self._socket = socket.create_connection(endpoint, timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def take(self, size: int) -> bytes:
        """Exactly so many bytes, fewer only at the end of the connection."""
        data = b""
        while len(data) < size:
            try:
                more = self._socket.recv(size - len(data))
            except ConnectionResetError:  # it closed with bytes of ours unread
                more = b""
            if not more:
                break
            data += more
        return data

    def shake(self, proposals: str) -> bytes:
        """The handshake: up to four proposals in hex; the server's four bytes."""
        self.raw(MAGIC + bytes.fromhex(proposals).ljust(16, b"\x00"))
        return self.take(4)

    def answer(self) -> bytes:
        """One message of the server's; empty at the end of the connection."""
        message = b""
        while True:
            size = int.from_bytes(self.take(2), "big")
            if not size:
                return message
            message += self.take(size)

    def ask(self, *messages: bytes) -> bytes:
        """Send messages, each in a chunk; the first answer."""
        self.raw(b"".join(map(chunked, messages)))
        return self.answer()

    def closed(self) -> bool:
        """Whether the server has closed, or closes."""
        return self.take(1) == b""


V1, V4, V4_1, V4_3, V4_4, V5_2 = "00000001", "00000004", "00000104", "00000304", "00000404", "00000205"


def opened(endpoint: tuple[str, int], version: str) -> Wire:
    """A connection that is ready for queries."""
    wire = Wire(endpoint)
    assert wire.shake(version) == bytes.fromhex(version)
    first = wire.ask(init() if version == V1 else hello())
    assert first[:2] == b"\xb1\x70"
    if version == V5_2:
        assert wire.ask(logon())[:2] == b"\xb1\x70"
    return wire
