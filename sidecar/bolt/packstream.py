"""PackStream, as much of it as the metadata of a FAILURE can hold: both directions, bounded depth.

Temporal and graph values are kept as Structure; nothing else is lost, so that `dump(load(x))` means what x meant.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

_DEPTH_MAX: Final = 16
"""Deeper than any metadata; it bounds the recursion on hostile bytes."""


class BadPackStream(ValueError):
    """The bytes are no complete PackStream value."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A tagged tuple; every Bolt message is one."""

    signature: int
    fields: tuple[Any, ...]


def load(data: bytes) -> Any:
    """The one value that `data` is. Raises BadPackStream."""
    reader = _Reader(data)
    try:
        value = reader.value(0)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError) as error:
        raise BadPackStream(str(error)) from None
    if reader.at != len(data):
        raise BadPackStream("trailing bytes")
    return value


def dump(value: Any) -> bytes:
    """The bytes of a value made of None, bool, int, float, bytes, str, list, dict and Structure."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return _dump_int(value)
        case float():
            return b"\xc1" + struct.pack(">d", value)
        case bytes():
            return _size(len(value), None, (0xCC, 0xCD, 0xCE)) + value
        case str():
            text = value.encode()
            return _size(len(text), 0x80, (0xD0, 0xD1, 0xD2)) + text
        case list():
            return _size(len(value), 0x90, (0xD4, 0xD5, 0xD6)) + b"".join(dump(item) for item in value)
        case dict():
            items = b"".join(dump(key) + dump(item) for key, item in value.items())
            return _size(len(value), 0xA0, (0xD8, 0xD9, 0xDA)) + items
        case Structure():
            head = bytes((0xB0 | len(value.fields), value.signature))
            return head + b"".join(dump(field) for field in value.fields)
        case _:
            raise BadPackStream(f"cannot pack a {type(value).__name__}")


def _dump_int(value: int) -> bytes:
    if -16 <= value < 128:
        return struct.pack(">b", value)
    for marker, form in ((b"\xc8", ">b"), (b"\xc9", ">h"), (b"\xca", ">i"), (b"\xcb", ">q")):
        limit = 1 << (8 * struct.calcsize(form) - 1)
        if -limit <= value < limit:
            return marker + struct.pack(form, value)
    raise BadPackStream("an integer has at most 64 bits")


def _size(length: int, tiny: int | None, markers: tuple[int, int, int]) -> bytes:
    if tiny is not None and length < 16:
        return bytes((tiny | length,))
    width = 0 if length < 1 << 8 else 1 if length < 1 << 16 else 2
    return bytes((markers[width],)) + length.to_bytes(1 << width, "big")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def value(self, depth: int) -> Any:
        if depth > _DEPTH_MAX:
            raise BadPackStream("nested too deeply")
        marker = self._data[self.at]
        self.at += 1
        if marker < 0x80 or marker >= 0xF0:
            return marker - 256 if marker >= 0xF0 else marker
        high, low = marker & 0xF0, marker & 0x0F
        if high == 0x80:
            return self._text(low)
        if high == 0x90:
            return self._list(low, depth)
        if high == 0xA0:
            return self._map(low, depth)
        if high == 0xB0:
            signature = self._take(1)[0]
            return Structure(signature, tuple(self.value(depth + 1) for _ in range(low)))
        return self._marked(marker, depth)

    def _marked(self, marker: int, depth: int) -> Any:
        match marker:
            case 0xC0:
                return None
            case 0xC1:
                return struct.unpack(">d", self._take(8))[0]
            case 0xC2 | 0xC3:
                return marker == 0xC3
            case 0xC8 | 0xC9 | 0xCA | 0xCB:
                return int.from_bytes(self._take(1 << (marker - 0xC8)), "big", signed=True)
            case 0xCC | 0xCD | 0xCE:
                return self._take(self._length(marker - 0xCC))
            case 0xD0 | 0xD1 | 0xD2:
                return self._text(self._length(marker - 0xD0))
            case 0xD4 | 0xD5 | 0xD6:
                return self._list(self._length(marker - 0xD4), depth)
            case 0xD8 | 0xD9 | 0xDA:
                return self._map(self._length(marker - 0xD8), depth)
            case _:
                raise BadPackStream(f"unknown marker {marker:#x}")

    def _length(self, width: int) -> int:
        return int.from_bytes(self._take(1 << width), "big")

    def _take(self, length: int) -> bytes:
        part = self._data[self.at : self.at + length]
        if len(part) < length:
            raise BadPackStream("ends too early")
        self.at += length
        return part

    def _text(self, length: int) -> str:
        return self._take(length).decode()

    def _list(self, length: int, depth: int) -> list[Any]:
        return [self.value(depth + 1) for _ in range(length)]

    def _map(self, length: int, depth: int) -> dict[Any, Any]:
        return {self.value(depth + 1): self.value(depth + 1) for _ in range(length)}
