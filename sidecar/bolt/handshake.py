"""The first bytes of a Bolt connection: 4 magic bytes and 4 version proposals, answered by one version.

What is not such a start (TLS, WebSocket, a version manifest agreed on by both sides) is not understood here, and the
caller passes it through unseen.
"""

from __future__ import annotations

from typing import Final

MAGIC: Final = b"\x60\x60\xb0\x17"
SIZE: Final = 20
"""Bytes of the client's part."""
ANSWER_SIZE: Final = 4
SUPPORTED: Final = ((5, 2), (4, 4), (4, 3), (4, 1), (4, 0), (1, 0))
"""What Memgraph speaks (communication/bolt/v1/constants.hpp; 4.4 since 3.12)."""
_MAJOR_MAX: Final = 9
"""Higher majors do not exist; 0xFF in that place marks a manifest (`00 00 01 FF`), and we would not follow it."""


def looks_like_bolt(start: bytes) -> bool:
    """Whether a connection that begins so may still turn out to be Bolt."""
    return MAGIC.startswith(start[:4])


def agreed(answer: bytes) -> tuple[int, int] | None:
    """The (major, minor) in a server's four bytes; None if the rest of the connection is not plain Bolt.

    A server that finds no common version answers four zeros, or (Memgraph) the beginning of a FAILURE message.
    """
    major, minor = answer[3], answer[2]
    return (major, minor) if answer[:2] == b"\0\0" and 1 <= major <= _MAJOR_MAX else None


def choose(start: bytes, last: tuple[int, int] | None) -> tuple[int, int] | None:
    """The version to answer a client's 20 bytes with when there is no server to ask. None: none in common.

    `last` is the version the cluster agreed on most recently; it is preferred if the client offers it.
    """
    offered: list[tuple[int, int]] = []
    for at in range(4, SIZE, 4):
        _, span, minor, major = start[at : at + 4]
        if 1 <= major <= _MAJOR_MAX:
            offered += [(major, lower) for lower in range(minor, max(minor - span, 0) - 1, -1)]
    if last in offered:
        return last
    return next((version for version in offered if version in SUPPORTED), None)


def encode(version: tuple[int, int]) -> bytes:
    """The four bytes a server answers."""
    return bytes((0, 0, version[1], version[0]))
