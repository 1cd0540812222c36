"""The timeline on the screen: one line a happening, aligned columns; colour only on a terminal that wants it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TextIO

from sandbox.demo.narrate import Happening, Tone

_WHAT_MAX: Final = 140
"""Characters of one happening: a driver's error with its advice can fill half a screen."""
_WHO_WIDTH: Final = 28  # a controller's pod name
_COLORS: Final = {Tone.ACT: "33;1", Tone.GOOD: "32", Tone.BAD: "31", Tone.TITLE: "1"}


class Timeline:
    """Prints happenings with their time since `origin` (wall-clock seconds)."""

    def __init__(self, stream: TextIO, origin: float, *, color: bool) -> None:
        self._stream = stream
        self._color = color
        self.origin = origin

    def tell(self, happening: Happening) -> None:
        """One line, at once: somebody may be watching through a pipe."""
        print(render(happening, self.origin, color=self._color), file=self._stream, flush=True)

    def say(self, text: str = "", tone: Tone = Tone.PLAIN) -> None:
        """Text without a time."""
        print(paint(text, tone, color=self._color), file=self._stream, flush=True)


def wants_color(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour: a terminal, and no NO_COLOR (https://no-color.org: set and not empty)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def render(happening: Happening, origin: float, *, color: bool) -> str:
    """`   12.34 s  epoch 5   who    what`."""
    epoch = f"epoch {happening.epoch}" if happening.epoch is not None else ""
    what = " ".join(happening.what.split())
    if len(what) > _WHAT_MAX:
        what = what[: _WHAT_MAX - 1] + "…"
    line = f"{happening.ts - origin:8.2f} s  {epoch:<9} {happening.who:<{_WHO_WIDTH}} {what}"
    return paint(line, happening.tone, color=color)


def paint(text: str, tone: Tone, *, color: bool) -> str:
    """The text in its tone's colour, or as it is."""
    code = _COLORS.get(tone)
    return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first is left-aligned, cells that begin with a digit right-aligned."""
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column and (cell[:1].isdigit() or cell == "-") else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
