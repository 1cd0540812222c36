"""One connection's protocol state: what passes unchanged, what a cut tells the client, and what it never tells."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.bolt import failure
from sidecar.bolt import messages as m
from sidecar.bolt.chunks import pack
from sidecar.bolt.handshake import MAGIC
from sidecar.bolt.packstream import Structure, dump
from sidecar.contract.state import CutKind
from sidecar.core.pending import PENDING_MAX
from sidecar.core.session import HELD_BYTES_MAX, MOVED, Ending, Session

START = MAGIC + bytes.fromhex("000001ff 00080805 00020404 00000003")
V52 = bytes.fromhex("00000205")
RETRY = failure.RETRY_CODE.encode()
NOT_MAIN = "Write queries are forbidden on the replica instance. Replica instances accept only read queries."


def msg(signature: int, *fields: Any) -> bytes:
    return pack(dump(Structure(signature, fields)))


SUCCESS, RECORD = msg(m.SUCCESS, {}), msg(m.RECORD, [1])
RUN, PULL = msg(m.RUN, "CREATE (n)", {}, {}), msg(m.PULL, {"n": -1})
BEGIN, COMMIT, ROLLBACK, RESET = msg(m.BEGIN, {}), msg(m.COMMIT), msg(m.ROLLBACK), msg(m.RESET)
FORBIDDEN = msg(m.FAILURE, {"code": "Memgraph.ClientError.MemgraphError.MemgraphError", "message": NOT_MAIN})
FAILED = msg(m.FAILURE, {"code": "Memgraph.ClientError.MemgraphError.MemgraphError", "message": "syntax"})


def logged_on() -> Session:
    session = Session()
    session.requests(START)
    assert session.answers(V52) == (V52, None)
    session.requests(msg(m.HELLO, {}) + msg(m.LOGON, {}))
    session.answers(SUCCESS * 2)
    return session


def after(*exchange: bytes) -> Session:
    """A session after requests (even places) and answers (odd places)."""
    session = logged_on()
    for index, data in enumerate(exchange):
        if index % 2:
            session.answers(data)
        else:
            session.requests(data)
    return session


IDLE = [
    (),
    (RUN + PULL, SUCCESS + RECORD + SUCCESS),
    (BEGIN + RUN + PULL + COMMIT, SUCCESS * 2 + RECORD + SUCCESS * 2),
    (BEGIN + ROLLBACK, SUCCESS * 2),
    (BEGIN, SUCCESS, RESET, SUCCESS),
    (BEGIN + RUN, SUCCESS + FAILED),  # failed: the client's next is a RESET, which wants no FAILURE
    (RESET,),
    (BEGIN, SUCCESS, ROLLBACK),
    (msg(m.ROUTE, {}, [], {}),),
]
IN_FLIGHT = [
    (BEGIN + RUN + PULL, SUCCESS * 2 + RECORD + SUCCESS, COMMIT),
    (RUN + PULL,),
    (RUN + PULL, SUCCESS),
    (RUN + msg(m.DISCARD, {"n": -1}), SUCCESS),
    (BEGIN + COMMIT,),
    (COMMIT[:4],),  # begun: the rest may already be on its way
    (msg(0x55, {}),),  # a request yet to be invented
]
OPEN_BUSY = [
    ((BEGIN,), 1),
    ((BEGIN + RUN + PULL,), 3),
    ((BEGIN + RUN + PULL, SUCCESS), 2),
    ((BEGIN + RUN + PULL, SUCCESS * 2 + RECORD), 1),
    ((RUN,), 1),
]


@pytest.mark.parametrize("kind", CutKind)
@pytest.mark.parametrize("exchange", IDLE)
def test_nothing_under_way_just_closes(exchange: tuple[bytes, ...], kind: CutKind) -> None:
    assert after(*exchange).cut(kind) == (Ending.CLOSE, b"")


@pytest.mark.parametrize("exchange", IN_FLIGHT)
def test_what_may_be_committed_is_never_answered_by_us(exchange: tuple[bytes, ...]) -> None:
    """O-S28."""
    assert after(*exchange).cut(CutKind.FAILOVER) == (Ending.CLOSE, b"")
    assert after(*exchange).cut(CutKind.PLANNED) == (Ending.DRAIN, b"")


@pytest.mark.parametrize("kind", CutKind)
@pytest.mark.parametrize(("exchange", "pending"), OPEN_BUSY)
def test_an_open_transaction_without_a_commit_is_told_to_retry(
    exchange: tuple[bytes, ...], pending: int, kind: CutKind
) -> None:
    """O-F28."""
    ending, last = after(*exchange).cut(kind)
    assert ending is Ending.CLOSE
    assert RETRY in last
    assert last.endswith(failure.IGNORED * (pending - 1))
    assert last.count(b"\x7e") == pending - 1


@pytest.mark.parametrize("kind", CutKind)
def test_an_idle_open_transaction_is_told_at_its_next_request(kind: CutKind) -> None:
    session = after(BEGIN, SUCCESS)
    assert session.cut(kind) == (Ending.AWAIT, b"")
    assert session.refuse(COMMIT[:3]) is None
    told = session.refuse(COMMIT[3:])
    assert told is not None
    assert RETRY in told


@pytest.mark.parametrize("request_", [ROLLBACK, RESET])
def test_a_rollback_of_a_transaction_whose_main_is_gone_succeeds(request_: bytes) -> None:
    session = after(BEGIN, SUCCESS)
    session.cut(CutKind.FAILOVER)
    assert session.refuse(request_) == failure.SUCCESS


def test_inside_an_answer_nothing_can_be_said() -> None:
    half = SUCCESS + RECORD[:5]
    assert after(BEGIN + RUN, half).cut(CutKind.FAILOVER) == (Ending.CLOSE, b"")
    session = after(BEGIN + RUN + PULL, SUCCESS + half)
    assert session.cut(CutKind.PLANNED) == (Ending.DRAIN, b"")
    forward, ending = session.answers(RECORD[5:])
    assert (forward.startswith(RECORD[5:]), RETRY in forward, ending) == (True, True, Ending.CLOSE)


def test_in_the_grace_of_a_planned_cut_the_commits_answer_is_the_last() -> None:
    session = after(BEGIN, SUCCESS, COMMIT)
    assert session.cut(CutKind.PLANNED) == (Ending.DRAIN, b"")
    assert session.answers(SUCCESS[:4]) == (SUCCESS[:4], None)
    assert session.answers(SUCCESS[4:]) == (SUCCESS[4:], Ending.CLOSE)


def test_the_grace_ends_only_when_every_commit_is_answered() -> None:
    session = after(RUN + PULL + RUN + PULL, SUCCESS)
    session.cut(CutKind.PLANNED)
    assert session.answers(SUCCESS * 2) == (SUCCESS * 2, None)
    assert session.answers(SUCCESS) == (SUCCESS, Ending.CLOSE)


def test_a_commit_refused_by_a_demoted_main_is_retriable() -> None:
    text = "Cannot commit because instance is not main anymore."
    session = after(BEGIN, SUCCESS, COMMIT)
    session.cut(CutKind.PLANNED)
    forward, ending = session.answers(msg(m.FAILURE, {"code": "x", "message": text}))
    assert (RETRY in forward, text.encode() in forward, ending) == (True, True, Ending.CLOSE)


def test_a_write_on_a_replica_is_rewritten_and_ends_the_connection() -> None:
    session = after(RUN + PULL)
    forward, ending = session.answers(FORBIDDEN + failure.IGNORED)
    assert (RETRY in forward, ending, session.rewrites) == (True, Ending.CLOSE, 1)
    assert forward.endswith(failure.IGNORED)
    assert forward.count(b"\x7e") == 1


def test_it_is_rewritten_however_it_is_split() -> None:
    stream = SUCCESS + RECORD + FORBIDDEN
    for at in range(len(stream) + 1):
        session = after(BEGIN + RUN + PULL)
        out, ending = session.answers(stream[:at])
        if ending is None:
            more, ending = session.answers(stream[at:])
            out += more
        assert ending is Ending.CLOSE
        assert out.startswith(SUCCESS + RECORD)
        assert b"Memgraph.ClientError" not in out
        assert RETRY in out


@pytest.mark.parametrize("text", ["syntax", "Replication Exception: At least one SYNC replica has not confirmed"])
def test_other_failures_pass_byte_for_byte(text: str) -> None:
    answer = msg(m.FAILURE, {"code": "Memgraph.ClientError.MemgraphError.MemgraphError", "message": text})
    session = after(BEGIN, SUCCESS, COMMIT)
    out = b"".join(session.answers(bytes((byte,)))[0] for byte in answer)
    assert (out, session.rewrites) == (answer, 0)


def test_a_failure_too_long_to_hold_is_passed_on() -> None:
    huge = msg(m.FAILURE, {"code": "x", "message": NOT_MAIN + "x" * 2 * HELD_BYTES_MAX})
    session = after(RUN)
    out = b""
    for at in range(0, len(huge), 1000):
        out += session.answers(huge[at : at + 1000])[0]
    assert out == huge
    assert session.cut(CutKind.FAILOVER) == (Ending.CLOSE, b"")


@pytest.mark.parametrize("start", [b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n", b"\x60\x60\xb0\x18", b"\0"])
def test_what_is_no_bolt_is_passed_and_closed(start: bytes) -> None:
    session = Session()
    session.requests(start)
    assert session.raw
    assert session.answers(FORBIDDEN) == (FORBIDDEN, None)
    assert session.cut(CutKind.PLANNED) == (Ending.CLOSE, b"")
    assert session.refuse_start(None) is None


@pytest.mark.parametrize("answer", [b"\0\0\0\0", bytes.fromhex("000001ff"), FAILED])
def test_a_server_that_agrees_on_nothing_we_know_is_passed(answer: bytes) -> None:
    session = Session()
    session.requests(START)
    assert b"".join(session.answers(bytes((byte,)))[0] for byte in answer) == answer
    assert session.raw


def test_a_cut_before_the_versions_are_agreed_closes() -> None:
    session = Session()
    session.requests(START)
    assert session.cut(CutKind.PLANNED) == (Ending.CLOSE, b"")


def test_a_held_client_is_refused_in_the_version_of_the_cluster() -> None:
    session = Session()
    session.requests(START[:7])
    assert session.refuse_start((4, 4)) is None
    session.requests(START[7:])
    assert session.refuse_start((4, 4)) == bytes.fromhex("00000404")
    assert session.refuse(b"", "no main") is None
    told = session.refuse(msg(m.HELLO, {}), "no main")
    assert told is not None
    assert b"no main" in told


def test_a_client_that_offers_nothing_we_know_is_not_answered() -> None:
    session = Session()
    session.requests(MAGIC + bytes.fromhex("000001ff") + b"\0" * 12)
    assert session.refuse_start(None) is None


def test_goodbye_is_a_farewell_and_waits_for_nothing() -> None:
    session = after(msg(m.GOODBYE))
    assert session.farewell
    assert session.cut(CutKind.PLANNED) == (Ending.CLOSE, b"")


def test_a_client_that_never_reads_is_no_longer_understood() -> None:
    session = after(RESET * (PENDING_MAX + 1))
    assert session.raw


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(bounds)]


answers = st.lists(
    st.sampled_from([SUCCESS, RECORD, FAILED, failure.IGNORED, b"\0\0", msg(m.RECORD, ["x" * 70_000])]), max_size=8
).map(b"".join)


@given(answers, st.lists(st.integers(0, 1 << 20), max_size=8))
def test_answers_pass_unchanged_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    session = after(BEGIN + (RUN + PULL) * 4)
    assert b"".join(session.answers(piece)[0] for piece in pieces(data, cuts)) == data


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from(CutKind))
def test_no_bytes_make_it_raise_or_alter_more_than_it_holds_back(up: bytes, down: bytes, kind: CutKind) -> None:
    session = logged_on()
    session.requests(up)
    out, ending = session.answers(down)
    assert ending is not None or down.startswith(out)
    session.cut(kind)
    session.refuse(up)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_no_start_makes_it_raise(up: bytes, down: bytes) -> None:
    session = Session()
    session.requests(up)
    out, _ = session.answers(down)
    assert down.startswith(out)
    session.refuse_start(None)


def test_what_was_held_back_passes_when_the_connection_is_given_up() -> None:
    session = after(RESET * (PENDING_MAX - 1), FAILED[:9])
    session.requests(RESET * 2)
    assert session.raw
    assert session.answers(FAILED[9:]) == (FAILED, None)


def test_a_kept_request_passes_when_the_server_does_not_speak_bolt() -> None:
    session = Session(routes=lambda _: None)
    assert session.requests(START + BEGIN[:2]) == START
    session.answers(b"\0\0\0\0")
    assert session.requests(BEGIN[2:]) == BEGIN


def test_a_client_given_up_in_its_last_wait_is_not_answered() -> None:
    session = after(BEGIN, SUCCESS)
    assert session.cut(CutKind.FAILOVER) == (Ending.AWAIT, b"")
    assert session.refuse(ROLLBACK * (PENDING_MAX + 2)) is None


def test_nothing_is_said_of_a_transaction_that_an_unknown_request_may_have_ended() -> None:
    session = after(BEGIN + msg(0x55, {}), SUCCESS * 2)
    assert session.cut(CutKind.FAILOVER) == (Ending.CLOSE, b"")
    assert after(BEGIN + msg(0x55, {}) + RUN + PULL, SUCCESS * 2).cut(CutKind.PLANNED) == (Ending.DRAIN, b"")


def test_what_follows_a_reset_is_not_called_ignored() -> None:
    """The server takes it up again after the RESET: it may well have been executed."""
    forward, ending = after(RUN + PULL + RESET + RUN + PULL).answers(FORBIDDEN)
    assert (forward.count(failure.IGNORED), ending) == (1, Ending.CLOSE)
    _, last = after(BEGIN + RUN + RESET + BEGIN).cut(CutKind.FAILOVER)
    assert last == failure.retry(MOVED, 2)


def test_a_planned_cut_within_a_stream_ends_it_at_the_next_boundary() -> None:
    """Reads end anywhere: waiting for one that ends with a record would be waiting for the end of the stream."""
    session = after(BEGIN + RUN + PULL, SUCCESS * 2 + RECORD + RECORD[:4])
    assert session.cut(CutKind.PLANNED) == (Ending.DRAIN, b"")
    assert session.answers(RECORD[4:-1]) == (RECORD[4:-1], None)
    assert session.answers(RECORD[-1:] + RECORD + RECORD[:4]) == (
        RECORD[-1:] + RECORD + failure.retry(MOVED),
        Ending.CLOSE,
    )
