"""A connection between a client and an upstream, in memory (tests/support/bolt_link.py)."""

from __future__ import annotations

import pytest
from bolt_link import Link
from bolt_words import NOT_THE_MAIN, RECORD, REQUESTS, START, SUCCESS, V52, say

from sidecar.bolt import failure
from sidecar.bolt import messages as m
from sidecar.contract.state import CutKind
from sidecar.core.confirm import Word
from sidecar.core.session import MOVED


def test_what_the_client_asks_in_the_grace_of_a_cut_is_answered_when_its_transaction_turns_out_to_be_open() -> None:
    """It comes in pieces, before and after the answer that the grace was for."""
    link = Link()
    link.attach()
    link.from_client(START + REQUESTS[m.HELLO] + REQUESTS[m.BEGIN] + REQUESTS[m.RUN] + REQUESTS[m.PULL])
    before = V52 + SUCCESS * 3 + RECORD
    link.from_upstream(before + SUCCESS[:5])
    link.cut(CutKind.PLANNED)
    link.from_client(REQUESTS[m.COMMIT][:3])
    link.from_upstream(SUCCESS[5:])
    assert bytes(link.client.got) == before + SUCCESS
    link.from_client(REQUESTS[m.COMMIT][3:])
    assert bytes(link.client.got) == before + SUCCESS + failure.retry(MOVED)
    assert link.client.eof
    assert link.upstream is not None
    assert REQUESTS[m.COMMIT] not in link.upstream.got
    link.end()


def test_all_of_it_in_the_grace() -> None:
    link = Link()
    link.attach()
    link.from_client(START + REQUESTS[m.HELLO] + REQUESTS[m.BEGIN])
    link.from_upstream(V52 + SUCCESS + SUCCESS[:5])
    link.cut(CutKind.PLANNED)
    link.from_client(REQUESTS[m.ROLLBACK])
    link.from_upstream(SUCCESS[5:])
    assert bytes(link.client.got) == V52 + SUCCESS * 2 + failure.SUCCESS
    link.end()


def _committing() -> Link:
    """P-C6: every acknowledgement counts as a late one, and this link's COMMIT has just been answered."""
    link = Link(doubts=True)
    link.attach()
    link.from_client(START + REQUESTS[m.HELLO] + REQUESTS[m.BEGIN] + REQUESTS[m.COMMIT])
    link.from_upstream(BEFORE + ACKNOWLEDGED)
    assert bytes(link.client.got) == b""
    assert link.asked == 1
    return link


BEFORE = V52 + SUCCESS * 2
ACKNOWLEDGED = say(m.SUCCESS, {"type": "w"})


def test_a_late_acknowledgement_goes_on_once_it_is_confirmed_and_so_does_all_after_it() -> None:
    link = _committing()
    link.from_client(REQUESTS[m.BEGIN])
    assert link.upstream is not None
    assert REQUESTS[m.BEGIN] * 2 not in link.upstream.got
    asked = bytes(link.upstream.got)
    link.confirmed()
    assert bytes(link.client.got) == BEFORE + ACKNOWLEDGED
    assert bytes(link.upstream.got) == asked + REQUESTS[m.BEGIN]
    link.from_upstream(SUCCESS)
    assert bytes(link.client.got) == BEFORE + ACKNOWLEDGED + SUCCESS
    link.confirmed()  # late, and of no effect
    assert (link.words, link.client.eof) == ([Word.CONFIRMED], False)
    link.end()


def test_one_that_nobody_confirms_is_never_seen() -> None:
    link = _committing()
    link.wait()
    assert (bytes(link.client.got), link.client.eof, link.words) == (b"", True, [Word.UNANSWERED])
    link.confirmed()
    assert bytes(link.client.got) == b""
    link.end()


@pytest.mark.parametrize("kind", CutKind)
def test_nor_one_that_waits_when_the_main_is_cut(kind: CutKind) -> None:
    link = _committing()
    link.cut(kind)
    assert (bytes(link.client.got), link.client.eof, link.words) == (b"", True, [Word.CHANGED])
    link.end()


def test_nor_one_of_another_main_than_the_document_names() -> None:
    """With `cutOnChange: false` its connection lives on."""
    link = _committing()
    link.current = False
    link.confirmed()
    assert (bytes(link.client.got), link.client.eof, link.words) == (b"", True, [Word.CHANGED])
    link.end()


def test_nor_one_whose_main_closes_meanwhile() -> None:
    link = _committing()
    link.upstream_eof()
    assert (bytes(link.client.got), link.client.eof, link.lost) == (b"", True, 1)
    link.confirmed()
    assert bytes(link.client.got) == b""
    link.end()


def test_a_client_that_says_no_more_still_gets_it() -> None:
    link = _committing()
    link.client_eof()
    assert not link.client.gone
    assert link.upstream is not None
    assert not link.upstream.eof
    link.confirmed()
    assert bytes(link.client.got) == BEFORE + ACKNOWLEDGED
    assert link.upstream.eof
    link.end()


def test_what_tls_had_taken_off_the_wire_waits_with_it() -> None:
    link = _committing()
    link.from_upstream(SUCCESS)
    assert bytes(link.client.got) == b""
    link.confirmed()
    assert bytes(link.client.got) == BEFORE + ACKNOWLEDGED + SUCCESS
    link.end()


def test_a_failure_that_came_with_it_ends_the_connection_after_it() -> None:
    link = Link(doubts=True)
    link.attach()
    link.from_client(START + REQUESTS[m.HELLO] + (REQUESTS[m.RUN] + REQUESTS[m.PULL]) * 2)
    link.from_upstream(V52 + SUCCESS * 2 + ACKNOWLEDGED + SUCCESS + NOT_THE_MAIN)
    assert bytes(link.client.got) == b""
    link.confirmed()
    assert bytes(link.client.got).startswith(V52 + SUCCESS * 2 + ACKNOWLEDGED + SUCCESS)
    assert failure.RETRY_CODE.encode() in link.client.got
    assert link.client.eof
    link.end()


def test_what_only_reads_does_not_wait() -> None:
    link = Link(doubts=True)
    link.attach()
    link.from_client(START + REQUESTS[m.HELLO] + REQUESTS[m.RUN] + REQUESTS[m.PULL])
    answers = V52 + SUCCESS * 2 + RECORD + say(m.SUCCESS, {"type": "r", "has_more": False})
    link.from_upstream(answers)
    assert (bytes(link.client.got), link.asked) == (answers, 0)
    link.end()
