"""The seeds that every push runs, and what the simulation itself must keep: the same seed is the same story."""

from __future__ import annotations

import pytest
from sim import runtime
from sim.__main__ import one
from sim.run import run

SEEDS = 2000
CHUNK = 50
"""Seeds a test: a few seconds each, so that the workers share them evenly."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_seed_shows_a_violation(first: int) -> None:
    bad = {result.seed: result.violations[0] for result in map(one, range(first, first + CHUNK)) if result.violations}
    assert not bad, f"see `make simulate SEED={min(bad)}`: {bad}"


@pytest.mark.parametrize("seed", [1, 4])
def test_a_seed_is_always_the_same_story(seed: int) -> None:
    stories: list[list[tuple[float, str, str]]] = [[], []]
    for story in stories:
        run(seed, lambda at, who, what, story=story: story.append((at, who, what)))  # type: ignore[misc]
    assert stories[0] == stories[1]
    assert len(stories[0]) > 10


def test_virtual_time_costs_nothing() -> None:
    import anyio

    async def sleep() -> float:
        await anyio.sleep(3600)
        return anyio.current_time()

    assert runtime.run(sleep, 1) == pytest.approx(3600)


def test_trio_still_has_what_makes_it_repeatable() -> None:
    import trio._core._run as scheduler

    assert hasattr(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING")
    assert hasattr(scheduler, "_r")
