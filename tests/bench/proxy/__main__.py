"""`make bench JSON=path`: what a round trip, a MiB, a connection cost through the sidecar and through other proxies."""

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
from pathlib import Path
from typing import Any, Final

from compiled import ROOT, compiled_sidecar
from envtest.failure import DidNotStart as NoControlPlane
from envtest.failure import Unavailable
from generated import replaced
from options import check_places, positive

from compile_sidecar import NotCompiled
from proxy import fanout, page, peers, plot, product, queries, rounds
from proxy.figures import SIDECAR, SIDECAR_PYTHON, figures
from proxy.loads import Ends
from proxy.loop import Stuck
from proxy.packages import install_missing
from proxy.running import DidNotStart

_STOPPED: Final = 130  # 128 + SIGINT, as shells count
_FOLLOWERS: Final = 1000
_WRITES: Final = 40
_QUICK: Final = {"rounds": 1, "share": 0.4, "followers": 100, "writes": 5, "batches": 2}
_WHOLE: Final = {"rounds": 9, "share": 1.0, "followers": _FOLLOWERS, "writes": _WRITES, "batches": 10}


def say(text: str) -> None:
    """At once: somebody may be watching through a pipe."""
    print(text, flush=True)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Measures the sidecar against HAProxy, nginx, Envoy and no proxy at all, in turn, on this machine.",
        epilog="With make: JSON=path ROUNDS=9 QUICK=1. Exit code 0: measured, whatever the goals say. 1: something "
        "did not work. 2: wrong use.",
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to this file")
    parser.add_argument(
        "--rounds", type=positive("rounds"), metavar="N", help=f"default: {_WHOLE['rounds']}; about 40 s each"
    )
    parser.add_argument("--quick", action="store_true", help="one short round, few followers; docs stay as they are")
    parser.add_argument("--only", choices=("peers", "fanout"), help="leave the other half out; docs stay as they are")
    parser.add_argument("--docs", type=Path, default=Path("docs"), metavar="DIR", help="default: %(default)s")
    found = parser.parse_args(argv)
    check_places(parser, found, "benchmarks.md")
    return found


def measure_peers(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Every figure but the fan-out. Raises Stuck, DidNotStart, ConnectionError."""
    size = _QUICK if options.quick else _WHOLE
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})  # the load here, the peers on another core
    try:
        codes, uncompiled = _codes()
        ends = Ends()
        plan = rounds.Plan(folder, cores[-1], options.rounds or int(size["rounds"]), size["share"])
        with product.product(folder, cores[0]) as sidecars:
            everybody = {**{name: sidecars.starter(code) for name, code in codes.items()}, **peers.OTHERS}
            raw = rounds.run(ends, everybody, plan, say)
            ends.close()
            present = {name: start for name, start in everybody.items() if name not in raw.absent}
            os.sched_setaffinity(0, cores)  # the driver and the database are two programs
            for name, values in queries.measure(present, folder, cores[-1], int(size["batches"])).items():
                raw.add(name, values)
    finally:
        os.sched_setaffinity(0, cores)
    return figures(raw.values) | {
        "absent": uncompiled | raw.absent, "versions": peers.versions(), "rounds": plan.rounds,
    }  # fmt: skip


def _codes() -> tuple[dict[str, Path], dict[str, str]]:
    """Where the sidecars' code is; and why there is only one of them, if so."""
    try:
        say("Compiling the sidecar's hot modules, as its image does")
        return {SIDECAR: compiled_sidecar(), SIDECAR_PYTHON: ROOT}, {}
    except NotCompiled as reason:
        say(f"The sidecar is measured uncompiled: {reason}")
        return {SIDECAR: ROOT}, {SIDECAR_PYTHON: f"the sidecar itself is in pure Python here: {reason}"}


def measure_fanout(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The fan-out, or why there is none."""
    size = _QUICK if options.quick else _WHOLE
    try:
        return {"fanout": fanout.measure(folder / "fanout", int(size["followers"]), int(size["writes"]), say)}
    except (Unavailable, NoControlPlane, DidNotStart) as reason:
        say(f"The fan-out is absent: {reason}")
        return {"fanout": None, "absent_fanout": str(reason)}


def main(argv: Sequence[str]) -> int:
    """The command."""
    options = arguments(argv)
    install_missing(say)
    folder = Path(tempfile.mkdtemp(prefix="memgraph-ha-bench-"))
    began = time.monotonic()
    found: dict[str, Any] = {}
    try:
        if options.only != "fanout":
            found |= measure_peers(options, folder)
        if options.only != "peers":
            found |= measure_fanout(options, folder)
    except (Stuck, DidNotStart, ConnectionError) as error:
        print(f"bench: {error}\nThe logs are in {folder}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _STOPPED
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    _end(options, found, time.monotonic() - began)
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _end(options: argparse.Namespace, found: dict[str, Any], seconds: float) -> None:
    if options.only == "fanout":
        say(json.dumps(found, indent=2))
        return
    text = page.text(found, _machine(found, seconds))
    say(f"\n{text}")
    if options.quick or options.only:
        return
    where = options.docs / "benchmarks.md"
    where.write_text(replaced(where.read_text(), text, page.BEGIN, page.END))
    plot.draw(found, options.docs / "benchmarks.svg")
    say(f"\nWritten: {where} and its plot")


def _machine(found: dict[str, Any], seconds: float) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        f"{found['rounds']} rounds in {seconds:.0f} s on {os.cpu_count()} cores ({peers.processor()}, "
        f"{platform.system()} {platform.release()}); {versions}. Medians of the rounds."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
