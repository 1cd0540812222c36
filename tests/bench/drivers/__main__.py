"""`make drivers JSON=path`: what an app sees, driver by driver, when the main changes under it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
from client_environments import DRIVERS, Driver, installed
from options import check_places, some

from drivers import page
from drivers.cells import EVENTS, NOTHING, STATES, Cell, wrong
from drivers.conductor import Conductor, StuckError, conductor
from drivers.explain import unexplained
from drivers.program import ProgramError
from drivers.versions import version
from sandbox.control import CannotDo
from sandbox.http import Unreachable
from sandbox.kube import Refused
from sandbox.world import WorldError

_STOPPED: Final = 130  # 128 + SIGINT, as shells count
_WORLDS_MAX: Final = 3
"""A world that can't go on is replaced; one more than two shows nothing new."""
_DOES_NOT_GO_ON: Final = (CannotDo, OSError, ProgramError, Refused, StuckError, TimeoutError, Unreachable, WorldError)
_NAMES: Final = tuple(driver.name for driver in DRIVERS)


@dataclass(slots=True)
class Measured:
    """The cells, and a sentence for each that could not be played or broke a promise."""

    cells: list[Cell] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


Place = tuple[Driver, str, str]


def say(text: str) -> None:
    """At once: somebody may be watching through a pipe."""
    print(text, flush=True)


async def measure(places: Sequence[Place], folder: Path) -> Measured:
    """Play every cell, one after the other. Raises WorldError when no world starts."""
    found = Measured()
    waiting = list(places)
    for number in range(1, _WORLDS_MAX + 1):
        async with conductor(folder / f"world-{number}", say) as playing:
            await _play_all(playing, waiting, found)
        if not waiting:
            break
    found.failures += [f"{driver.name} {state} {event}: not played" for driver, state, event in waiting]
    return found


async def _play_all(playing: Conductor, waiting: list[Place], found: Measured) -> None:
    """Until none waits, or the world can't go on; the cell at which it could not is not tried again."""
    while waiting:
        driver, state, event = waiting.pop(0)
        try:
            cell = await playing.play(driver, state, event)
        except _DOES_NOT_GO_ON as error:
            found.failures.append(f"{driver.name} {state} {event}: {error}")
            say(found.failures[-1])
            return
        found.cells.append(cell)
        say(f"{driver.name} {state} {event}: {page.shown(cell)}")
        found.failures += [sentence for sentence in (wrong(cell), unexplained(cell)) if sentence]


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="make drivers",
        description="Plays a change of the main under every driver in the sandbox: real processes, a simulated "
        "Memgraph, no cluster.",
        epilog="With make: DRIVERS=neo4j-6,neo4j_go JSON=path. Exit code 0: every cell was played and has an "
        "explanation, no app was told that writes are forbidden, and no acknowledged write is gone. 1: not so. "
        "2: wrong use.",
    )
    parser.add_argument("--drivers", type=some(_NAMES), default=_NAMES, metavar="A,B", help=f"of {', '.join(_NAMES)}")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the cells to this file")
    parser.add_argument(
        "--docs", type=Path, default=Path("docs"), metavar="DIR",
        help="where drivers.md is written when every driver has its cells (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--dir", type=Path, metavar="DIR", help="keep the worlds' logs here (an empty or new folder)")
    found = parser.parse_args(argv)
    check_places(parser, found, "drivers.md")
    return found


def _available(names: Sequence[str]) -> list[Driver]:
    """The drivers asked for that are here; those that aren't are named with what helps."""
    found = []
    for driver in DRIVERS:
        if driver.name not in names:
            continue
        if installed(driver):
            found.append(driver)
        else:
            say(f"without {driver.name}: {driver.obstacle() or 'it is not installed: run make drivers'}")
    return found


def main(argv: Sequence[str]) -> int:
    """The command."""
    options = arguments(argv)
    folder = options.dir or Path(tempfile.mkdtemp(prefix="memgraph-ha-drivers-"))
    drivers = _available(options.drivers)
    began = time.monotonic()
    try:
        found = anyio.run(
            measure, [(driver, state, event) for driver in drivers for state in STATES for event in EVENTS], folder
        )
    except WorldError as error:
        print(f"drivers: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _STOPPED
    if options.json is not None:
        options.json.write_text(json.dumps({"cells": [cell.to_json() for cell in found.cells]}, indent=2) + "\n")
    machine = (
        f"{len(found.cells)} cells in {time.monotonic() - began:.0f} s on {os.cpu_count()} cores "
        f"({platform.system()}, Python {platform.python_version()})."
    )
    return _end(options, folder, found, {driver.name: version(driver) for driver in drivers}, machine)


def _end(options: argparse.Namespace, folder: Path, found: Measured, versions: dict[str, str], machine: str) -> int:
    text = page.tables(found.cells, versions, machine)
    say(f"\n{text}")
    if found.failures:
        print("\nFAILED:\n" + "\n".join(found.failures) + f"\nThe logs are in {folder}", file=sys.stderr)
        return 1
    if len(versions) == len(DRIVERS):
        docs = options.docs / "drivers.md"
        docs.write_text(page.replaced(docs.read_text(), text))
        say(f"\nWritten: {docs}")
    else:
        say(f"\n{options.docs} stays as it is: it shows all drivers or none")
    saw_nothing = sum(cell.seen == NOTHING for cell in found.cells)
    say(f"In {saw_nothing} of {len(found.cells)} cells the app saw nothing")
    if options.dir is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
