"""A Bolt connection's bytes: the handshake, then chunked messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from sandbox.memgraph.core.bolt.packstream import Structure, pack
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
        if major == minor == 0:
            return None
        for candidate in range(minor, minor - min(reach, minor) - 1, -1):
            if (major, candidate) in supported:
                return (major, candidate)
    return None


def encode(message: Structure, convert: Callable[[Any], Any] | None = None) -> bytes:
    """One message in chunks."""
    body = bytearray(2)
    pack(message, body, convert)
    size = len(body) - 2
    if size <= CHUNK_SIZE:
        body[:2] = size.to_bytes(2, "big")
        body += b"\x00\x00"
        return bytes(body)
    out = bytearray()
    for start in range(2, len(body), CHUNK_SIZE):
        chunk = body[start : start + CHUNK_SIZE]
        out += len(chunk).to_bytes(2, "big") + chunk
    return bytes(out + b"\x00\x00")


class Decoder:
    """Feed bytes, iterate over the bytes of messages. Two zero bytes alone are an empty message."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._message = bytearray()

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._buffer += data

    def take(self, size: int) -> bytes | None:
        """Raw bytes (the handshake), if so many have arrived."""
        if len(self._buffer) < size:
            return None
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def messages(self) -> Iterator[bytes]:
        """Complete messages so far. Raises ProtocolError for one that is too long."""
        while len(self._buffer) >= 2:
            size = int.from_bytes(self._buffer[:2], "big")
            if size and len(self._buffer) < 2 + size:
                return
            self._message += self._buffer[2 : 2 + size]
            del self._buffer[: 2 + size]
            if len(self._message) > MESSAGE_LIMIT:
                raise ProtocolError(f"message of more than {MESSAGE_LIMIT} bytes")
            if size == 0:
                data, self._message = bytes(self._message), bytearray()
                yield data
