"""`python -m sandbox.demo`: what `make demo` runs. Arguments, Ctrl-C and exit codes; the play is in scenario.py."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import anyio

from sandbox.demo.live import live_world
from sandbox.demo.scenario import Options, run
from sandbox.demo.stage import PLANTED_BUGS, StageError, only
from sandbox.demo.timeline import Timeline, wants_color
from sandbox.demo.verdict import Verdict, to_json

_STOPPED = 130  # 128 + SIGINT, as shells count


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.demo",
        description="Breaks a memgraph-ha in every way it promises to survive, and counts what apps lost.",
        epilog="Exit code 0: nothing promised was broken. 1: it was, or the demo could not run. 2: wrong use.",
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to this file")
    parser.add_argument(
        "--break", dest="broken", default="", choices=PLANTED_BUGS, help="plant this bug: the demo must then fail"
    )
    parser.add_argument("--short", action="store_true", help="only the first two events, without the introduction")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="keep logs and histories here (an empty or new folder)")
    found = parser.parse_args(argv)
    if found.dir is not None and found.dir.exists() and (not found.dir.is_dir() or any(found.dir.iterdir())):
        parser.error(f"--dir: {found.dir} is not an empty folder: give a new one, or empty it")
    if found.json is not None and not found.json.parent.is_dir():
        parser.error(f"--json: there is no folder {found.json.parent}: make it first")
    return found


async def perform(options: Options, timeline: Timeline) -> Verdict | None:
    """Run the play; None when Ctrl-C or SIGTERM ended it. Raises StageError."""
    verdict: Verdict | None = None
    stopped = anyio.CancelScope()

    async def stop_on_signal() -> None:
        # Listening goes on while everything is being ended: a second Ctrl-C must not leave processes behind.
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                timeline.say("Stopping: ending every process of this demo.")
                stopped.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_signal)
        with stopped:
            verdict = await run(options, live_world, timeline)
        group.cancel_scope.cancel()
    return verdict


def main(argv: Sequence[str]) -> int:
    """The command."""
    found = arguments(argv)
    folder = found.dir or Path(tempfile.mkdtemp(prefix="memgraph-ha-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    timeline = Timeline(sys.stdout, time.time(), color=wants_color(sys.stdout, os.environ))
    options = Options(folder.resolve(), short=found.short, broken=found.broken)
    try:
        verdict = anyio.run(perform, options, timeline)
    except BaseExceptionGroup as group:
        error = only(group, (StageError,))
        if error is None:
            raise
        print(f"sandbox.demo: {error}", file=sys.stderr)
        return 1
    if verdict is None:
        return _STOPPED
    if found.json is not None:
        found.json.write_text(json.dumps(to_json(verdict), indent=2) + "\n", encoding="utf-8")
    if found.dir is None and verdict.exit_code == 0:
        shutil.rmtree(folder, ignore_errors=True)  # nothing in it is worth keeping
    elif verdict.exit_code:
        timeline.say(f"Logs and histories of this run: {folder}")
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
