"""`python -m sim`: many seeds on all processors, or one with its whole story."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sim import probes
from sim.aimed import SCENARIOS
from sim.run import Result, recipe, run

PATIENCE_S: Final = 60
"""Of real time: a seed takes a quarter of a second. One that takes so long does not end."""
SAY_EVERY_S: Final = 5.0


class Endless(BaseException):
    """The seed does not come to an end."""


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Raise Endless after so much real time."""

    def ring(_number: int, _frame: object) -> None:
        raise Endless(f"does not end within {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def one(seed: int) -> Result:
    """Run a seed; whatever breaks it is a violation."""
    try:
        with alarm(PATIENCE_S):
            return run(seed)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        inner: BaseException = error
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        where = traceback.extract_tb(inner.__traceback__)[-1]
        what = f"{type(inner).__name__} in {Path(where.filename).name}:{where.lineno}: {inner}"
        return Result(seed, recipe(seed).scenario, [what])


class Summary:
    """What many seeds showed together."""

    def __init__(self) -> None:
        self.seeds = 0
        self.bad: list[Result] = []
        self.probes: Counter[str] = Counter()
        self.windows: Counter[str] = Counter()
        self.virtual_s = 0.0
        self.failovers = self.switchovers = self.acked = self.unknown = 0
        self.outages: list[float] = []

    def add(self, result: Result) -> None:
        """One more seed."""
        self.seeds += 1
        if result.violations:
            self.bad.append(result)
        self.probes += result.probes
        self.windows += result.windows
        self.virtual_s += result.virtual_s
        self.failovers += result.failovers
        self.switchovers += result.switchovers
        self.acked += result.acked
        self.unknown += result.unknown
        self.outages += result.outages

    def unreached(self) -> list[str]:
        """Situations and scenarios that no seed came to."""
        return probes.unreached(self.probes, [name.partition(" ")[0] for name in SCENARIOS])

    def figures(self) -> dict[str, object]:
        """For JSON."""
        outages = sorted(self.outages) or [0.0]
        return {
            "seeds": self.seeds,
            "violations": len(self.bad),
            "bad_seeds": [result.seed for result in self.bad],
            "virtual_hours": round(self.virtual_s / 3600, 2),
            "failovers": self.failovers,
            "switchovers": self.switchovers,
            "acked": self.acked,
            "unknown": self.unknown,
            "lost_in_windows": dict(sorted(self.windows.items())),
            "cut_ms": {
                "p50": round(outages[len(outages) // 2] * 1000),
                "p99": round(outages[len(outages) * 99 // 100] * 1000),
            },
            "unreached_probes": self.unreached(),
        }


def story(seed: int) -> int:
    """Print everything that happens in one seed."""
    what = recipe(seed)
    print(f"seed {seed}: {what.scenario}, {what.extra} faults beside it, {what.shape}")
    result = run(seed, lambda at, who, text: print(f"{at:9.3f} {who:>4}  {text}"))
    for violation in result.violations:
        print(f"VIOLATION {violation}")
    windows = ", ".join(f"{name} {count}" for name, count in result.windows.items()) or "none"
    print(
        f"{result.virtual_s:.1f} virtual s, {result.failovers} failovers, {result.switchovers} switchovers, "
        f"{result.acked} writes acknowledged, {result.unknown} of unknown outcome; lost in known windows: {windows}"
    )
    return 1 if result.violations else 0


def many(first: int, count: int, workers: int, path: Path | None) -> int:
    """Run the seeds first..first+count-1."""
    began = said = time.monotonic()
    summary = Summary()
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        for result in pool.imap_unordered(one, range(first, first + count), chunksize=4):
            summary.add(result)
            if result.violations:
                print(f"seed {result.seed} ({result.scenario}): {result.violations[0]}")
                print(f"  its story: make simulate SEED={result.seed}", flush=True)
            if time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                print(f"{summary.seeds} of {count} seeds, {summary.seeds / (said - began):.1f} a second", flush=True)
    took = time.monotonic() - began
    figures = summary.figures()
    if path is not None:
        path.write_text(json.dumps({**figures, "seeds_per_s": round(count / took, 1)}, indent=1) + "\n")
    print(
        f"{count} seeds in {took:.0f} s ({count / took:.1f} a second), {figures['virtual_hours']} virtual hours, "
        f"{summary.failovers} failovers, {summary.switchovers} switchovers, {summary.acked} writes acknowledged: "
        f"{len(summary.bad)} seeds with violations"
    )
    print(f"lost in known windows (docs/safety.md, section 3): {figures['lost_in_windows'] or 'none'}")
    print(f"never reached: {', '.join(summary.unreached()) or 'nothing'}")
    return 1 if summary.bad else 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many (SEEDS=200)")
    parser.add_argument("--first", type=int, default=0, help="the first one (FIRST=0)")
    parser.add_argument("--seed", type=int, help="one seed, with its whole story (SEED=)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write the figures there (JSON=)")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return story(arguments.seed)
    return many(arguments.first, arguments.seeds, arguments.workers, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
