"""PackStream: the binary form of Bolt's values."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

DEPTH_LIMIT: Final = 200
"""Nested containers in what a client sends: more would only exhaust the stack."""


class PackError(ValueError):
    """Bytes that are no PackStream value, or a value PackStream can't carry."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A tagged list of fields."""

    tag: int
    fields: list[Any]


def pack(value: Any, out: bytearray, convert: Callable[[Any], Any] | None = None) -> None:
    """Append the bytes of one value. `convert` turns a value of an unknown type into one that can be packed."""
    if value is None:
        out.append(0xC0)
    elif value is True:
        out.append(0xC3)
    elif value is False:
        out.append(0xC2)
    elif isinstance(value, int):
        _pack_int(value, out)
    elif isinstance(value, float):
        out += struct.pack(">Bd", 0xC1, value)
    elif isinstance(value, str):
        try:
            data = value.encode()
        except UnicodeEncodeError as error:
            raise PackError(str(error)) from None
        _header(len(data), out, 0x80, (0xD0, 0xD1, 0xD2))
        out += data
    elif isinstance(value, bytes):
        _header(len(value), out, None, (0xCC, 0xCD, 0xCE))
        out += value
    elif isinstance(value, list | tuple):
        _header(len(value), out, 0x90, (0xD4, 0xD5, 0xD6))
        for item in value:
            pack(item, out, convert)
    elif isinstance(value, dict):
        _header(len(value), out, 0xA0, (0xD8, 0xD9, 0xDA))
        for key, item in value.items():
            pack(key, out, convert)
            pack(item, out, convert)
    elif isinstance(value, Structure):
        out += bytes((0xB0 + len(value.fields), value.tag))
        for item in value.fields:
            pack(item, out, convert)
    elif convert is not None:
        pack(convert(value), out, convert)
    else:
        raise PackError(f"{type(value).__name__} has no PackStream form")


def _pack_int(value: int, out: bytearray) -> None:
    if -16 <= value < 128:
        out += struct.pack(">b", value)
    elif -(2**7) <= value < 2**7:
        out += struct.pack(">Bb", 0xC8, value)
    elif -(2**15) <= value < 2**15:
        out += struct.pack(">Bh", 0xC9, value)
    elif -(2**31) <= value < 2**31:
        out += struct.pack(">Bi", 0xCA, value)
    elif -(2**63) <= value < 2**63:
        out += struct.pack(">Bq", 0xCB, value)
    else:
        raise PackError("integer beyond 64 bits")


def _header(size: int, out: bytearray, tiny: int | None, markers: tuple[int, int, int]) -> None:
    if tiny is not None and size < 16:
        out.append(tiny + size)
    elif size < 2**8:
        out += struct.pack(">BB", markers[0], size)
    elif size < 2**16:
        out += struct.pack(">BH", markers[1], size)
    elif size < 2**32:
        out += struct.pack(">BI", markers[2], size)
    else:
        raise PackError("value too large")


def unpack(data: bytes) -> Any:
    """Exactly one value. Raises PackError."""
    reader = _Reader(data)
    try:
        value = reader.value(0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise PackError(f"truncated or malformed value: {error}") from None
    if reader.offset != len(data):
        raise PackError("bytes after the value")
    return value


_SIZES: Final = {
    0xD0: ("string", ">B"),
    0xD1: ("string", ">H"),
    0xD2: ("string", ">I"),
    0xCC: ("bytes", ">B"),
    0xCD: ("bytes", ">H"),
    0xCE: ("bytes", ">I"),
    0xD4: ("list", ">B"),
    0xD5: ("list", ">H"),
    0xD6: ("list", ">I"),
    0xD8: ("map", ">B"),
    0xD9: ("map", ">H"),
    0xDA: ("map", ">I"),
}
_NUMBERS: Final = {0xC1: ">d", 0xC8: ">b", 0xC9: ">h", 0xCA: ">i", 0xCB: ">q"}
_CONSTANTS: Final = {0xC0: None, 0xC2: False, 0xC3: True}
_TINY: Final = {0x80: "string", 0x90: "list", 0xA0: "map", 0xB0: "structure"}


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def number(self, shape: str) -> Any:
        value = struct.unpack_from(shape, self.data, self.offset)[0]
        self.offset += struct.calcsize(shape)
        return value

    def take(self, size: int) -> bytes:
        end = self.offset + size
        if end > len(self.data):
            raise PackError("truncated value")
        data = self.data[self.offset : end]
        self.offset = end
        return data

    def value(self, depth: int) -> Any:
        if depth > DEPTH_LIMIT:
            raise PackError("value nested too deeply")
        marker = self.data[self.offset]
        self.offset += 1
        if marker < 0x80:
            return marker
        if marker >= 0xF0:
            return marker - 0x100
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in _NUMBERS:
            return self.number(_NUMBERS[marker])
        if marker in _SIZES:
            kind, shape = _SIZES[marker]
            return self.sized(kind, self.number(shape), depth)
        if marker & 0xF0 in _TINY:
            return self.sized(_TINY[marker & 0xF0], marker & 0x0F, depth)
        raise PackError(f"unknown marker {marker:#04x}")

    def sized(self, kind: str, size: int, depth: int) -> Any:
        if kind == "string":
            return self.take(size).decode()
        if kind == "bytes":
            return self.take(size)
        if size > len(self.data) - self.offset and kind != "structure":
            raise PackError("truncated value")
        if kind == "list":
            return [self.value(depth + 1) for _ in range(size)]
        if kind == "map":
            return self.map(size, depth)
        tag = self.number(">B")
        return Structure(tag, [self.value(depth + 1) for _ in range(size)])

    def map(self, size: int, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for _ in range(size):
            key = self.value(depth + 1)
            if not isinstance(key, str):
                raise PackError("a map's keys are strings")
            result[key] = self.value(depth + 1)
        return result
