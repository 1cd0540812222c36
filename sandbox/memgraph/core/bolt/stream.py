"""A Bolt connection's bytes: the handshake, then chunked messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from sandbox.memgraph.core.bolt.packstream import PackError, Structure, pack, unpack
from sandbox.memgraph.core.compat import DEFAULT
from sandbox.memgraph.core.errors import ProtocolError

Version: TypeAlias = tuple[int, int]
MAGIC: Final = b"\x60\x60\xb0\x17"
HANDSHAKE_SIZE: Final = 20
CHUNK_SIZE: Final = 65535
MESSAGE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one message: a query with its parameters. Guards memory against a broken client."""


def negotiate(handshake: bytes, supported: frozenset[Version] = DEFAULT.bolt_versions) -> Version | None:
    """The version for a client's 20 bytes: first proposal that fits, its range downwards. None: magic or all wrong."""
    if handshake[:4] != MAGIC:
        return None
    for offset in range(4, HANDSHAKE_SIZE, 4):
        _, reach, minor, major = handshake[offset : offset + 4]
        if major == 0:
            return None
        for candidate in range(minor, minor - min(reach, minor) - 1, -1):
            if (major, candidate) in supported:
                return (major, candidate)
    return None


def encode(message: Structure, convert: Any = None) -> bytes:
    """One message in chunks."""
    body = bytearray()
    pack(message, body, convert)
    out = bytearray()
    for start in range(0, len(body), CHUNK_SIZE):
        chunk = body[start : start + CHUNK_SIZE]
        out += len(chunk).to_bytes(2, "big") + chunk
    return bytes(out + b"\x00\x00")


class Decoder:
    """Feed bytes, iterate over messages. Empty messages (a NOOP of two zero bytes) are skipped."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._message = bytearray()

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._buffer += data

    def begins_like(self, expected: bytes) -> bool:
        """Whether what has arrived so far can still become `expected`."""
        return expected.startswith(self._buffer[: len(expected)])

    def take(self, size: int) -> bytes | None:
        """Raw bytes (the handshake), if so many have arrived."""
        if len(self._buffer) < size:
            return None
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def messages(self) -> Iterator[Structure]:
        """Complete messages so far. Raises ProtocolError for what is none."""
        while len(self._buffer) >= 2:
            size = int.from_bytes(self._buffer[:2], "big")
            if size and len(self._buffer) < 2 + size:
                return
            self._message += self._buffer[2 : 2 + size]
            del self._buffer[: 2 + size]
            if len(self._message) > MESSAGE_LIMIT:
                raise ProtocolError(f"message of more than {MESSAGE_LIMIT} bytes")
            if size == 0 and self._message:
                data, self._message = bytes(self._message), bytearray()
                yield _message(data)


def _message(data: bytes) -> Structure:
    try:
        value = unpack(data)
    except PackError as error:
        raise ProtocolError(str(error)) from None
    if not isinstance(value, Structure):
        raise ProtocolError("a message is a structure")
    return value
