"""Signatures of Bolt's messages, and the ways it says no."""

from __future__ import annotations

from typing import Final

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt.packstream import Structure
from sandbox.memgraph.core.bolt.stream import encode

NOOP: Final = 0x00
HELLO: Final = 0x01
"""INIT in version 1."""
GOODBYE: Final = 0x02
ACK_FAILURE: Final = 0x0E
RESET: Final = 0x0F
RUN: Final = 0x10
BEGIN: Final = 0x11
COMMIT: Final = 0x12
ROLLBACK: Final = 0x13
DISCARD: Final = 0x2F
PULL: Final = 0x3F
ROUTE: Final = 0x66
LOGON: Final = 0x6A
LOGOFF: Final = 0x6B

SUCCESS: Final = 0x70
RECORD: Final = 0x71
IGNORED: Final = 0x7E
FAILURE: Final = 0x7F


def failure(code: str, message: str) -> bytes:
    """A FAILURE message."""
    return encode(Structure(FAILURE, [{"code": code, "message": message}]))


def protocol_failure() -> bytes:
    """What is sent before a connection is closed for breaking the protocol."""
    return failure(errors.PROTOCOL, errors.PROTOCOL_MESSAGE)
