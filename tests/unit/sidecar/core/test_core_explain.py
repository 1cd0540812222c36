"""A client that waited in vain is told whose fault it was."""

from __future__ import annotations

import pytest

from sidecar.core.explain import explain
from sidecar.core.follow import Problem
from sidecar.core.follow import Reason as Trouble
from sidecar.core.route import Reason


@pytest.mark.parametrize(
    ("waited_for", "problem", "words"),
    [
        (Reason.CUT, None, ["there is no main", "(Cut)", "20.0 s"]),
        (Reason.NO_DOCUMENT, None, ["no document", "(NoDocument)"]),
        (Reason.NO_DOCUMENT, Trouble.UNREACHABLE, ["no document", "API server unreachable: why"]),
        (Reason.NO_DOCUMENT, Trouble.FORBIDDEN, ["forbidden (403): why"]),
        (Reason.NO_DOCUMENT, Trouble.NOT_FOUND, ["no document: why"]),
        (Reason.DIAL_FAILED, None, ["main is unreachable", "(DialFailed)"]),
        (Reason.SUSPECT, Trouble.UNREACHABLE, ["main is unreachable", "API server unreachable: why"]),
        (Reason.STALE, Trouble.UNREACHABLE, ["too long", "(Stale)", "API server unreachable: why"]),
        (Reason.NO_READ_ADDRESS, None, ["no replica"]),
        (Reason.ITSELF, None, ["this sidecar"]),
        (Reason.CUT, Trouble.EXPIRED, ["ResourceVersionExpired: why"]),
    ],
)
def test_what_is_missing_and_why(waited_for: Reason, problem: Trouble | None, words: list[str]) -> None:
    text = explain(Reason.HOLD_EXPIRED, waited_for, 20.0, Problem(problem, "why") if problem else None)
    assert text.startswith("memgraph-ha: ")
    assert text.endswith("Retry.")
    assert [word for word in words if word not in text] == []


def test_too_many_is_said_with_what_they_wait_for() -> None:
    text = explain(Reason.TOO_MANY_HELD, Reason.CUT, 0.0, None)
    assert "there is no main" in text
    assert "too many connections wait" in text
    assert "TooManyConnections" in explain(Reason.TOO_MANY_CONNECTIONS, None, 0.0, None)
    assert "does not confirm" in explain(Reason.UNCONFIRMED, None, 3.0, None)


def test_every_reason_has_its_sentence() -> None:
    for reason in Reason:
        text = explain(reason, None, 1.0, None)
        assert reason in (Reason.HOLD_EXPIRED, Reason.TOO_MANY_HELD) or f": {reason.value} (" not in text
