"""The seeds: what was recorded (tests/golden/bolt), in the form in which the targets read it."""

from __future__ import annotations

import bolt_words as words
from bolt_dialogue import ANSWERS
from conversations import conversation, joined, names

from boltfuzz.targets import CLIENT, TARGETS, UPSTREAM, Target, connection, dialogue, scanner, start, values
from sidecar.bolt import chunks


def seeds() -> list[bytes]:
    """Inputs that reach beyond the handshakes."""
    found: list[bytes] = []
    for name in names():
        pieces = conversation(name)
        body = b"".join(_piece(CLIENT if one.from_client else UPSTREAM, one.data) for one in pieces)
        found.append(_for(connection, b"\1" + body))
        for from_client in (True, False):
            stream = joined(pieces, from_client=from_client)[:4096]
            found.append(_for(scanner, len(stream).to_bytes(2, "big") + stream + b"\7" * 64))
    said = (words.NOT_THE_MAIN, words.NO_LONGER, words.AFTER_COMMIT, *words.REQUESTS.values())
    found += [_for(values, b"\0" + chunks.unpack(one)) for one in said]
    found.append(_for(values, b"\xff\1"))
    found.append(_for(start, words.START))
    # Log on, then one exchange of each kind that drivers pipeline, and an ending in its midst.
    found += [_for(dialogue, bytes((2, 14, 0, 3, number, 6, 0, 10, 0, 18, number))) for number in range(8)]
    # Each answer to a query, as much of it as may be held back, then byte by byte.
    found += [_for(dialogue, bytes((2, 14, 0, 3, 0, 6, 0, 6, number, 11, 0, 12, 15))) for number in range(len(ANSWERS))]
    return found


def _piece(what: int, data: bytes) -> bytes:
    return bytes((what,)) + len(data).to_bytes(2, "big") + data


def _for(target: Target, data: bytes) -> bytes:
    return bytes((TARGETS.index(target),)) + data
