"""What one client connection owes and is owed: enough of Bolt to end it without lying to the client.

Bytes go through unchanged, except a FAILURE that says "not the main", which becomes one that drivers retry. On a cut
(P-C1, P-C2) this decides between four endings:

- nothing under way: close.
- a COMMIT, or an auto-commit RUN with its PULL forwarded, is unanswered: its outcome is unknown. After a planned cut
  the upstream may still answer it for a grace period; after a failover the client gets no answer.
- an explicit transaction is open and no COMMIT was forwarded: it can't have been committed, so a retriable FAILURE is
  the truth. It is given to the request that waits for an answer, or to the next one.
- anything that is not understood (TLS, WebSocket, unknown messages): close.

Guarantees: never raises, never alters other bytes, holds back at most HELD_BYTES_MAX.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

from sidecar.bolt import failure, handshake, messages
from sidecar.bolt.chunks import Message, Scanner
from sidecar.contract.state import CutKind

HELD_BYTES_MAX: Final = 64 * 1024
"""Memgraph's FAILUREs are a sentence; a longer one is passed on as it is rather than buffered."""
PENDING_MAX: Final = 1 << 16
"""Requests without an answer. Drivers pipeline a handful; beyond this the connection is no longer understood."""
MOVED: Final = "The Memgraph main has changed; the transaction was not committed. Retry it."

Version = tuple[int, int]


class Ending(Enum):
    """How a cut ends a connection."""

    CLOSE = "close"
    """Send what comes with it, then close."""
    DRAIN = "drain"
    """Wait for the answer under way, at most the commit grace."""
    AWAIT = "await"
    """Drop the upstream now; the client's next request gets the FAILURE."""


class Session:
    """The protocol state of one connection. See the module's docstring for what it guarantees."""

    def __init__(self) -> None:
        self.version: Version | None = None  # agreed with the client; None before that and when raw
        self.raw = False
        self.rewrites = 0
        self.farewell = False  # the client said GOODBYE: whatever closes next closes in order
        self._start = b""  # the client's handshake
        self._answer = b""  # the server's
        self._requests = Scanner()
        self._announced = False  # the request under way has been counted
        self._answers = Scanner()
        self._held = b""  # the beginning of an answer that may have to be rewritten
        self._pending: deque[tuple[int, bool]] = deque()  # (signature, may commit) of requests without an answer
        self._in_transaction = False  # after all requests so far, if they succeed
        self._failed = False
        self._draining = False

    # ---- bytes -------------------------------------------------------------------------------------------------

    def requests(self, data: bytes) -> None:
        """The client sent `data`; forward it unchanged."""
        if not self.raw:
            rest = self._take_start(data)
            if rest:
                for signature in self._begun(rest):
                    self._request(signature)

    def answers(self, data: bytes) -> tuple[bytes, Ending | None]:
        """The upstream sent `data`: what to forward, and how the connection ends after that, if it does."""
        if self.raw:
            return data, None
        if len(self._answer) < handshake.ANSWER_SIZE:
            return self._take_answer(data)
        return self._scan(data)

    # ---- endings -----------------------------------------------------------------------------------------------

    def cut(self, kind: CutKind) -> tuple[Ending, bytes]:
        """The upstream is not to be used any more. The bytes are for the client, before it is closed."""
        planned = kind is CutKind.PLANNED
        if self.raw or self.version is None:
            return Ending.CLOSE, b""
        if any(may_commit for _, may_commit in self._pending) or not self._at_boundary():
            self._draining = planned
            return (Ending.DRAIN if planned else Ending.CLOSE), b""
        return self._settle()

    def refuse_start(self, last: Version | None) -> bytes | None:
        """No upstream will be found: the answer to the client's handshake, or None if there is no way to say more.

        Once this returned bytes, `refuse` answers the next request.
        """
        if self.raw or len(self._start) < handshake.SIZE:
            return None
        self.version = handshake.choose(self._start, last)
        self._answer = b"\0" * handshake.ANSWER_SIZE
        return handshake.encode(self.version) if self.version else None

    def refuse(self, data: bytes, message: str = MOVED) -> bytes | None:
        """The client sent `data` and no upstream will see it: the answer, or None until a request is complete.

        A transaction whose upstream is gone is rolled back: saying so to a ROLLBACK or RESET is the truth.
        """
        self.requests(data)
        if not self._pending or not self._requests.between:
            return None
        if self._pending[0][0] in (messages.ROLLBACK, messages.RESET):
            return failure.SUCCESS
        return failure.retry(message, len(self._pending))

    def _settle(self) -> tuple[Ending, bytes]:
        """The ending when nothing under way can commit and the client is between two answers."""
        if self._failed:
            return Ending.CLOSE, b""
        if self._pending:
            retriable = self._pending[0][0] in (messages.BEGIN, messages.RUN, messages.PULL, messages.DISCARD)
            return Ending.CLOSE, failure.retry(MOVED, len(self._pending)) if retriable else b""
        return (Ending.AWAIT if self._in_transaction else Ending.CLOSE), b""

    # ---- requests ----------------------------------------------------------------------------------------------

    def _take_start(self, data: bytes) -> bytes:
        """Collect the handshake; what is left of `data` after it."""
        missing = handshake.SIZE - len(self._start)
        if missing <= 0:
            return data
        self._start += data[:missing]
        if not handshake.looks_like_bolt(self._start):
            self.raw = True
        return b"" if self.raw else data[missing:]

    def _begun(self, data: bytes) -> list[int]:
        """Signatures of the requests of which `data` shows the signature for the first time."""
        done = [message.signature for message in self._requests.feed(data)]
        if done and self._announced:
            done.pop(0)
            self._announced = False
        if self._requests.signature >= 0 and not self._announced:
            done.append(self._requests.signature)
            self._announced = True
        return done

    def _request(self, signature: int) -> None:
        match signature:
            case messages.GOODBYE:
                self.farewell = True
                return  # it has no answer
            case messages.BEGIN:
                self._in_transaction = True
            case messages.COMMIT | messages.ROLLBACK | messages.RESET | messages.LOGOFF:
                self._in_transaction = False
        if signature in (messages.PULL, messages.DISCARD):
            may_commit = not self._in_transaction
        else:
            may_commit = signature not in messages.NEVER_COMMITS
        self._pending.append((signature, may_commit))
        if len(self._pending) > PENDING_MAX:
            self._give_up()

    # ---- answers -----------------------------------------------------------------------------------------------

    def _take_answer(self, data: bytes) -> tuple[bytes, Ending | None]:
        missing = handshake.ANSWER_SIZE - len(self._answer)
        self._answer += data[:missing]
        if len(self._answer) < handshake.ANSWER_SIZE:
            return data, None
        self.version = handshake.agreed(self._answer)
        if self.version is None:
            self._give_up()
            return data, None
        forward, ends = self._scan(data[missing:])
        return data[:missing] + forward, ends

    def _scan(self, data: bytes) -> tuple[bytes, Ending | None]:
        shift = len(self._held)
        whole = self._held + data if shift else data
        for message in self._answers.feed(data):
            if message.signature == messages.RECORD:
                continue
            replacement = self._summary(message, whole, shift)
            if replacement is not None:
                return whole[: message.start + shift] + replacement, Ending.CLOSE
        forward = self._hold_back(whole)
        if self._draining and self._at_boundary() and not any(may for _, may in self._pending):
            ending, last = self._settle()
            return forward + last, ending
        return forward, None

    def _summary(self, message: Message, whole: bytes, shift: int) -> bytes | None:
        """One request is answered. For an answer to be rewritten: what to send instead, after which it ends."""
        request = self._pending.popleft()[0] if self._pending else -1
        if message.signature == messages.FAILURE:
            self._failed = True
            if message.start + shift >= 0:
                replacement = failure.rewritten(whole[message.start + shift : message.end + shift])
                if replacement is not None:
                    self.rewrites += 1
                    return replacement + failure.IGNORED * len(self._pending)
        elif request in (messages.RESET, messages.ACK_FAILURE):
            self._failed = False
        return None

    def _hold_back(self, whole: bytes) -> bytes:
        """Keep the start of an answer while it may be a FAILURE to rewrite; what may go now."""
        self._held = b""
        if self._answers.between or self._answers.signature not in (-1, messages.FAILURE):
            return whole
        start = self._answers.start + len(whole)
        if start < 0 or len(whole) - start > HELD_BYTES_MAX:
            return whole
        self._held = whole[start:]
        return whole[:start]

    def _at_boundary(self) -> bool:
        """The client has seen no part of an unfinished answer."""
        return self._answers.between or bool(self._held)

    def _give_up(self) -> None:
        self.raw = True
        self.version = None
        self._pending.clear()
