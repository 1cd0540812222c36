"""A mounted Secret, read as it is at one moment."""

from __future__ import annotations

from pathlib import Path


def read_folder(folder: Path) -> dict[str, bytes]:
    """Key -> value. Raises OSError; one that comes from a change at this very moment is gone a moment later.

    kubelet changes a Secret's files all at once, by pointing the link `..data` to another folder: reading through the
    link's target never mixes two states.
    """
    now = folder / "..data"
    source = now.resolve(strict=True) if now.is_symlink() else folder
    return {path.name: path.read_bytes() for path in source.iterdir() if path.is_file() and path.name[:2] != ".."}
