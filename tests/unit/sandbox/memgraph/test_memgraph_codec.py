"""PackStream, chunks and the handshake."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.memgraph.core.bolt import stream
from sandbox.memgraph.core.bolt.packstream import Malformed, PackError, Reader, Structure, pack
from sandbox.memgraph.core.bolt.stream import MAGIC, Decoder, encode, negotiate
from sandbox.memgraph.core.compat import DEFAULT
from sandbox.memgraph.core.errors import ProtocolError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=20), inner, max_size=20),
    max_leaves=30,
)


def packed(value: Any) -> bytes:
    out = bytearray()
    pack(value, out)
    return bytes(out)


def unpack(data: bytes, major: int = 5) -> Any:
    reader = Reader(data, major)
    value = reader.value()
    assert reader.rest() == b""
    return value


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
        (Structure(0x44, [1]), "b14401"),
        ("x" * 16, "d010" + "78" * 16),
    ],
)
def test_bytes_are_bolts(value: Any, data: str) -> None:
    assert packed(value).hex() == data
    assert unpack(bytes.fromhex(data)) == value


def test_nan_survives() -> None:
    assert math.isnan(unpack(packed(math.nan)))


def test_maps_are_written_in_the_order_of_their_keys() -> None:
    assert packed({"b": 1, "a": 2, "B": 3}).hex() == "a3" + "814203" + "816102" + "816201"


@pytest.mark.parametrize(
    "data", ["", "d0", "d2ffffffff", "d6ffffffff", "a101c0", "c4", "cc0161", "b0", "91" * 300, "a2816101816102"]
)
def test_malformed_values_are_refused(data: str) -> None:
    """Byte strings (`cc`) and a key given twice are refused by the real server, too."""
    with pytest.raises(Malformed):
        unpack(bytes.fromhex(data))


def test_structures_are_those_the_real_server_reads() -> None:
    assert unpack(bytes.fromhex("b144c90400")) == Structure(0x44, [1024])
    assert unpack(bytes.fromhex("b346010203"), major=4) == Structure(0x46, [1, 2, 3])
    for data, major in (("b346010203", 5), ("b44e0190a08130", 5), ("b14e01", 4), ("b17001", 5)):
        with pytest.raises(Malformed):
            unpack(bytes.fromhex(data), major)
    reader = Reader(bytes.fromhex("a0a18161b14401"))
    assert (reader.value(), reader.structures) == ({}, False)
    reader.value()
    assert reader.structures


def test_reading_goes_on_where_it_ended() -> None:
    reader = Reader(bytes.fromhex("b2100182616205"))
    assert reader.header() == (0xB2, 0x10)
    assert (reader.expect(int), reader.expect(str), reader.rest()) == (1, "ab", b"\x05")
    with pytest.raises(Malformed):
        reader.expect(str)


@pytest.mark.parametrize("value", [2**63, object(), "\ud800"])
def test_what_cannot_be_packed(value: Any) -> None:
    with pytest.raises(PackError):
        packed(value)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_never_crash(data: bytes) -> None:
    try:
        value = Reader(data).value()
    except Malformed:
        return
    out = bytearray()
    pack(value, out, lambda structure: structure)
    assert out


@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(1, 7))
def test_messages_survive_any_fragmentation(values: list[Any], size: int) -> None:
    data = b"".join(encode(Structure(0x70, [value])) for value in values) + b"\x00\x00"
    decoder, received = Decoder(), []
    for start in range(0, len(data), size):
        decoder.feed(data[start : start + size])
        received += list(decoder.messages())
    assert received == [b"\xb1\x70" + packed(value) for value in values] + [b""]


@pytest.mark.parametrize("size", [65535, 65536, 200_000])
def test_long_messages_are_chunked(size: int) -> None:
    text = "x" * (size - (6 if size < 65542 else 8))
    body = b"\xb1\x71" + packed([text])
    data = encode(Structure(0x71, [[text]]))
    assert len(body) == size
    assert data[:2] == b"\xff\xff"
    assert data[2 + 65535 :][:2] == (0 if size == 65535 else min(65535, size - 65535)).to_bytes(2, "big")
    decoder = Decoder()
    decoder.feed(data)
    assert list(decoder.messages()) == [body]


def test_endless_messages_are_a_protocol_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MESSAGE_LIMIT", 10)
    decoder = Decoder()
    decoder.feed(b"\x00\x06\xb1\x10\x84abc" * 2)
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
        ("00000500" + "00000404", (4, 4)),
        ("00070604", (4, 4)),
        ("00031004", None),
        ("00030307" + "00030306" + "00030305" + "00030304", (5, 2)),
        ("00000003" + "00000104", (4, 1)),
    ],
)
def test_negotiation(proposals: str, version: tuple[int, int] | None) -> None:
    """M-4.1; the cases of tests/unit/bolt_session.cpp are among them."""
    assert negotiate(MAGIC + bytes.fromhex(proposals.ljust(32, "0"))) == version


def test_what_is_supported_can_be_narrowed() -> None:
    proposals = MAGIC + bytes.fromhex("00030404".ljust(32, "0"))
    assert negotiate(proposals, DEFAULT.bolt_versions - {(4, 4)}) == (4, 3)


def test_wrong_magic() -> None:
    assert negotiate(b"GET " + bytes.fromhex("00000404".ljust(32, "0"))) is None
