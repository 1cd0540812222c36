"""An input read as choices. Every input is some sequence of choices; the same input is always the same sequence."""

from __future__ import annotations


class Choices:
    """Bytes, from the first to the last."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def number(self) -> int:
        """One byte; 0 when there are no more."""
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def data(self, size: int) -> bytes:
        """So many bytes, or what is left."""
        part = self._data[self._at : self._at + size]
        self._at += len(part)
        return part
