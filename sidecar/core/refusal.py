"""Saying no in Bolt: a client without an upstream gets its handshake answered, and its first request a FAILURE."""

from __future__ import annotations

from sidecar.core.session import MOVED, Session, Version


class Refusal:
    """What is said to one client that gets no upstream any more."""

    def __init__(self, session: Session, message: str = MOVED, *, greeted: bool = True, last: Version | None = None):
        """`greeted`: the client's handshake has an answer. `last`: the version that clients agreed on recently."""
        self._session = session
        self._message = message
        self._greeted = greeted
        self._last = last

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """The client sent `data`: what to send, and whether nothing more is to be said after it."""
        greeting = b""
        if not self._greeted:
            self._session.requests(data)
            data = b""
            answer = self._session.refuse_start(self._last)
            if answer is None:
                return b"", self._session.started
            greeting, self._greeted = answer, True
        last = self._session.refuse(data, self._message)
        return greeting + (last or b""), last is not None
