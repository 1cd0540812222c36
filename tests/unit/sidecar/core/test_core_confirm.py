"""Which acknowledgements wait for the API server's word (P-C6)."""

from __future__ import annotations

from typing import Any

import pytest
from bolt_words import MORE, REQUESTS, START, SUCCESS, V52, say

from sidecar.bolt import messages as m
from sidecar.core.confirm import doubtful
from sidecar.core.session import Session

READ = say(m.SUCCESS, {"type": "r", "has_more": False})
WRITE = say(m.SUCCESS, {"type": "rw", "has_more": False, "stats": {"nodes-created": 1}})


@pytest.mark.parametrize(
    ("acknowledgement", "took_s", "expected"),
    [
        (WRITE, 0.999, False),
        (WRITE, 1.0, True),
        (SUCCESS, 5.0, True),  # a COMMIT's
        (READ, 5.0, False),
        (MORE, 5.0, False),
        (b"", 5.0, True),  # it came in pieces
        (b"", 0.1, False),
        (say(m.SUCCESS, {"type": "r"})[:-3] + b"\0\0", 5.0, True),  # can't be read
        (say(m.SUCCESS), 5.0, True),
        (say(m.SUCCESS, "r"), 5.0, True),
        (say(m.SUCCESS, {"type": "R"}), 5.0, True),
        (say(m.SUCCESS, {"has_more": 1}), 5.0, True),
    ],
)
def test_a_late_one_is_doubtful_unless_it_says_that_nothing_was_written(
    acknowledgement: bytes, took_s: float, expected: bool
) -> None:
    assert doubtful(acknowledgement, took_s, 1.0) is expected


def _session(*requests: int) -> Session:
    session = Session()
    session.requests(START + REQUESTS[m.HELLO])
    session.answers(V52 + SUCCESS)
    for request in requests:
        session.requests(REQUESTS[request])
    return session


@pytest.mark.parametrize(
    ("requests", "answers", "acknowledged"),
    [
        ([m.BEGIN], SUCCESS, None),
        ([m.BEGIN, m.COMMIT], SUCCESS * 2, SUCCESS),
        ([m.BEGIN, m.RUN, m.PULL], SUCCESS * 2 + WRITE, None),
        ([m.RUN, m.PULL], SUCCESS + WRITE, WRITE),
        ([m.RUN, m.DISCARD], SUCCESS + WRITE, WRITE),
        ([m.RUN, m.PULL], SUCCESS + say(m.FAILURE, {}), None),
        ([m.RUN, m.PULL], SUCCESS, None),
        ([m.RUN, m.PULL, m.RUN, m.PULL], (SUCCESS + WRITE) * 2, b""),
        ([m.ROLLBACK], SUCCESS, None),
        ([m.RESET], SUCCESS, None),
    ],
)
def test_a_session_tells_what_was_acknowledged(requests: list[int], answers: bytes, acknowledged: Any) -> None:
    session = _session(*requests)
    assert session.answers(answers) == (answers, None)
    assert session.acknowledged == acknowledged


def test_one_that_comes_in_pieces_is_not_shown() -> None:
    session = _session(m.RUN, m.PULL)
    session.answers(SUCCESS + WRITE[:9])
    assert session.acknowledged is None
    session.answers(WRITE[9:])
    assert session.acknowledged == b""


def test_idle_is_between_the_last_answer_and_the_next_request() -> None:
    session = _session()
    assert session.idle
    session.requests(REQUESTS[m.RUN])
    assert not session.idle
    session.answers(SUCCESS)
    assert session.idle
