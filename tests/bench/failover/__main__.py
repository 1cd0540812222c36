"""`make failover RUNS=30 JSON=path`: how long a failover takes, by kind of fault and by stage, with real processes."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
from options import check_places, positive, some

from failover import page, plot
from failover.bench import Bench, BenchError, bench
from failover.faults import KINDS, Kind
from failover.stages import Run, summary
from sandbox.control import CannotDo
from sandbox.http import Unreachable
from sandbox.kube import Refused
from sandbox.world import WorldError

_FAILURES_MAX: Final = 3
"""Of one kind: then something is broken, and more of it shows nothing new."""
_STOPPED: Final = 130  # 128 + SIGINT, as shells count
_DOES_NOT_GO_ON: Final = (BenchError, WorldError, CannotDo, Refused, Unreachable)


@dataclass(slots=True)
class Measured:
    """One kind. `failures` are sentences about runs without a result and about acknowledged writes that are gone."""

    runs: list[Run] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lost: int = 0
    failures: list[str] = field(default_factory=list)
    worlds: int = 0


def say(text: str) -> None:
    """At once: somebody may be watching through a pipe."""
    print(text, flush=True)


async def measure(kind: Kind, runs: int, folder: Path) -> Measured:
    """Let the kind happen so many times. A world that can't go on is replaced. Raises WorldError."""
    found = Measured()
    while len(found.runs) < runs and len(found.failures) < _FAILURES_MAX:
        found.worlds += 1
        place = folder / f"{kind.name}-{found.worlds}"
        async with bench(place, lambda text: say(f"{kind.name}: {text}")) as world:
            try:
                await _runs(world, kind, runs, found)
            except _DOES_NOT_GO_ON as error:
                found.failures.append(f"{kind.name} {len(found.runs) + 1}/{runs}: {error}")
                say(found.failures[-1])
            try:
                missing = await world.lost()
            except _DOES_NOT_GO_ON as error:
                found.failures.append(f"{kind.name}: nothing could be read back: {error}")
                continue
            found.errors += world.errors()
            found.lost += len(missing)
            found.failures += [f"{kind.name}: LOST: {sentence}" for sentence in missing]
    return found


async def _runs(world: Bench, kind: Kind, runs: int, found: Measured) -> None:
    while True:
        run = await world.run(kind, len(found.runs))
        found.runs.append(run)
        say(_progress(kind, run, len(found.runs), runs, len(found.errors) + len(world.errors())))
        if len(found.runs) == runs:
            return
        try:
            await world.settle()
        except WorldError as error:
            say(f"{kind.name}: {error}: going on in a new world")
            return


def _progress(kind: Kind, run: Run, number: int, runs: int, errors: int) -> str:
    failover = run.failover
    return (
        f"{kind.name} {number}/{runs}: cut {failover.detect:.0f} ms, promoted +{failover.promote:.0f} ms, "
        f"published {failover.publish:.0f} ms, write stall {run.stall:.0f} ms, errors so far {errors}"
    )


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="make failover",
        description="Measures failovers in the sandbox: real processes, a simulated Memgraph, no cluster.",
        epilog="With make: RUNS=30 KINDS=kill,hang JSON=path. Exit code 0: every run has a result and no acknowledged "
        "write is gone. 1: not so. 2: wrong use. Goals that were missed do not change it.",
    )
    parser.add_argument(
        "--runs", type=positive("runs"), default=30, metavar="N", help="of each kind (default: %(default)s)"
    )
    parser.add_argument(
        "--kinds",
        type=some(list(KINDS), "the kinds are"),
        default=list(KINDS),
        metavar="A,B",
        help=f"of {', '.join(KINDS)}",
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to this file")
    parser.add_argument(
        "--docs", type=Path, default=Path("docs"), metavar="DIR",
        help="where failover.md and failover.svg are written when every kind has its runs (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--dir", type=Path, metavar="DIR", help="keep the worlds' logs here (an empty or new folder)")
    found = parser.parse_args(argv)
    check_places(parser, found, "failover.md")
    return found


def main(argv: Sequence[str]) -> int:
    """The command."""
    options = arguments(argv)
    folder = options.dir or Path(tempfile.mkdtemp(prefix="memgraph-ha-failover-"))
    began = time.monotonic()
    figures: dict[str, Any] = {}
    failures: list[str] = []
    for name in options.kinds:
        try:
            found = anyio.run(measure, KINDS[name], options.runs, folder)
        except WorldError as error:
            print(f"failover: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return _STOPPED
        failures += found.failures
        for what, count in Counter(found.errors).items():
            say(f"{name}: {count} managed transactions failed with {what}")
        if found.runs:
            figures[name] = summary(found.runs, len(found.errors), found.lost)
    machine = (
        f"{options.runs} runs of each kind in {time.monotonic() - began:.0f} s on {os.cpu_count()} cores "
        f"({platform.system()}, Python {platform.python_version()}). Milliseconds, p50 / p99."
    )
    if figures:
        say(f"\n{page.tables(figures, machine)}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return _end(options, folder, figures, failures, machine)


def _end(
    options: argparse.Namespace, folder: Path, figures: dict[str, Any], failures: Sequence[str], machine: str
) -> int:
    if failures:
        print("\nFAILED:\n" + "\n".join(failures) + f"\nThe logs are in {folder}", file=sys.stderr)
        return 1
    if len(figures) == len(KINDS):
        text = options.docs / "failover.md"
        text.write_text(page.replaced(text.read_text(), page.tables(figures, machine)))
        plot.draw(figures, options.docs / "failover.svg")
        say(f"\nWritten: {text} and its plot")
    else:
        say(f"\n{options.docs} stays as it is: it shows all kinds or none")
    if options.dir is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
