"""Any bytes: parsed or passed through; never raises, never buffers more than it says, never alters (make fuzz)."""

from __future__ import annotations

import pytest
from boltfuzz.corpus import seeds
from boltfuzz.plain import inputs
from boltfuzz.planted import BUGS, planted
from boltfuzz.targets import run, scaled

INPUTS = 20_000
SHARES = 4


@pytest.mark.parametrize("share", range(SHARES))
def test_no_input_is_a_finding(share: int) -> None:
    with scaled():
        _run_all(INPUTS // SHARES, share)


def test_no_seed_is_a_finding() -> None:
    with scaled():
        for data in seeds():
            run(data)


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    with scaled(), planted(name), pytest.raises((AssertionError, RecursionError)):
        _run_all(INPUTS, 0)


def _run_all(count: int, seed: int) -> None:
    for data in inputs(count, seed):
        try:
            run(data)
        except Exception as error:
            error.add_note(f"input: {data.hex()}")
            raise
