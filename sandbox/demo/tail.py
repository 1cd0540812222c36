"""Follows growing files of lines: each call gives the lines that were completed since the last one."""

from __future__ import annotations

from pathlib import Path


class Tail:
    """One file, which may not exist yet. It is only appended to; a half written line waits for its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._half = b""

    def lines(self) -> list[str]:
        """The new complete lines, without their ends."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *whole, self._half = (self._half + data).split(b"\n")
        return [line.decode("utf-8", errors="replace") for line in whole]


class Tails:
    """Every file that matches a pattern below a folder, also those that appear later."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder = folder
        self._pattern = pattern
        self._tails: dict[Path, Tail] = {}

    def lines(self) -> list[tuple[Path, str]]:
        """The new lines of all files, with the file each is from."""
        for path in sorted(self._folder.glob(self._pattern)):
            self._tails.setdefault(path, Tail(path))
        return [(path, line) for path, tail in self._tails.items() for line in tail.lines()]
