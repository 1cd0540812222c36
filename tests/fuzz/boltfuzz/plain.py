"""Inputs without a fuzzer's engine: the same ones for the same seed, on any Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from boltfuzz.corpus import seeds
from boltfuzz.targets import TARGETS

_BYTES_MAX: Final = 160
"""Of an input made from nothing: some eighty steps of a dialogue."""
_CHANGES_MAX: Final = 6


def inputs(count: int, seed: int) -> Iterator[bytes]:
    """Half of them from nothing, half of them changed seeds."""
    chance = random.Random(seed)
    known = seeds()
    for number in range(count):
        if number % 2:
            yield bytes((chance.randrange(len(TARGETS)),)) + chance.randbytes(chance.randrange(_BYTES_MAX))
        else:
            yield _changed(chance, bytearray(chance.choice(known)))


def _changed(chance: random.Random, data: bytearray) -> bytes:
    for _ in range(chance.randrange(_CHANGES_MAX)):
        at = chance.randrange(len(data)) if data else 0
        match chance.randrange(5):
            case 0:
                data[at : at + 1] = bytes((chance.randrange(256),))
            case 1:
                data[at:at] = chance.randbytes(chance.randrange(1, 5))
            case 2:
                del data[at : at + chance.randrange(1, 9)]
            case 3:
                data[at:at] = data[at : at + chance.randrange(1, 33)]
            case _:
                data += data[at : at + chance.randrange(1, 65)]
    return bytes(data)
