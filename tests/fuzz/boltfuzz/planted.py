"""Bugs to be planted: each must be found, or the fuzzer is blind to its kind.

Each takes one name of the sidecar's and gives it another value: the constants and the public functions, which stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from bolt_words import UNKNOWN

from boltfuzz.targets import HELD_BYTES_MAX, PENDING_MAX
from sidecar.bolt import chunks, failure, handshake, messages, packstream
from sidecar.contract.state import CutKind
from sidecar.core import session


class FirstOnly(chunks.Scanner):
    """Sees one message in a read."""

    __slots__ = ()

    def feed(self, data: bytes) -> list[chunks.Message]:
        return super().feed(data)[:1]


class Impatient(chunks.Scanner):
    """Misses a message whose last byte comes alone."""

    __slots__ = ()

    def feed(self, data: bytes) -> list[chunks.Message]:
        found = super().feed(data)
        return found if len(data) > 1 else []


_cut = session.Session.cut


def _always_planned(one: session.Session, kind: CutKind) -> tuple[session.Ending, bytes]:
    return _cut(one, CutKind.PLANNED)


BUGS: Final[dict[str, tuple[object, str, Any]]] = {
    "held-one-more": (session, "HELD_BYTES_MAX", HELD_BYTES_MAX + 1),
    "pending-one-more": (session, "PENDING_MAX", PENDING_MAX + 1),
    "commit-answered": (messages, "NEVER_COMMITS", messages.NEVER_COMMITS | {messages.COMMIT}),
    "unknown-answered": (messages, "NEVER_COMMITS", messages.NEVER_COMMITS | {UNKNOWN}),
    "failover-drained": (session.Session, "cut", _always_planned),
    "committed-rewritten": (failure, "ABORTED", ("",)),
    "one-message-a-read": (session, "Scanner", FirstOnly),
    "last-byte-alone": (session, "Scanner", Impatient),
    "nested-without-end": (packstream, "_DEPTH_MAX", 1 << 30),
    "manifest-understood": (handshake, "_MAJOR_MAX", 255),
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """With this bug. Within `scaled`, which sets the same bounds."""
    owner, attribute, value = BUGS[name]
    before = getattr(owner, attribute)
    setattr(owner, attribute, value)
    try:
        yield
    finally:
        setattr(owner, attribute, before)
