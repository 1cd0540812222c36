"""A connection between a client and an upstream, in memory (tests/support/bolt_link.py)."""

from __future__ import annotations

from bolt_link import Link
from bolt_words import RECORD, REQUESTS, START, SUCCESS, V52

from sidecar.bolt import failure
from sidecar.bolt import messages as m
from sidecar.contract.state import CutKind
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
