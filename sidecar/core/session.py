"""What one client connection owes and is owed: enough of Bolt to end it without lying to the client.

Bytes go through unchanged, with two exceptions: a FAILURE that proves that nothing was committed becomes one that
drivers retry (bolt/failure.py), and a ROUTE is answered here, in its turn among the answers, and never forwarded.
On a cut (P-C1, P-C2) this decides between four endings:

- nothing under way: close.
- a COMMIT, or an auto-commit RUN with its PULL forwarded, is unanswered: its outcome is unknown. After a planned cut
  the upstream may still answer it for a grace period; after a failover the client gets no answer.
- an explicit transaction is open and no COMMIT was forwarded: it can't have been committed, so a retriable FAILURE is
  the truth. It is given to the request that waits for an answer, or to the next one.
- anything that is not understood (TLS, WebSocket, unknown messages): close.

Guarantees: never raises, never alters other bytes, holds back at most HELD_BYTES_MAX in each direction.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from sidecar.bolt import failure, handshake, messages
from sidecar.bolt.chunks import Scanner
from sidecar.contract.env import Rewrite
from sidecar.contract.state import CutKind
from sidecar.core.pending import PENDING_MAX, Pending
from sidecar.core.routing_table import SINCE as ROUTE_SINCE

HELD_BYTES_MAX: Final = 64 * 1024
"""Memgraph's FAILUREs are a sentence, and so is a ROUTE; a longer one is passed on as it is rather than buffered."""
MOVED: Final = "The Memgraph main has changed; the transaction was not committed. Retry it."

Version = tuple[int, int]
Routes = Callable[[bytes], bytes | None]
"""The answer to a ROUTE message, both in chunks; None: it is the server's to answer."""


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

    def __init__(self, routes: Routes | None = None, rewrite: Rewrite = Rewrite.FAILOVER) -> None:
        self.version: Version | None = None  # agreed with the client; None before that and when raw
        self.raw = False
        self.rewrites = 0
        self.rewritten: failure.Kind | None = None  # the last of them
        self.acknowledged: bytes | None = None  # see `answers`; whoever acts on it empties it
        self.reply = b""  # for the client, from us, before anything else; whoever sends it empties it
        self.routes = routes  # None: a ROUTE is the server's to answer
        self._rewrite = rewrite
        self._start = b""  # the client's handshake
        self._answer = b""  # the server's
        self._requests = Scanner()
        self._announced = False  # the request under way has been counted
        self._kept = b""  # the beginning of a request that may be a ROUTE
        self._answers = Scanner(skip=messages.RECORD)
        self._held = b""  # the beginning of an answer that may have to be rewritten
        self._pending = Pending()
        self._draining = False

    @property
    def started(self) -> bool:
        """Whether the client has said enough to know whether it speaks Bolt."""
        return self.raw or len(self._start) == handshake.SIZE

    @property
    def idle(self) -> bool:
        """Nothing waits for an answer."""
        return not self._pending

    @property
    def farewell(self) -> bool:
        """The client said GOODBYE: whatever closes next closes in order."""
        return self._pending.farewell

    # ---- bytes -------------------------------------------------------------------------------------------------

    def requests(self, data: bytes) -> bytes:
        """The client sent `data`: what of it, and of what was kept, to forward. `reply` may have been filled."""
        if self.raw:
            return self.kept() + data
        if len(self._start) == handshake.SIZE:
            return self._scan_requests(data)
        missing = handshake.SIZE - len(self._start)
        self._start += data[:missing]
        if not handshake.looks_like_bolt(self._start):
            self.raw = True
            return data
        return data[:missing] + self._scan_requests(data[missing:]) if len(data) > missing else data

    def kept(self) -> bytes:
        """The client will send no more: what is still to be forwarded."""
        kept, self._kept = self._kept, b""
        return kept

    def answers(self, data: bytes) -> tuple[bytes, Ending | None]:
        """The upstream sent `data`: what to forward, and how the connection ends after that, if it does.

        If a SUCCESS to a request that may commit is among it, `acknowledged` becomes that message: empty if it began
        earlier, or if there are several.
        """
        if self.raw:
            held, self._held = self._held, b""  # of before it was given up
            return held + data, None
        if len(self._answer) < handshake.ANSWER_SIZE:
            return self._take_answer(data)
        return self._scan_answers(data)

    # ---- endings -----------------------------------------------------------------------------------------------

    def cut(self, kind: CutKind) -> tuple[Ending, bytes]:
        """The upstream is not to be used any more. The bytes are for the client, before it is closed."""
        planned = kind is CutKind.PLANNED
        if self.raw or self.version is None:
            return Ending.CLOSE, b""
        if self._pending.may_commit or not self._at_boundary():
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
        self.routes = None  # a ROUTE is refused like everything else
        self.requests(data)
        if not self._pending or not self._requests.between:
            return None
        if self._pending.first in (messages.ROLLBACK, messages.RESET):
            return failure.SUCCESS
        return failure.retry(message, self._pending.before_reset)

    def _settle(self) -> tuple[Ending, bytes]:
        """The ending when nothing under way can commit and the client is between two answers."""
        if self._pending.failed:
            return Ending.CLOSE, b""
        if self._pending:
            retriable = self._pending.first in (messages.BEGIN, messages.RUN, messages.PULL, messages.DISCARD)
            return Ending.CLOSE, failure.retry(MOVED, self._pending.before_reset) if retriable else b""
        return (Ending.AWAIT if self._pending.in_transaction else Ending.CLOSE), b""

    # ---- requests ----------------------------------------------------------------------------------------------

    def _scan_requests(self, data: bytes) -> bytes:
        shift = len(self._kept)
        whole = self._kept + data if shift else data
        taken: list[bytes] = []  # what goes before and between the ROUTEs that are ours
        at = 0
        for signature, start, end in self._requests.feed(data):
            if self._announced:
                self._announced = False
            elif signature == messages.ROUTE and self._is_ours(whole[max(start + shift, 0) : end + shift]):
                taken.append(whole[at : start + shift])
                at = end + shift
            else:
                self._request(signature)
        if at:
            taken.append(whole[at:])
            whole = b"".join(taken)
        if shift:
            self._kept = b""
        return whole if self._announced or self._requests.between else self._keep_back(whole)

    def _keep_back(self, whole: bytes) -> bytes:
        """A request has begun that was not counted yet: count it, or keep it while it may be a ROUTE to be answered."""
        signature, size = self._requests.signature, -self._requests.start
        if self.routes is not None and signature in (-1, messages.ROUTE) and size <= HELD_BYTES_MAX and not self.raw:
            self._kept = whole[len(whole) - size :]
            return whole[: len(whole) - size]
        if signature >= 0:
            self._request(signature)
            self._announced = True
        return whole

    def _is_ours(self, request: bytes) -> bool:
        """Whether this ROUTE is answered here; if so, its answer is under way."""
        if self.routes is None or self._pending.in_transaction or self.version is None or self.version < ROUTE_SINCE:
            return False
        table = self.routes(request)
        if table is None:
            return False
        self.reply += self._pending.route(table)
        return True

    def _request(self, signature: int) -> None:
        if self.raw:
            return  # given up by an earlier request of the same read
        self._pending.request(signature)
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
        forward, ends = self._scan_answers(data[missing:])
        return data[:missing] + forward, ends

    def _scan_answers(self, data: bytes) -> tuple[bytes, Ending | None]:
        pending, shift = self._pending, len(self._held)
        whole = self._held + data if shift else data
        sent: list[bytes] = []  # what goes before `at`, if that is not what came
        at = 0
        for signature, start, end in self._answers.feed(data):
            if pending.answered(signature):
                alone = self.acknowledged is None and start + shift >= 0
                self.acknowledged = whole[start + shift : end + shift] if alone else b""
            failed = signature == messages.FAILURE and start + shift >= 0
            instead = self._instead(whole[start + shift : end + shift]) if failed else None
            if instead is not None:
                sent += (whole[at : start + shift], instead.message)
                at = end + shift
                if instead.kind is not failure.Kind.CODE:
                    return b"".join(sent) + failure.IGNORED * pending.before_reset, Ending.CLOSE
            if pending.tables:
                sent += (whole[at : end + shift], pending.our_turn())
                at = end + shift
        rest = whole[at:] if at else whole
        if self._draining and not pending.may_commit:
            begun = 0 if self._answers.between else -self._answers.start
            if begun <= len(rest):  # nothing of the message under way has been forwarded: end before it
                ending, last = self._settle()
                return b"".join((*sent, rest[: len(rest) - begun], last)), ending
        forward = self._hold_back(rest)
        if sent:
            forward = b"".join(sent) + forward
        return forward, None

    def _instead(self, message: bytes) -> failure.Rewritten | None:
        """What to send instead of this FAILURE, if anything."""
        instead = failure.rewritten(message, self._rewrite)
        if instead is not None:
            self.rewrites += 1
            self.rewritten = instead.kind
        return instead

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
