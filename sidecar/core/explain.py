"""The sentence a client reads when it waited in vain: what is missing, and whose fault that is.

A driver shows it after its last retry, so it must tell a main that changes from an API server that is away, a missing
right, or a main that cannot be reached: each has another person to call.
"""

from __future__ import annotations

from typing import Final

from sidecar.core.confirm import Word
from sidecar.core.follow import Problem
from sidecar.core.follow import Reason as Trouble
from sidecar.core.route import Reason

_WHAT: Final = {
    Reason.NO_DOCUMENT: "no document names the Memgraph main yet",
    Reason.CUT: "there is no main: it is being changed",
    Reason.SUSPECT: "the main is unreachable: it closed or refused connections",
    Reason.DIAL_FAILED: "the main is unreachable: dials fail",
    Reason.NO_READ_ADDRESS: "there is no replica to read from",
    Reason.STALE: "nothing was heard of the API server for too long to trust the last known main",
    Reason.UNCONFIRMED: "the main closed or refused connections, and the API server does not confirm it",
    Reason.ITSELF: "the published address leads back to this sidecar",
}
_WITHHELD: Final = {
    Word.CHANGED: "the main is being changed",
    Word.UNANSWERED: "the API server does not say whether this is still the main",
}
_WHY: Final = {
    Trouble.UNREACHABLE: "API server unreachable",
    Trouble.UNREADABLE_TOKEN: "API server not asked",
    Trouble.FORBIDDEN: "forbidden (403)",
    Trouble.UNAUTHORIZED: "unauthorized (401)",
    Trouble.NOT_FOUND: "no document",
    Trouble.MALFORMED: "document malformed",
}


def explain(reason: Reason, waited_for: Reason | None, waited_s: float, problem: Problem | None) -> str:
    """Why a client gets no upstream. `problem` is what is wrong with the way to the document, if anything is."""
    if reason is Reason.TOO_MANY_CONNECTIONS:
        return "memgraph-ha: this sidecar has as many connections as it takes (TooManyConnections). Close some, retry."
    missing = waited_for or reason
    text = f"memgraph-ha: {_WHAT.get(missing, missing.value)} ({missing.value})"
    if problem is not None:
        text += f"; {_WHY.get(problem.reason, problem.reason.value)}: {problem.message}"
    if reason is Reason.TOO_MANY_HELD:
        return f"{text}; too many connections wait already. Retry."
    return f"{text}; waited {waited_s:.1f} s. Retry."


def withheld(word: Word) -> str:
    """Why an acknowledgement that took long was not passed on."""
    return f"a commit took long, and {_WITHHELD[word]}: its client is not told that it succeeded (P-C6)"
