"""What a connection must do, written from the rules (P-C1, P-C2) and slowly: every step reads all bytes anew.

The sidecar's own session remembers a few numbers instead; this one remembers everything and is asked what the client
and the upstream must have got. Nothing of the sidecar is used but the texts of its messages.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from bolt_reference import Part, Request, requests, split

from sidecar.bolt import failure, handshake
from sidecar.bolt import messages as m
from sidecar.contract.env import Rewrite
from sidecar.contract.state import CutKind
from sidecar.core.session import MOVED

RETRIABLE: Final = {m.BEGIN, m.RUN, m.PULL, m.DISCARD}
_START, _AGREED = 20, 4  # bytes of the two handshakes


class Stage(Enum):
    """Where the connection is."""

    HELD = "held"
    PUMPING = "pumping"
    DRAINING = "draining"
    AWAITING = "awaiting"
    ENDED = "ended"


class Model:
    """One connection. After each step: `told` is what the client must have got, `passed` what the upstream."""

    def __init__(
        self, *, held_bytes_max: int, pending_max: int, table: bytes | None = None,
        rewrite: Rewrite = Rewrite.FAILOVER,
    ) -> None:  # fmt: skip
        self.stage = Stage.HELD
        self.told = b""
        self.client_eof = False
        self.fin = False  # the client was sent one
        self.fin_from_upstream = False
        self._held_bytes_max = held_bytes_max
        self._pending_max = pending_max
        self._table = table  # the answer to a ROUTE, if it is given here
        self._rewrite = rewrite
        self._up = b""  # all that the client sent
        self._late = b""  # what it sent during the grace of a cut
        self._down = b""  # all that the upstream sent
        self._taken = 0  # so much of `_up` has been passed on, or was a ROUTE that is answered here
        self._let_pass = b""  # for the upstream, as soon as there is one
        self._attached = False
        self.ours: set[int] = set()  # the numbers of the requests that are answered here
        self._forwarded = 0  # so much of `_down` has been told, or something instead of it
        self._answered = 0  # requests
        self._failed = False
        self._gave_up = False
        self._greeted = True  # the client's handshake has an answer, or will get one
        self._last: tuple[int, int] | None = None
        self._refused = ""
        self._lawful = True  # the upstream answered only what it was asked

    # ---- what is understood ------------------------------------------------------------------------------------

    @property
    def passed(self) -> bytes:
        """What the upstream must have got, if there is one."""
        return self._let_pass if self._attached else b""

    @property
    def raw(self) -> bool:
        """The bytes are not understood, and pass."""
        if self._gave_up or not handshake.MAGIC.startswith(self._up[:4]):
            return True
        agreed = self._down[:_AGREED]
        return len(agreed) == _AGREED and not (agreed[:2] == b"\0\0" and 1 <= agreed[3] <= 9)

    def pending(self) -> list[Request]:
        """Requests without an answer."""
        return self._requests()[0][self._answered :]

    def _requests(self) -> tuple[list[Request], bool]:
        return requests(self._up[_START:], begun=not self._keeps())

    def _keeps(self) -> bool:
        """The request that has begun may be a ROUTE: nothing of it is passed on, and nothing of it counts."""
        _, rest = split(self._up[_START:])
        if rest is None or self.raw or self._taken > _START + rest.start or self._is_refusing():
            return False
        return rest.signature in (-1, m.ROUTE) and rest.end - rest.start <= self._held_bytes_max

    def at_boundary(self) -> bool:
        """The client has seen no part of an unfinished answer."""
        _, rest = split(self._down[_AGREED:])
        return rest is None or _AGREED + rest.start >= self._forwarded

    # ---- what happens ------------------------------------------------------------------------------------------

    def attach(self) -> None:
        """A dial succeeded."""
        self.stage = Stage.PUMPING
        self._attached = True

    def from_client(self, data: bytes) -> None:
        """The client sent `data`."""
        match self.stage:
            case Stage.HELD | Stage.PUMPING:
                self._take(data)
            case Stage.DRAINING:
                self._late += data
            case Stage.AWAITING:
                self._take(data)
                self._greet()

    def from_upstream(self, data: bytes) -> None:
        """The upstream sent `data`. P-C1: after the cut of a failover nothing of it is told."""
        if self.stage not in (Stage.PUMPING, Stage.DRAINING):
            return
        seen = len(split(self._down[_AGREED:])[0])
        self._down += data
        if self.raw or len(self._down) < _AGREED:
            self._forward(len(self._down))
            return
        whole, rest = split(self._down[_AGREED:])
        for part in whole[seen:]:
            if part.signature != m.RECORD:
                self._summary(Part(part.signature, part.start + _AGREED, part.end + _AGREED))
            if self.fin:
                return
        if self.stage is Stage.DRAINING and not self._under_way() and self.at_boundary():
            self._forward(len(self._down) if rest is None else rest.start + _AGREED)
            self._settle()
            return
        upto = len(self._down)
        if rest is not None and rest.signature in (-1, m.FAILURE) and rest.end - rest.start <= self._held_bytes_max:
            upto = rest.start + _AGREED if rest.start + _AGREED >= self._forwarded else upto
        self._forward(upto)

    def cut(self, kind: CutKind) -> None:
        """The route changed."""
        if self.stage is Stage.DRAINING and kind is CutKind.FAILOVER:
            self.finish()
        elif self.stage is Stage.PUMPING:
            if self.raw or len(self._down) < _AGREED:
                self.finish()
            elif self._under_way() or not self.at_boundary():
                self.stage = Stage.DRAINING
                if kind is CutKind.FAILOVER:
                    self.finish()
            else:
                self._settle()

    def upstream_eof(self) -> None:
        """The upstream sent a FIN."""
        self.fin_from_upstream = True
        if self.stage is Stage.PUMPING and self.raw and not self.client_eof:
            self.fin = True
        elif self.stage is Stage.PUMPING:
            self.cut(CutKind.FAILOVER)
        elif self.stage is Stage.DRAINING:
            self.finish()

    def end_of_client(self) -> None:
        """The client sent a FIN."""
        self.client_eof = True
        if self.stage is Stage.PUMPING:
            self._pass(len(self._up))
        elif self.stage is not Stage.DRAINING and not (self.stage is Stage.HELD and self.raw):
            self.finish()  # a client that speaks no Bolt may have said all it wants to say, and waits for an upstream

    def wait(self) -> None:
        """The timer ran out."""
        if self.stage in (Stage.DRAINING, Stage.AWAITING):
            self.finish()

    def refuse(self, message: str, last: tuple[int, int] | None) -> None:
        """There is no upstream, and there will be none."""
        self.stage = Stage.AWAITING
        self._greeted = False
        self._refused, self._last = message, last
        self._greet()

    def finish(self) -> None:
        """No more is told."""
        self.stage = Stage.ENDED
        self.fin = True

    # ---- what follows from it ----------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        """More from the client: what passes, what is kept, and what is answered here."""
        counted = len(split(self._up[_START:])[0])
        self._up += data
        if not self.raw:
            for part in split(self._up[_START:])[0][counted:]:
                asked, is_open = requests(self._up[_START : _START + part.end])
                if part.signature == m.ROUTE and not is_open and self._is_ours(part):
                    self._pass(_START + part.start)
                    self._taken = _START + part.end
                    self.ours.add(len(asked) - 1)
                    self._our_turn(len(asked))
                else:
                    self._gave_up |= len(asked) - self._answered > self._pending_max
        _, rest = split(self._up[_START:])
        if rest is not None and not self._keeps():
            self._gave_up |= len(self.pending()) > self._pending_max
        self._pass(_START + rest.start if rest is not None and self._keeps() else len(self._up))

    def _is_ours(self, part: Part) -> bool:
        version = self._down[3:1:-1] if len(self._down) >= _AGREED and not self.raw else b""
        known = tuple(version) >= (4, 3) and self._taken <= _START + part.start
        return self._table is not None and known and not self._is_refusing()

    def _is_refusing(self) -> bool:
        return self.stage is Stage.AWAITING and self._greeted

    def _pass(self, upto: int) -> None:
        if self.stage is not Stage.AWAITING:
            self._let_pass += self._up[self._taken : upto]
            self._taken = max(self._taken, upto)

    def _forward(self, upto: int) -> None:
        self.told += self._down[self._forwarded : upto]
        self._forwarded = upto

    def _our_turn(self, asked: int) -> None:
        """Of the first `asked` requests, those that are to be answered next, and are ours, are answered."""
        while self._answered in self.ours and self._answered < asked:
            assert self._table is not None
            self.told += failure.IGNORED if self._failed else self._table
            self._answered += 1

    def _under_way(self) -> bool:
        return any(request.commits for request in self.pending())

    def _summary(self, part: Part) -> None:
        """One request is answered."""
        request = next(iter(self.pending()), None)
        self._lawful &= request is not None and self._answered < len(requests(self._up[_START:], begun=False)[0])
        self._answered += request is not None
        if part.signature == m.FAILURE:
            self._failed = True
            instead = failure.rewritten(self._down[part.start : part.end], self._rewrite)
            if instead is not None and part.start >= self._forwarded:
                self._forward(part.start)
                self.told += instead.message
                self._forwarded = part.end
                if instead.kind is not failure.Kind.CODE:
                    self.told += failure.IGNORED * _before_reset(self.pending())
                    self.finish()
                    return
        elif request is not None and request.signature in (m.RESET, m.ACK_FAILURE):
            self._failed = False
        if self._answered in self.ours:
            self._forward(part.end)
            self._our_turn(len(self._requests()[0]))

    def _settle(self) -> None:
        """The client is between two answers and waits for none that may commit."""
        pending = self.pending()
        if self._failed or (not pending and not self._requests()[1]):
            self.finish()
        elif not pending:
            self.stage = Stage.AWAITING
            self._take(self._late)
            self._greet()
        else:
            if pending[0].signature in RETRIABLE:
                self._retry(MOVED)
            self.finish()

    def _greet(self) -> None:
        """A client whose upstream is gone, or never was, is answered: its handshake, then its next request."""
        if not self._greeted:
            version = handshake.choose(self._up[:_START], self._last) if len(self._up) >= _START else None
            if self.raw or (len(self._up) >= _START and version is None):
                self.finish()
            if version is None or self.raw:
                return
            self.told = self._down = handshake.encode(version)
            self._greeted = True
        self._answer()

    def _answer(self) -> None:
        pending = self.pending()
        if self.raw or not pending or split(self._up[_START:])[1] is not None:
            return
        if pending[0].signature in (m.ROLLBACK, m.RESET):
            self.told += failure.SUCCESS
        else:
            self._retry(self._refused or MOVED)
        self.finish()

    def _retry(self, text: str) -> None:
        """The client is told that nothing was committed: no request that the upstream got may still commit."""
        asked = requests(self._let_pass[_START:], begun=False)[0]
        waiting = asked[self._answered - sum(number < self._answered for number in self.ours) :]
        assert not self._lawful or not self.passed or not any(request.commits for request in waiting)
        self.told += failure.retry(text, 1 + _before_reset(self.pending()[1:]))


def _before_reset(pending: list[Request]) -> int:
    """How many of these a failed server ignores: a RESET ends that."""
    signatures = [request.signature for request in pending]
    return signatures.index(m.RESET) if m.RESET in signatures else len(signatures)
