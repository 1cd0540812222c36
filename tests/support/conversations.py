"""Recorded Bolt conversations: what each side sent, read by read, in the order in which it passed.

A file of tests/golden/bolt has one read a line: `>` (from the client) or `<` (from the server), then hexadecimal; long
reads go on in the next line. Lines that begin with `#` tell where it comes from. `record_conversations.py` wrote them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parents[1] / "golden" / "bolt"
_WIDTH: Final = 56  # bytes a line


class Piece(NamedTuple):
    """One read."""

    from_client: bool
    data: bytes


def names() -> list[str]:
    """Every recorded conversation."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def conversation(name: str) -> list[Piece]:
    """One of them."""
    pieces: list[Piece] = []
    for line in (FOLDER / f"{name}.txt").read_text().splitlines():
        mark, _, digits = line.partition(" ")
        if mark == "#" or not digits:
            continue
        data = bytes.fromhex(digits)
        if mark == "":  # the rest of a long read
            pieces[-1] = Piece(pieces[-1].from_client, pieces[-1].data + data)
        else:
            pieces.append(Piece(mark == ">", data))
    return pieces


def write(name: str, about: str, pieces: Iterable[Piece]) -> None:
    """Keep one."""
    lines = [f"# {about}"]
    for piece in pieces:
        parts = [piece.data[at : at + _WIDTH].hex() for at in range(0, len(piece.data), _WIDTH)]
        lines.append(f"{'>' if piece.from_client else '<'} {parts[0]}")
        lines += [f" {part}" for part in parts[1:]]
    (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n")


def joined(pieces: Iterable[Piece], *, from_client: bool) -> bytes:
    """All that one side sent."""
    return b"".join(piece.data for piece in pieces if piece.from_client is from_client)
