"""What a stream of bytes says in Bolt, read slowly and from its beginning: its messages, and what a client asks."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from sidecar.bolt import messages as m

HARMLESS: Final = {m.HELLO, m.ACK_FAILURE, m.RESET, m.RUN, m.BEGIN, m.ROLLBACK, m.TELEMETRY, m.ROUTE, m.LOGON, m.LOGOFF}
"""Nothing becomes durable while a server answers one of these."""
FETCHES: Final = {m.PULL, m.DISCARD}
KNOWN: Final = HARMLESS | FETCHES | {m.COMMIT, m.GOODBYE}
ENDS_TRANSACTION: Final = {m.COMMIT, m.ROLLBACK, m.RESET, m.LOGOFF}


class Part(NamedTuple):
    """A message, or the beginning of one, in a stream."""

    signature: int  # -1 while unknown
    start: int
    end: int


@lru_cache(maxsize=128)
def split(stream: bytes) -> tuple[list[Part], Part | None]:
    """All complete messages of a direction, and the one that has begun."""
    whole: list[Part] = []
    at, start, data = 0, None, b""
    while at + 2 <= len(stream):
        size = int.from_bytes(stream[at : at + 2], "big")
        if start is None and size == 0:
            at += 2  # a NOOP
            continue
        start = at if start is None else start
        data = (data + stream[at + 2 : at + 2 + size])[:2]
        at += 2 + size
        if size == 0:
            whole.append(Part(data[1] if len(data) == 2 else -1, start, at))
            start, data = None, b""
    if start is None and at >= len(stream):
        return whole, None
    return whole, Part(data[1] if len(data) == 2 else -1, at if start is None else start, len(stream))


class Request(NamedTuple):
    """One request, as far as its signature is to be seen."""

    signature: int
    commits: bool
    """The server may make something durable while it answers it."""


@lru_cache(maxsize=128)
def requests(stream: bytes, *, begun: bool = True) -> tuple[list[Request], bool]:
    """What a client asked for, and whether a transaction is open if all of it succeeds. A GOODBYE has no answer."""
    whole, rest = split(stream)
    signatures = [part.signature for part in whole]
    if begun and rest is not None and rest.signature >= 0:
        signatures.append(rest.signature)
    found, is_open = [], False
    for signature in signatures:
        if signature == m.BEGIN:
            is_open = True
        elif signature in ENDS_TRANSACTION or signature not in KNOWN:
            is_open = False
        if signature != m.GOODBYE:
            commits = not is_open if signature in FETCHES else signature not in HARMLESS
            found.append(Request(signature, commits))
    return found, is_open
