"""The scanner: the same messages however bytes split, and any bytes are something."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sidecar.bolt.chunks import Scanner, pack, unpack

NOOP = b"\0\0"
BIG = b"\xb1\x71" + b"x" * 70_000
STREAM = (
    pack(b"\xb1\x70\xa0") + NOOP + pack(BIG) + pack(b"\xb0\x7e")
    + b"\0\x01\xb1\0\x01\x7f\0\x02\xa0\xa0\0\0"  # a FAILURE in three chunks
    + NOOP + NOOP + b"\0\x01\x05\0\0" + pack(b"\xb1\x7f\xa0")
)  # fmt: skip
SIGNATURES = [0x70, 0x71, 0x7E, 0x7F, -1, 0x7F]


def _run(parts: list[bytes]) -> list[tuple[int, int, int]]:
    """Messages with offsets in the whole stream."""
    scanner, seen, at = Scanner(), [], 0
    for part in parts:
        seen += [(signature, at + start, at + end) for signature, start, end in scanner.feed(part)]
        at += len(part)
    assert scanner.between
    return seen


def test_a_whole_stream() -> None:
    seen = _run([STREAM])
    assert [signature for signature, _, _ in seen] == SIGNATURES
    assert unpack(STREAM[seen[1][1] : seen[1][2]]) == BIG
    assert unpack(STREAM[seen[3][1] : seen[3][2]]) == b"\xb1\x7f\xa0\xa0"


def test_byte_by_byte_and_at_every_split() -> None:
    short = STREAM.replace(b"x" * 70_000, b"").replace(pack(BIG), pack(BIG[:300]))
    whole = _run([short])
    assert _run([bytes((byte,)) for byte in short]) == whole
    for at in range(len(short)):
        assert _run([short[:at], short[at:]]) == whole


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_any_bytes_give_the_same_messages_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[a:b] for a, b in pairwise(bounds)]
    one, many, at = Scanner(), Scanner(), 0
    found = []
    for piece in pieces:
        found += [(signature, start + at, end + at) for signature, start, end in many.feed(piece)]
        at += len(piece)
    assert found == one.feed(data)
    assert one.between == many.between
    if not one.between:
        assert (one.signature, one.start) == (many.signature, many.start)


@given(st.binary(max_size=200_000))
def test_packed_data_comes_back(data: bytes) -> None:
    assert unpack(pack(data)) == data


def test_the_message_under_way_is_known_by_its_signature_and_start() -> None:
    scanner = Scanner()
    scanner.feed(pack(b"\xb1\x70\xa0") + b"\0\x50\xb1")
    assert (scanner.between, scanner.signature, scanner.start) == (False, -1, -3)
    scanner.feed(b"\x7f")
    assert (scanner.signature, scanner.start) == (0x7F, -4)


@given(st.binary(max_size=400), st.integers(0, 255), st.integers(1, 50))
def test_what_is_skipped_is_all_that_is_missing(data: bytes, skip: int, step: int) -> None:
    """Also what came in pieces; and the scanner's state is the same."""
    talks, skips = Scanner(), Scanner(skip=skip)
    for at in range(0, len(data), step):
        piece = data[at : at + step]
        assert skips.feed(piece) == [message for message in talks.feed(piece) if message[0] != skip]
        assert (skips.between, skips.signature) == (talks.between, talks.signature)
        assert skips.between or skips.start == talks.start


def test_a_stream_of_records_is_skipped() -> None:
    record, summary = pack(b"\xb1\x71\x91\x01"), pack(b"\xb1\x70\xa0")
    stream = summary + record * 5_000 + summary
    assert [(found[0], found[1]) for found in Scanner(skip=0x71).feed(stream)] == [
        (0x70, 0), (0x70, len(stream) - len(summary)),
    ]  # fmt: skip
