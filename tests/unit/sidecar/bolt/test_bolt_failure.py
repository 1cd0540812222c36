"""Handshakes, PackStream and the FAILUREs: written, recognised, rewritten and left alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.memgraph.core import compat, errors
from sidecar.bolt import failure, handshake
from sidecar.bolt.chunks import pack, unpack
from sidecar.bolt.packstream import BadPackStream, Structure, dump, load
from sidecar.contract.env import Rewrite

CODE = "Memgraph.ClientError.MemgraphError.MemgraphError"
NOT_MAIN = (
    "Write queries are forbidden on the replica instance. Replica instances accept only read queries, while the main "
    "instance accepts read and write queries. Please retry your query on the main instance."
)
AFTER_COMMIT = (
    "Replication Exception: At least one SYNC replica has not confirmed committing last transaction. Check the status "
    "of the replicas using 'SHOW REPLICAS' query."
)


def _failure(text: Any, **more: Any) -> bytes:
    return pack(dump(Structure(0x7F, ({"code": CODE, "message": text, **more},))))


@pytest.mark.parametrize(
    "text", [NOT_MAIN, "Write query forbidden on the replica!", "Cannot commit because instance is not main anymore."]
)
def test_not_the_main_becomes_retriable_with_its_text_kept(text: str) -> None:
    changed = failure.rewritten(_failure(text, extra=[1, None, 2.5]))
    assert changed is not None
    structure = load(unpack(changed.message))
    assert changed.kind is failure.Kind.NOT_THE_MAIN
    assert structure.signature == 0x7F
    metadata = structure.fields[0]
    assert metadata["code"] == "Neo.TransientError.General.DatabaseUnavailable"
    assert metadata["message"].startswith(text)
    assert metadata["extra"] == [1, None, 2.5]


@pytest.mark.parametrize(
    "message",
    [
        _failure(AFTER_COMMIT),
        _failure("Replication Exception: something yet to be said. Check the status of the replicas."),
        _failure("Failed to replicate to STRICT_SYNC replica 'X': RPC communication error."),
        _failure("Transaction was aborted on all instances."),
        _failure("said: " + NOT_MAIN),
        _failure("Write queries currently forbidden on the main instance."),
        _failure(7),
        pack(dump(Structure(0x7F, ({"code": CODE},)))),
        pack(dump(Structure(0x7F, ()))),
        pack(dump(Structure(0x7F, ("no map",)))),
        pack(b"\xb1\x7f\xa1"),
        pack(b"\xb1\x7f\xdf"),
        pack(b""),
        b"",
    ],
)
def test_every_other_failure_is_left_alone(message: bytes) -> None:
    assert failure.rewritten(message) is None


REASONS = [errors.NOT_IN_SYNC, errors.RPC_ERROR, errors.DIVERGED, errors.RPC_TIMEOUT]


@pytest.mark.parametrize("release", compat.COMPAT.values())
@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_only_what_was_aborted_everywhere_is_retriable(release: Any, reason: str, names: tuple[str, ...]) -> None:
    """Every text of a commit that was not replicated, in every release. A SYNC one is committed on the main: another
    try would write it twice."""
    for mode, committed in (("STRICT_SYNC", False), ("SYNC", True)):
        failures = [errors.Failure(name, mode, reason) for name in names]
        text = errors.NotReplicated(failures, release, committed=committed).message
        for how in (Rewrite.FAILOVER, Rewrite.ALL):
            changed = failure.rewritten(_failure(text), how)
            if committed:
                assert changed is None
            else:
                assert changed is not None
                assert changed.kind is failure.Kind.ABORTED
                metadata = load(unpack(changed.message)).fields[0]
                assert metadata["code"] == failure.RETRY_CODE
                assert metadata["message"].startswith(text)
        assert failure.rewritten(_failure(text), Rewrite.OFF) is None


def test_a_replica_with_a_strange_name_proves_nothing() -> None:
    name = "Transaction was aborted on all instances."
    failures = [errors.Failure(name, "SYNC", errors.RPC_ERROR)]
    for release in compat.COMPAT.values():
        text = errors.NotReplicated(failures, release, committed=True).message
        assert failure.rewritten(_failure(text)) is None


@pytest.mark.parametrize(
    "text",
    [errors.CANNOT_PROMOTE, errors.CONFLICT, errors.REPLICA_SHOULD_NOT_WRITE, errors.NO_ROUTE, errors.TIMED_OUT],
)
def test_other_codes_change_their_prefix_only_if_asked_to(text: str) -> None:
    """.NET takes only `Neo.` for a code (O-F28)."""
    assert failure.rewritten(_failure(text)) is None
    changed = failure.rewritten(_failure(text), Rewrite.ALL)
    assert changed is not None
    assert changed.kind is failure.Kind.CODE
    assert load(unpack(changed.message)).fields[0] == {"code": "Neo" + CODE.removeprefix("Memgraph"), "message": text}


def test_the_server_s_own_texts_are_known() -> None:
    for text in (errors.WRITE_ON_REPLICA, errors.NOT_MAIN_ANYMORE):
        changed = failure.rewritten(_failure(text))
        assert changed is not None
        assert changed.kind is failure.Kind.NOT_THE_MAIN
        assert failure.rewritten(_failure(text), Rewrite.OFF) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    assert failure.rewritten(data) is None or b"forbidden" in data or b"not main" in data


def test_the_first_waiting_request_fails_and_the_others_are_ignored() -> None:
    answer = failure.retry("why", 3)
    assert answer.endswith(failure.IGNORED * 2)
    assert load(unpack(answer.removesuffix(failure.IGNORED * 2))).fields[0]["message"] == "why"


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False)
    | st.text(max_size=300) | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=9), inner, max_size=20)
    | st.builds(Structure, st.integers(0, 127), st.lists(inner, max_size=3).map(tuple)),
    max_leaves=5,  # so that nothing nests deeper than the limit
)  # fmt: skip


@given(values)
def test_packstream_comes_back(value: Any) -> None:
    again = load(dump(value))
    assert again == value
    assert type(again) is type(value)


def test_a_value_nested_deeper_than_any_metadata_is_refused() -> None:
    with pytest.raises(BadPackStream, match="deeply"):
        load(b"\x91" * 17 + b"\x01")
    assert load(b"\x91" * 16 + b"\x01")


@pytest.mark.parametrize("size", [15, 16, 255, 256, 65535, 65536])
def test_every_width_of_size(size: int) -> None:
    for value in ("x" * size, b"x" * size, [1] * size, {str(i): i for i in range(size)}):
        assert load(dump(value)) == value


def test_what_packstream_cannot_say_is_refused() -> None:
    for value in (1 << 63, object()):
        with pytest.raises(BadPackStream):
            dump(value)
    for data in (
        b"",
        b"\xd0",
        b"\xd0\x05ab",
        b"\x81\xff",
        b"\xa1\x90\x01",
        b"\x91" * 40 + b"\x01",
        b"\x01\x01",
        b"\xc4",
    ):
        with pytest.raises(BadPackStream):
            load(data)
    assert math.isnan(load(dump(math.nan)))


MANIFEST_FIRST = handshake.MAGIC + bytes.fromhex("000001ff 00080805 00020404 00000003")


@pytest.mark.parametrize(
    ("proposals", "last", "version"),
    [
        ("000001ff 00080805 00020404 00000003", None, (5, 2)),
        ("000001ff 00080805 00020404 00000003", (4, 4), (4, 4)),
        ("000001ff 00080805 00020404 00000003", (4, 1), (5, 2)),
        ("00030504 00000000 00000000 00000000", None, (4, 4)),
        ("00000004 00000104 00000000 00000000", None, (4, 0)),
        ("00000001 00000000 00000000 00000000", None, (1, 0)),
        ("000001ff 00000000 00000000 00000000", None, None),
        ("00000705 00000000 00000000 00000000", None, None),
        ("00ff0305 00000000 00000000 00000000", None, (5, 2)),
    ],
)
def test_a_version_is_chosen_when_no_server_can(
    proposals: str, last: tuple[int, int] | None, version: tuple[int, int] | None
) -> None:
    assert handshake.choose(handshake.MAGIC + bytes.fromhex(proposals), last) == version


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("00000205", (5, 2)), ("00000001", (1, 0)), ("00000000", None), ("000001ff", None), ("005cb17f", None),
        ("48545450", None),
    ],
)  # fmt: skip
def test_a_servers_answer_is_a_version_or_not_ours(answer: str, version: tuple[int, int] | None) -> None:
    assert handshake.agreed(bytes.fromhex(answer)) == version
    if version:
        assert handshake.encode(version).hex() == answer


def test_bolt_is_told_by_its_magic_from_the_first_byte_on() -> None:
    assert handshake.looks_like_bolt(b"\x60")
    assert handshake.looks_like_bolt(MANIFEST_FIRST)
    assert not handshake.looks_like_bolt(b"\x16\x03\x01")
    assert not handshake.looks_like_bolt(b"GET / HTTP/1.1")
