"""PackStream as Memgraph reads and writes it: no byte strings, maps in the order of their keys, few structures."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

DEPTH_LIMIT: Final = 200
"""Nested containers in what a client sends: more would only exhaust the stack."""

_T = TypeVar("_T")


class PackError(ValueError):
    """A value that PackStream can't carry."""


class Malformed(ValueError):
    """Bytes of a client that are no PackStream value, or none that Memgraph reads."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A tagged list of fields."""

    tag: int
    fields: list[Any]


def pack(value: Any, out: bytearray, convert: Callable[[Any], Any] | None = None) -> None:
    """Append the bytes of one value. `convert` turns a value of an unknown type into one that can be packed."""
    kind = type(value)
    if kind is str:
        _pack_str(value, out)
    elif kind is int:
        _pack_int(value, out)
    elif kind is dict:
        _header(len(value), out, 0xA0, (0xD8, 0xD9, 0xDA))
        for key in sorted(value):  # the real server keeps maps sorted
            _pack_str(key, out)
            pack(value[key], out, convert)
    elif kind is list or kind is tuple:
        _header(len(value), out, 0x90, (0xD4, 0xD5, 0xD6))
        for item in value:
            pack(item, out, convert)
    elif value is None:
        out.append(0xC0)
    elif kind is bool:
        out.append(0xC3 if value else 0xC2)
    elif kind is float:
        out += struct.pack(">Bd", 0xC1, value)
    elif kind is Structure:
        out += bytes((0xB0 + len(value.fields), value.tag))
        for item in value.fields:
            pack(item, out, convert)
    elif convert is not None:
        pack(convert(value), out, convert)
    else:
        raise PackError(f"{kind.__name__} has no PackStream form")


def _pack_str(value: str, out: bytearray) -> None:
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise PackError(str(error)) from None
    _header(len(data), out, 0x80, (0xD0, 0xD1, 0xD2))
    out += data


def _pack_int(value: int, out: bytearray) -> None:
    if -16 <= value < 128:
        out.append(value & 0xFF)
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


def _header(size: int, out: bytearray, tiny: int, markers: tuple[int, int, int]) -> None:
    if size < 16:
        out.append(tiny + size)
    elif size < 2**8:
        out += struct.pack(">BB", markers[0], size)
    elif size < 2**16:
        out += struct.pack(">BH", markers[1], size)
    elif size < 2**32:
        out += struct.pack(">BI", markers[2], size)
    else:
        raise PackError("value too large")


_SIZES: Final = {
    0xD0: ("string", struct.Struct(">B")),
    0xD1: ("string", struct.Struct(">H")),
    0xD2: ("string", struct.Struct(">I")),
    0xD4: ("list", struct.Struct(">B")),
    0xD5: ("list", struct.Struct(">H")),
    0xD6: ("list", struct.Struct(">I")),
    0xD8: ("map", struct.Struct(">B")),
    0xD9: ("map", struct.Struct(">H")),
    0xDA: ("map", struct.Struct(">I")),
}
_NUMBERS: Final = {0xC1: ">d", 0xC8: ">b", 0xC9: ">h", 0xCA: ">i", 0xCB: ">q"}
_NUMBER_SHAPES: Final = {marker: struct.Struct(shape) for marker, shape in _NUMBERS.items()}
_CONSTANTS: Final = {0xC0: None, 0xC2: False, 0xC3: True}

_STRUCTURES: Final = frozenset(
    {(1, 0x44), (1, 0x74), (2, 0x64), (3, 0x4E), (3, 0x72), (3, 0x50), (3, 0x49), (3, 0x69), (3, 0x58)}
    | {(4, 0x45), (4, 0x59), (5, 0x52)}
)
"""(fields, signature) of the structures Memgraph reads: date and time, points, and (in their old form) graph elements.
Source: src/communication/bolt/v1/decoder/decoder.hpp."""
_STRUCTURES_BEFORE_5: Final = _STRUCTURES | {(3, 0x46), (3, 0x66)}


class Reader:
    """Reads a message's bytes one value after the other. `structures`: whether a value so far was or held one."""

    __slots__ = ("_data", "_known", "_offset", "structures")

    def __init__(self, data: bytes, major: int = 5) -> None:
        self._data = data
        self._offset = 0
        self._known = _STRUCTURES if major >= 5 else _STRUCTURES_BEFORE_5
        self.structures = False

    def header(self) -> tuple[int, int]:
        """Marker and signature of a message. Raises Malformed."""
        if len(self._data) < 2:
            raise Malformed("a message begins with marker and signature")
        self._offset = 2
        return self._data[0], self._data[1]

    def expect(self, kind: type[_T]) -> _T:
        """The next value, which has to be a `kind`. Raises Malformed."""
        value = self.value()
        if type(value) is not kind:
            raise Malformed(f"{type(value).__name__} where a {kind.__name__} belongs")
        return value

    def value(self) -> Any:
        """The next value. Raises Malformed."""
        try:
            return self._value(0)
        except (IndexError, struct.error, UnicodeDecodeError) as error:
            raise Malformed(f"truncated or malformed value: {error}") from None

    def rest(self) -> bytes:
        """What was not read."""
        return self._data[self._offset :]

    def _value(self, depth: int) -> Any:
        marker = self._data[self._offset]
        self._offset += 1
        if marker < 0x80:
            return marker
        if marker < 0x90:
            return self._string(marker - 0x80)
        if marker >= 0xF0:
            return marker - 0x100
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in _NUMBER_SHAPES:
            return self._number(_NUMBER_SHAPES[marker])
        if depth > DEPTH_LIMIT:
            raise Malformed("value nested too deeply")
        if marker < 0xA0:
            return self._list(marker - 0x90, depth)
        if marker < 0xB0:
            return self._map(marker - 0xA0, depth)
        if marker < 0xC0:
            return self._structure(marker - 0xB0, depth)
        if marker not in _SIZES:
            raise Malformed(f"unknown marker {marker:#04x}")
        kind, shape = _SIZES[marker]
        size = self._number(shape)
        if kind == "string":
            return self._string(size)
        return self._list(size, depth) if kind == "list" else self._map(size, depth)

    def _number(self, shape: struct.Struct) -> Any:
        (number,) = shape.unpack_from(self._data, self._offset)
        self._offset += shape.size
        return number

    def _string(self, size: int) -> str:
        start = self._offset
        end = start + size
        if end > len(self._data):
            raise Malformed("truncated string")
        self._offset = end
        return self._data[start:end].decode()

    def _list(self, size: int, depth: int) -> list[Any]:
        self._enough(size)
        return [self._value(depth + 1) for _ in range(size)]

    def _map(self, size: int, depth: int) -> dict[str, Any]:
        self._enough(2 * size)
        result: dict[str, Any] = {}
        for _ in range(size):
            key = self._value(depth + 1)
            if type(key) is not str:
                raise Malformed("a map's keys are strings")
            result[key] = self._value(depth + 1)
        if len(result) != size:
            raise Malformed("a map with the same key twice")
        return result

    def _structure(self, size: int, depth: int) -> Structure:
        tag = self._data[self._offset]
        self._offset += 1
        if (size, tag) not in self._known:
            raise Malformed(f"unknown structure {tag:#04x} with {size} fields")
        self.structures = True
        return Structure(tag, [self._value(depth + 1) for _ in range(size)])

    def _enough(self, size: int) -> None:
        if size > len(self._data) - self._offset:
            raise Malformed("truncated value")
