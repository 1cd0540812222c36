"""The inside of one complete Bolt message, for the few that are read and not only passed on."""

from __future__ import annotations

from typing import Any

from sidecar.bolt import chunks, packstream


def fields(message: bytes, number: int) -> tuple[Any, ...] | None:
    """The fields of a message in chunks; None if it can't be read, or has not so many of them."""
    try:
        found = packstream.load(chunks.unpack(message))
    except packstream.BadPackStream:
        return None
    return found.fields if isinstance(found, packstream.Structure) and len(found.fields) == number else None


def metadata(message: bytes) -> dict[Any, Any] | None:
    """The map that a SUCCESS or a FAILURE consists of; None if there is none to be read."""
    found = fields(message, 1)
    return found[0] if found is not None and isinstance(found[0], dict) else None
