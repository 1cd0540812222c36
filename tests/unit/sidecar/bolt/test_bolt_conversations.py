"""Recorded conversations (tests/golden/bolt): whole, byte by byte, at every split, and cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from bolt_link import Link
from bolt_referee import Referee
from bolt_reference import split
from bolt_words import NOT_THE_MAIN, REQUESTS, START, V52, say
from conversations import Piece, conversation, joined, names
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.bolt import failure
from sidecar.bolt import messages as m
from sidecar.bolt.chunks import Scanner
from sidecar.contract.state import CutKind
from sidecar.core.session import HELD_BYTES_MAX

UNDERSTOOD = {
    "5.2-auto-commit": (5, 2), "5.2-failure": (5, 2), "5.2-not-the-main": (5, 2), "5.2-rollback": (5, 2),
    "5.2-stream": (5, 2), "5.2-transaction": (5, 2), "4.4-transaction": (4, 4), "pymgclient": (4, 4),
    "manifest": None, "tls": None, "websocket": None,
}  # fmt: skip
REWRITTEN = "5.2-not-the-main"
pieces_of = {name: conversation(name) for name in UNDERSTOOD}


def _run(pieces: list[Piece]) -> Link:
    link = Link()
    link.attach()
    for piece in pieces:
        (link.from_client if piece.from_client else link.from_upstream)(piece.data)
    return link


def _scanned(pieces: list[bytes]) -> list[tuple[int, int, int]]:
    """Messages with offsets in the whole stream."""
    scanner, found, at = Scanner(), [], 0
    for data in pieces:
        found += [(signature, at + start, at + end) for signature, start, end in scanner.feed(data)]
        at += len(data)
    return found


def _bytewise(pieces: list[Piece]) -> list[Piece]:
    return [Piece(piece.from_client, bytes((byte,))) for piece in pieces for byte in piece.data]


def test_each_recorded_conversation_has_its_expectation() -> None:
    assert names() == sorted(UNDERSTOOD)


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_the_messages_are_those_of_the_reference_at_every_split(name: str) -> None:
    for from_client in (True, False):
        stream = joined(pieces_of[name], from_client=from_client)[20 if from_client else 4 :]
        expected = [tuple(part) for part in split(stream)[0]]
        assert _scanned([stream]) == expected
        assert _scanned([bytes((byte,)) for byte in stream]) == expected
        for at in range(len(stream)):
            assert _scanned([stream[:at], stream[at:]]) == expected


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_it_passes_unchanged_at_every_split(name: str) -> None:
    pieces = pieces_of[name]
    whole = _run(pieces)
    session = whole.connection.session
    assert (session.version, session.raw) == (UNDERSTOOD[name], UNDERSTOOD[name] is None)
    told = bytes(whole.client.got)
    assert (told == joined(pieces, from_client=False)) == (name != REWRITTEN)
    asked = joined(pieces, from_client=True)
    variants = [_bytewise(pieces)]
    for index, (from_client, data) in enumerate(pieces):
        for at in range(1, len(data)):
            halves = [Piece(from_client, data[:at]), Piece(from_client, data[at:])]
            variants.append([*pieces[:index], *halves, *pieces[index + 1 :]])
    for variant in variants:
        link = _run(variant)
        assert link.upstream is not None
        assert bytes(link.client.got) == told
        assert asked.startswith(bytes(link.upstream.got))
        assert name == REWRITTEN or bytes(link.upstream.got) == asked
        link.end()
    whole.end()


def test_a_recorded_refusal_of_a_write_is_rewritten() -> None:
    told = bytes(_run(pieces_of[REWRITTEN]).client.got)
    assert failure.RETRY_CODE.encode() in told
    assert b"Write queries are forbidden on the replica instance" in told
    assert told.endswith(failure.IGNORED)  # for the PULL that came with the RUN
    assert b"Memgraph.ClientError" not in told


@given(st.sampled_from(sorted(UNDERSTOOD)), st.data(), st.sampled_from(CutKind), st.booleans())
@settings(max_examples=300)
def test_a_cut_anywhere_ends_it_as_the_model_says(name: str, data: st.DataObject, kind: CutKind, fine: bool) -> None:
    pieces = pieces_of[name]
    total = sum(len(piece.data) for piece in pieces)
    bounds = data.draw(st.lists(st.integers(0, total), max_size=30 if fine else 4))
    cut_at = data.draw(st.integers(0, total))
    referee = Referee()
    referee.attach()
    at = 0
    for from_client, whole in pieces:
        inside = sorted({bound - at for bound in (*bounds, cut_at) if at < bound < at + len(whole)})
        for start, end in pairwise([0, *inside, len(whole)]):
            if at + start == cut_at:
                referee.cut(kind)
            (referee.from_client if from_client else referee.from_upstream)(whole[start:end])
        at += len(whole)
    referee.cut(kind)
    referee.wait()
    referee.end()


def _chunk(size: int, data: bytes) -> bytes:
    return size.to_bytes(2, "big") + data.ljust(size, b"x")[:size]


chunk = st.builds(_chunk, st.sampled_from((0, 0, 1, 2, 3, 255, 256, 300)), st.sampled_from((b"\xb1\x7f", b"\xb1\x71")))


@given(st.lists(chunk | st.binary(max_size=3), max_size=12).map(b"".join), st.data())
def test_chunks_of_any_size_are_those_of_the_reference(stream: bytes, data: st.DataObject) -> None:
    bounds = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parts = [stream[start:end] for start, end in pairwise([0, *bounds, len(stream)])]
    assert _scanned(parts) == [tuple(part) for part in split(stream)[0]]


@pytest.mark.parametrize("text", ["Unbound variable: x.", "Write queries are forbidden on the replica instance."])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_failure_is_held_back_up_to_the_bound_and_no_further(text: str, beyond: int) -> None:
    """Byte by byte around the bound; the model knows which byte lets it go."""
    head = say(m.FAILURE, {"code": "c", "message": text})
    answer = say(m.FAILURE, {"code": "c", "message": text.ljust(len(text) + HELD_BYTES_MAX + beyond - len(head) - 5)})
    referee = Referee()
    referee.attach()
    referee.from_client(START + REQUESTS[m.RUN])
    referee.from_upstream(V52)
    referee.from_upstream(answer[: HELD_BYTES_MAX - 12])
    assert bytes(referee.link.client.got) == V52
    for at in range(HELD_BYTES_MAX - 12, len(answer)):
        referee.from_upstream(answer[at : at + 1])
    referee.end()


def test_a_server_that_refuses_and_goes_on_is_not_heard() -> None:
    referee = Referee()
    referee.attach()
    referee.from_client(START + REQUESTS[m.RUN] + REQUESTS[m.PULL])
    referee.from_upstream(V52 + NOT_THE_MAIN + say(m.SUCCESS, {}))
    assert referee.link.client.eof
    told = bytes(referee.link.client.got)
    referee.from_upstream(say(m.RECORD, [1]))
    assert bytes(referee.link.client.got) == told
    referee.end()
