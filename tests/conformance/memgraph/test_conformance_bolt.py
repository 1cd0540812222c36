"""Row 44, the Bolt session: what Memgraph's unit tests of it fix, over a socket."""

from __future__ import annotations

import pytest
from bolt_wire import (
    ACK_FAILURE,
    BARE_IGNORED,
    BEGIN,
    BROKEN,
    COMMIT,
    DISCARD,
    DISCARD_ALL_V1,
    EMPTY_SUCCESS,
    FAILURE,
    GOODBYE,
    MAGIC,
    NOOP,
    PULL,
    PULL_ALL_V1,
    PULL_ONE,
    RECORD,
    RESET,
    ROLLBACK,
    ROUTE,
    SUCCESS,
    V1,
    V4,
    V4_1,
    V4_3,
    V4_4,
    V5_2,
    Wire,
    chunked,
    hello,
    init,
    opened,
    run,
    text,
)

pytestmark = pytest.mark.row("6.2/44")
Endpoint = tuple[str, int]
ALL = (V1, V4, V4_1, V4_3, V4_4, V5_2)
NO_QUERY = "THIS IS NO QUERY"


def asked(query: str, version: str) -> bytes:
    """RUN in the shape of this version."""
    return run(query, None if version == V1 else b"\xa0")


def pull(version: str) -> bytes:
    """All rows, in the shape of this version."""
    return PULL_ALL_V1 if version == V1 else PULL


def kind(message: bytes) -> int:
    """The signature of a message."""
    return message[1] if message else 0


def broken(wire: Wire, message: bytes) -> None:
    """It is answered by a protocol failure and a close."""
    answer = wire.ask(message)
    assert kind(answer) == FAILURE
    assert BROKEN in answer
    assert wire.closed()


def test_6_2_44_handshake_versions(endpoint: Endpoint) -> None:
    for proposals, expected in (
        *((version, version) for version in ALL),
        (V4 + V4_1, V4),  # the first that is supported, not the highest
        ("00000003" + V4_1, V4_1),
        ("00030304", V4_3),
        ("00030504", V4_4),  # 4.5 down to 4.2
        ("00030307" + "00030306" + "00030305" + "00030304", V5_2),
        ("00070604", V4_4),  # a range longer than the minor version
        ("000001ff" + "00080805", V5_2),  # the manifest marker of newer drivers is passed over
    ):
        with Wire(endpoint) as wire:
            assert wire.shake(proposals).hex() == expected, proposals


@pytest.mark.parametrize("proposals", ["00000003" + "00000002", "00031004" + "00000002"])
def test_6_2_44_handshake_without_a_common_version(endpoint: Endpoint, proposals: str) -> None:
    with Wire(endpoint) as wire:
        wire.raw(MAGIC + bytes.fromhex(proposals).ljust(16, b"\x00"))
        assert BROKEN in wire.answer()
        assert wire.closed()


def test_6_2_44_handshake_wrong_preamble(endpoint: Endpoint) -> None:
    with Wire(endpoint) as wire:
        wire.raw(bytes.fromhex(V1 * 5))
        assert BROKEN in wire.answer()
        assert wire.closed()


def test_6_2_44_handshake_in_two_packets(endpoint: Endpoint) -> None:
    data = MAGIC + bytes.fromhex(V1).ljust(16, b"\x00")
    with Wire(endpoint) as wire:
        for byte in data:
            wire.raw(bytes((byte,)))
        assert wire.take(4).hex() == V1


@pytest.mark.parametrize("version", ALL)
def test_6_2_44_init_and_a_query(endpoint: Endpoint, version: str) -> None:
    with Wire(endpoint) as wire:
        assert wire.shake(version).hex() == version
        answer = wire.ask(init() if version == V1 else hello())
        assert kind(answer) == SUCCESS
        assert text("connection_id") + text("bolt-1") in answer
    with opened(endpoint, version) as wire:
        assert kind(wire.ask(asked("RETURN 42 AS n", version))) == SUCCESS
        assert wire.ask(pull(version)) == b"\xb1\x71\x91\x2a"
        assert kind(wire.answer()) == SUCCESS


def test_6_2_44_init_wrong_or_cut(endpoint: Endpoint) -> None:
    """Another message, a wrong marker, and INIT that ends too early: each ends the connection."""
    for message in (b"\xb2\x10\xd1", b"\x00\x01", init()[:1], init()[:2], init()[:10], ROLLBACK):
        with Wire(endpoint) as wire:
            wire.shake(V1)
            broken(wire, message)


def test_6_2_44_messages_wrong_or_cut(endpoint: Endpoint) -> None:
    """RUN, PULL_ALL, DISCARD_ALL and RESET with a wrong marker, RUN that is cut, INIT a second time."""
    run_v1 = run("RETURN 42", None)
    markers = (b"\x00\x10", b"\x00\x3f", b"\x00\x2f", b"\x00\x0f")
    for message in (*markers, run_v1[:1], run_v1[:2], b"\xb2\x10\xd1\x00\x00\x00", init()):
        with opened(endpoint, V1) as wire:
            broken(wire, message)


@pytest.mark.parametrize("version", [V1, V4])
def test_6_2_44_pull_without_a_result(endpoint: Endpoint, version: str) -> None:
    for message in (PULL_ALL_V1, DISCARD_ALL_V1) if version == V1 else (PULL, DISCARD):
        with opened(endpoint, version) as wire:
            broken(wire, message)


@pytest.mark.parametrize("version", [V1, V4])
def test_6_2_44_run_after_run(endpoint: Endpoint, version: str) -> None:
    with opened(endpoint, version) as wire:
        assert kind(wire.ask(asked("RETURN 42", version))) == SUCCESS
        broken(wire, asked("RETURN 42", version))


def test_6_2_44_result_is_pulled_discarded_or_reset(endpoint: Endpoint) -> None:
    for version, messages in ((V1, (PULL_ALL_V1, DISCARD_ALL_V1, RESET)), (V4, (PULL, DISCARD, RESET))):
        for message in messages:
            with opened(endpoint, version) as wire:
                assert kind(wire.ask(asked("RETURN 42", version))) == SUCCESS
                first = wire.ask(message)
                if message in (PULL, PULL_ALL_V1):
                    assert kind(first) == RECORD
                    first = wire.answer()
                assert first == EMPTY_SUCCESS if message == RESET else kind(first) == SUCCESS
                assert kind(wire.ask(asked("RETURN 43", version))) == SUCCESS, "idle again"


@pytest.mark.parametrize("version", [V1, V4])
def test_6_2_44_after_a_failure_everything_is_ignored_until_reset(endpoint: Endpoint, version: str) -> None:
    with opened(endpoint, version) as wire:
        failure = wire.ask(asked(NO_QUERY, version))
        assert failure[:3] == b"\xb1\x7f\xa2", "two keys: code and message"
        assert text("code") in failure
        assert text("message") in failure
        assert wire.ask(init() if version == V1 else hello()) == BARE_IGNORED
        assert wire.ask(asked("RETURN 42", version)) == BARE_IGNORED
        assert wire.ask(pull(version)) == BARE_IGNORED
        if version == V1:
            assert wire.ask(ACK_FAILURE) == EMPTY_SUCCESS
        else:
            assert wire.ask(ACK_FAILURE) == BARE_IGNORED, "there is none from version 3 on"
            assert wire.ask(RESET) == EMPTY_SUCCESS
        assert kind(wire.ask(asked("RETURN 42", version))) == SUCCESS


@pytest.mark.parametrize("message", [b"\x00", b"\x00\x01", init()[:-10]], ids=["no-signature", "wrong-marker", "cut"])
def test_6_2_44_what_cannot_be_ignored_closes(endpoint: Endpoint, message: bytes) -> None:
    with opened(endpoint, V1) as wire:
        assert kind(wire.ask(asked(NO_QUERY, V1))) == FAILURE
        broken(wire, message)


def test_6_2_44_messages_in_one_packet(endpoint: Endpoint) -> None:
    """Answered one after the other: the columns, the row, the summary."""
    with opened(endpoint, V1) as wire:
        assert kind(wire.ask(run("RETURN 42", None), PULL_ALL_V1)) == SUCCESS
        assert [kind(wire.answer()), kind(wire.answer())] == [RECORD, SUCCESS]


def test_6_2_44_partial_pull(endpoint: Endpoint) -> None:
    more = text("has_more") + b"\xc3"
    with opened(endpoint, V4) as wire:
        assert kind(wire.ask(run("UNWIND [1, 2, 3] AS n RETURN n"), PULL_ONE)) == SUCCESS
        assert wire.answer() == b"\xb1\x71\x91\x01"
        assert more in wire.answer()
        assert wire.ask(PULL) == b"\xb1\x71\x91\x02"
        assert wire.answer() == b"\xb1\x71\x91\x03"
        last = wire.answer()
        assert kind(last) == SUCCESS
        assert more not in last


def test_6_2_44_message_in_pieces(endpoint: Endpoint) -> None:
    """In chunks of one byte, and in packets of one byte."""
    message = run("RETURN 42")
    chunks = b"".join(b"\x00\x01" + bytes((byte,)) for byte in message) + b"\x00\x00"
    with opened(endpoint, V4) as wire:
        wire.raw(chunks)
        assert kind(wire.answer()) == SUCCESS
        for byte in chunked(PULL):
            wire.raw(bytes((byte,)))
        assert kind(wire.answer()) == RECORD
        assert kind(wire.answer()) == SUCCESS


def test_6_2_44_partial_chunk_waits_for_its_end(endpoint: Endpoint) -> None:
    """DISCARD_ALL without a result is an error, but not before its last bytes are there."""
    with opened(endpoint, V1) as wire:
        wire.raw(chunked(DISCARD_ALL_V1)[:-2])
        wire.raw(b"\x00\x00")
        assert BROKEN in wire.answer()
        assert wire.closed()


def test_6_2_44_goodbye(endpoint: Endpoint) -> None:
    with opened(endpoint, V4) as wire:
        wire.raw(chunked(GOODBYE))
        assert wire.closed(), "without an answer"
    with opened(endpoint, V1) as wire:
        broken(wire, GOODBYE)


def test_6_2_44_noop(endpoint: Endpoint) -> None:
    with Wire(endpoint) as wire:
        wire.shake(V4_1)
        wire.raw(NOOP + chunked(hello()) + NOOP + chunked(run("RETURN 42")) + NOOP + chunked(PULL) + NOOP)
        assert [kind(wire.answer()) for _ in range(4)] == [SUCCESS, SUCCESS, RECORD, SUCCESS]


def test_6_2_44_version_1_has_no_noop(endpoint: Endpoint) -> None:
    for before in ((), (init(),), (init(), run("RETURN 42", None))):
        with Wire(endpoint) as wire:
            wire.shake(V1)
            for message in before:
                assert kind(wire.ask(message)) == SUCCESS
            wire.raw(NOOP)
            assert BROKEN in wire.answer()
            assert wire.closed()


def test_6_2_44_route(endpoint: Endpoint) -> None:
    """A community instance belongs to no cluster (M-4.6)."""
    for version in (V4_3, V5_2):
        with opened(endpoint, version) as wire:
            answer = wire.ask(ROUTE)
            assert kind(answer) == FAILURE
            assert b"Memgraph.TransientError.MemgraphError.MemgraphError" in answer
            assert b"You cannot fetch routing table from an instance which is not part of a cluster." in answer
            assert wire.ask(RESET) == EMPTY_SUCCESS
            assert kind(wire.ask(run("RETURN 42"))) == SUCCESS
    for version in (V1, V4, V4_1):
        with opened(endpoint, version) as wire:
            broken(wire, ROUTE)


def test_6_2_44_transactions(endpoint: Endpoint) -> None:
    with opened(endpoint, V4) as wire:
        assert wire.ask(BEGIN) == EMPTY_SUCCESS
        assert kind(wire.ask(run("RETURN 42"), PULL)) == SUCCESS
        assert [kind(wire.answer()), kind(wire.answer())] == [RECORD, SUCCESS]
        assert kind(wire.ask(COMMIT)) == SUCCESS
        assert kind(wire.ask(BEGIN)) == SUCCESS
        assert kind(wire.ask(ROLLBACK)) == SUCCESS
        assert kind(wire.ask(BEGIN)) == SUCCESS
        assert wire.ask(RESET) == EMPTY_SUCCESS
        assert kind(wire.ask(BEGIN)) == SUCCESS, "RESET has ended the one before"
    with opened(endpoint, V1) as wire:
        broken(wire, ROLLBACK)


@pytest.mark.parametrize("version", ALL)
def test_6_2_44_reset_in_idle(endpoint: Endpoint, version: str) -> None:
    with opened(endpoint, version) as wire:
        assert wire.ask(RESET) == EMPTY_SUCCESS
        assert wire.ask(RESET) == EMPTY_SUCCESS
        assert kind(wire.ask(asked("RETURN 42", version))) == SUCCESS
