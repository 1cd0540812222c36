"""Virtual time, and the same run again for the same seed: anyio on trio with a clock that jumps.

trio's scheduler shuffles its tasks by a generator of its own; that one is seeded, by the names that trio's own test of
its determinism uses (a test here fails if they are gone). asyncio would not do: cancelling several tasks at once ends
them in the order of their addresses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import trio._core._run as scheduler
from trio.testing import MockClock

T = TypeVar("T")


def run(main: Callable[[], Awaitable[T]], seed: int) -> T:
    """Run `main` to its end in virtual time."""
    before = vars(scheduler)["_ALLOW_DETERMINISTIC_SCHEDULING"]
    vars(scheduler)["_ALLOW_DETERMINISTIC_SCHEDULING"] = True
    scheduler._r.seed(seed)
    try:
        return anyio.run(main, backend="trio", backend_options={"clock": MockClock(autojump_threshold=0)})
    finally:
        vars(scheduler)["_ALLOW_DETERMINISTIC_SCHEDULING"] = before
