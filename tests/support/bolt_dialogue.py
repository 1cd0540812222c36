"""A dialogue in steps: a client and a server that keep to Bolt, in any pieces, with a cut (or a death) at any point.

A step is two small numbers, so that Hypothesis and a fuzzer can write dialogues alike. Every step is compared with the
model (bolt_referee.py). Beside it the server keeps account of what it made durable: in the end nobody may have been
told to retry that (P-C1, P-C2).
"""

from __future__ import annotations

from typing import Final

import bolt_words as words
from bolt_referee import Referee
from bolt_reference import requests, split
from bolt_words import REQUESTS, SUCCESS, UNKNOWN

from sidecar.bolt import failure
from sidecar.bolt import messages as m
from sidecar.contract.state import CutKind

NEXT: Final[dict[str, dict[int, str]]] = {
    "ready": {
        m.BEGIN: "transaction", m.RUN: "stream", m.RESET: "ready", m.ROUTE: "ready", m.TELEMETRY: "ready",
        m.LOGOFF: "ready", m.LOGON: "ready", UNKNOWN: "ready",
    },
    "stream": {m.PULL: "ready", m.DISCARD: "ready", m.RESET: "ready"},
    "transaction": {
        m.RUN: "stream in transaction", m.COMMIT: "ready", m.ROLLBACK: "ready", m.RESET: "ready",
        UNKNOWN: "transaction",
    },
    "stream in transaction": {m.PULL: "transaction", m.DISCARD: "transaction", m.RESET: "ready"},
}  # fmt: skip
"""What a client may ask next, and where it is then if all goes well."""
PIPELINES: Final = (
    (m.RUN, m.PULL), (m.BEGIN, m.RUN, m.PULL), (m.BEGIN, m.RUN, m.DISCARD, m.COMMIT), (m.RUN, m.DISCARD),
    (m.BEGIN, m.RUN), (m.COMMIT,), (m.PULL,), (m.BEGIN,),
)  # fmt: skip
"""What drivers send without waiting in between."""
FAILURES: Final = (words.SYNTAX, words.NOT_THE_MAIN, words.NO_LONGER, words.AFTER_COMMIT, words.ABORTED, words.LONG)
ANSWERS: Final = (*[SUCCESS] * 10, words.MORE, words.MORE, *FAILURES)
ENDINGS: Final = ("planned", "failover", "planned", "failover", "planned", "server", "client", "goodbye")
_ALL: Final = 1 << 20


class Dialogue:
    """One connection from its handshake to its end."""

    def __init__(self, referee: Referee) -> None:
        self.referee = referee
        self._said = bytearray(words.START + REQUESTS[m.HELLO] + REQUESTS[m.LOGON])  # by the client, not yet on its way
        self._answers = bytearray()  # by the server, the same
        self._state = "ready"
        self._failed = False  # the server's state
        self._executed = 0  # requests
        self._durable: set[int] = set()  # the numbers of requests that made something durable
        referee.attach()

    def step(self, what: int, number: int) -> None:
        """One of STEPS; `number` is what it makes its choice by."""
        STEPS[what % len(STEPS)](self, number)

    # ---- the client --------------------------------------------------------------------------------------------

    def ask(self, number: int) -> None:
        """Something legal; half of the time it stays in the client's buffer."""
        legal = sorted(NEXT[self._state])
        self._say(legal[number % len(legal)])
        if number & 0x80:
            self.send(_ALL)

    def pipeline(self, number: int) -> None:
        """Several requests at once."""
        for signature in PIPELINES[number % len(PIPELINES)]:
            self._say(signature)
        self.send(_ALL)

    def send(self, number: int) -> None:
        """So much of what the client said goes out."""
        part, self._said = self._said[:number], self._said[number:]
        self.referee.from_client(bytes(part))

    def _say(self, signature: int) -> None:
        if signature in NEXT[self._state]:
            self._state = NEXT[self._state][signature]
            self._said += REQUESTS[signature]

    # ---- the server --------------------------------------------------------------------------------------------

    def execute(self, number: int) -> None:
        """The next request that arrived whole is answered, into the server's buffer."""
        self._execute(number)

    def _execute(self, number: int) -> bool:
        passed = self.referee.model.passed
        if len(passed) < len(words.START):
            return False
        if not self._executed and not self._answers and not self.referee.model.told:
            self._answers += words.V52
        asked = requests(passed[len(words.START) :], begun=False)[0]
        if self._executed == len(asked):
            return False
        request, at = asked[self._executed], self._executed
        self._executed += 1
        self._failed &= request.signature != m.RESET
        if self._failed:
            self._answers += words.IGNORED
            return True
        fetches = request.signature in (m.PULL, m.DISCARD)
        answer = ANSWERS[number % len(ANSWERS)]
        if request.signature == m.RESET or (answer == words.MORE and not fetches):
            answer = SUCCESS
        elif answer == words.AFTER_COMMIT and not request.commits:
            answer = words.SYNTAX
        if request.commits and answer in (SUCCESS, words.AFTER_COMMIT):
            self._durable.add(at)
        self._failed = answer in FAILURES
        self._answers += words.RECORD * (number >> 4 & 3 if fetches else 0) + answer
        return True

    def keep_alive(self, _: int) -> None:
        """A words.NOOP."""
        if self._executed:
            self._answers += words.NOOP

    def deliver(self, number: int) -> None:
        """Most of what the server said arrives."""
        self._arrive(max(1, len(self._answers) * (number % 8 + 1) // 8))

    def brim(self, number: int) -> None:
        """As much of it as may be held back, less a few bytes."""
        self._arrive(self.referee.held_bytes_max - number % 8)

    def trickle(self, number: int) -> None:
        """Few bytes of it, one by one."""
        for _ in range(number % 16 + 1):
            self._arrive(1)

    def exchange(self, _: int) -> None:
        """Everything is sent, executed and answered: time passes without an accident."""
        self.send(_ALL)
        while self._execute(0):
            pass
        self._arrive(_ALL)

    def _arrive(self, size: int) -> None:
        part, self._answers = self._answers[:size], self._answers[size:]
        self.referee.from_upstream(bytes(part))

    # ---- what ends it ------------------------------------------------------------------------------------------

    def ending(self, number: int) -> None:
        """A cut, or one side goes."""
        match ENDINGS[number % len(ENDINGS)]:
            case "server":
                self.referee.upstream_eof()
            case "client":
                self.referee.client_eof()
            case "goodbye":
                self._said += REQUESTS[m.GOODBYE]
                self.send(_ALL)
            case kind:
                self.referee.cut(CutKind(kind))

    def close(self) -> None:
        """What reached the server is executed there in the end; nobody was told to retry what that commits."""
        passed = self.referee.model.passed[len(words.START) :]
        asked = [request.signature for request in requests(passed, begun=False)[0]]
        while self._execute(0):
            pass
        told = bytes(self.referee.link.client.got)[len(words.V52) :]
        summaries = [part for part in split(told)[0] if part.signature != m.RECORD]
        ours = self.referee.model.ours
        for at, part in enumerate(summaries):
            number = at - sum(one < at for one in ours)  # as the server counts
            if failure.RETRY_CODE.encode() in told[part.start : part.end]:
                until = asked.index(m.RESET, number) if m.RESET in asked[number:] else len(asked)
                assert not self._durable & set(range(number, until)), "told to retry what is durable"
        self.referee.end()


STEPS: Final = (
    *[Dialogue.ask] * 3, *[Dialogue.pipeline] * 2, Dialogue.send, *[Dialogue.execute] * 4, Dialogue.deliver,
    Dialogue.brim, Dialogue.trickle, Dialogue.keep_alive, *[Dialogue.exchange] * 2,
)  # fmt: skip
"""What may happen; the frequent more than once."""
