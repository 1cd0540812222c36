"""PackStream, chunks and the handshake."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.memgraph.core.bolt.packstream import PackError, Structure, pack, unpack
from sandbox.memgraph.core.bolt.stream import MAGIC, Decoder, encode, negotiate
from sandbox.memgraph.core.errors import ProtocolError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=20), inner, max_size=20),
    max_leaves=30,
)


def packed(value: Any) -> bytes:
    out = bytearray()
    pack(value, out)
    return bytes(out)


@given(VALUES)
def test_round_trip(value: Any) -> None:
    assert unpack(packed(value)) == value


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (-16, "f0"),
        (-17, "c8ef"),
        (127, "7f"),
        (128, "c90080"),
        (2**31, "cb0000000080000000"),
        (1.1, "c13ff199999999999a"),
        ("ä", "82c3a4"),
        ([1, [None]], "9201" + "91c0"),
        ({"a": True}, "a18161c3"),
        (Structure(0x4E, [1]), "b14e01"),
        ("x" * 16, "d010" + "78" * 16),
    ],
)
def test_bytes_are_bolts(value: Any, data: str) -> None:
    assert packed(value).hex() == data
    assert unpack(bytes.fromhex(data)) == value


def test_nan_survives() -> None:
    assert math.isnan(unpack(packed(math.nan)))


@pytest.mark.parametrize("data", ["", "d0", "d2ffffffff", "d6ffffffff", "a101c0", "c4", "0101", "81ff", "91" * 300])
def test_malformed_values_are_refused(data: str) -> None:
    with pytest.raises(PackError):
        unpack(bytes.fromhex(data))


@pytest.mark.parametrize("value", [2**63, object(), "\ud800"])
def test_what_cannot_be_packed(value: Any) -> None:
    with pytest.raises(PackError):
        packed(value)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_never_crash(data: bytes) -> None:
    try:
        value = unpack(data)
    except PackError:
        return
    out = bytearray()
    pack(value, out, lambda structure: structure)
    assert out


@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(1, 7))
def test_messages_survive_any_fragmentation(values: list[Any], size: int) -> None:
    messages = [Structure(0x10, [value]) for value in values]
    data = b"\x00\x00".join(encode(message) for message in messages)  # with a NOOP between them
    decoder, received = Decoder(), []
    for start in range(0, len(data), size):
        decoder.feed(data[start : start + size])
        received += list(decoder.messages())
    assert received == messages


def test_long_messages_are_chunked() -> None:
    data = encode(Structure(0x71, ["x" * 100_000]))
    assert data[:2] == b"\xff\xff"
    decoder = Decoder()
    decoder.feed(data)
    assert next(decoder.messages()).fields == ["x" * 100_000]


@pytest.mark.parametrize("data", [b"\x00\x01\x01\x00\x00", b"\x00\x02\xb1\x10\x00\x00"])
def test_what_is_no_message_is_a_protocol_error(data: bytes) -> None:
    decoder = Decoder()
    decoder.feed(data)
    with pytest.raises(ProtocolError):
        list(decoder.messages())


@pytest.mark.parametrize(
    ("proposals", "version"),
    [
        ("00030304", (4, 3)),
        ("00030504", (4, 4)),
        ("00030305", (5, 2)),
        ("00000004" + "00000104", (4, 0)),
        ("000001ff" + "00080805" + "00020404", (5, 2)),
        ("00000001", (1, 0)),
        ("00000605" + "00000404", (4, 4)),
        ("00000204", None),
        ("00000000" + "00000404", None),
    ],
)
def test_negotiation(proposals: str, version: tuple[int, int] | None) -> None:
    """M-4.1."""
    assert negotiate(MAGIC + bytes.fromhex(proposals.ljust(32, "0"))) == version


def test_wrong_magic() -> None:
    assert negotiate(b"GET " + bytes.fromhex("00000404".ljust(32, "0"))) is None
