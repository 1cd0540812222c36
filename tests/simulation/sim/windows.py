"""`python -m sim.windows`: how large is what the protocol cannot close? Each window is brought about on purpose, often.

The table says how many acknowledged writes a window cost at most and how long it stood open, for two apps that write
about thirteen times a second between them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import trio

from sidecar.contract.state import Phase
from sim import runtime
from sim.invariants.losses import Window
from sim.network import both
from sim.world import Shape, World, silent_logs


@dataclass
class Measured:
    """One run of one window: acknowledged writes lost, how long it was open, and whether it came about at all."""

    lost: int = 0
    open_ms: float | None = None
    violations: list[str] = field(default_factory=list)


Bring = Callable[[World, Measured], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """One window: what it is, who loses by it, how to bring it about."""

    what: str
    loses: Window
    bring: Bring
    shape: Shape = field(default_factory=Shape)


async def stale_sidecar(world: World, measured: Measured) -> None:
    """A client pod without the API server, while the controllers take its live main for dead."""
    main, sidecar, began = world.main, world.sidecars[0], trio.current_time()
    pairs = both(sidecar.name, "api") + [pair for c in world.controllers for pair in both(c.name, main)]
    world.network.block(pairs)
    await world.until(lambda: world.main != main, 30, "another main")
    await trio.sleep(2.0)
    world.network.unblock(pairs)
    cut_at = next(at for at, document in world.truth.history if document.phase is Phase.CUT and at > began)
    late = [k.ack.at for k in world.truth.kept.values() if k.ack.instance == main and k.ack.sidecar == sidecar.name]
    measured.open_ms = max(0.0, (max(late, default=0.0) - cut_at) * 1000)


async def lost_finalize(world: World, measured: Measured) -> None:
    """The second phase never reaches the partner, and the main's node is lost before anybody noticed."""
    losing = [True]
    world.fleet.lose_finalize = lambda _s, _t: losing[0]
    notes = len(world.fleet.notes)
    await world.until(lambda: len(world.fleet.notes) > notes, 10, "a lost second phase")
    began, losing[0] = trio.current_time(), False
    world.fleet.lose_finalize = lambda _s, _t: False
    await trio.sleep(world.rng.uniform(0.0, 0.3))
    measured.open_ms = (trio.current_time() - began) * 1000
    world.pods.wipe(world.main)


async def idle_lost_finalize(world: World, measured: Measured) -> None:
    """The same on a main that is idle afterwards: how long until the partner is no longer trusted (P-S4)."""
    partner, notes = world.partner, len(world.fleet.notes)
    for client in world.clients:
        client.resting = True
    await trio.sleep(1.0)
    world.fleet.lose_finalize = lambda _s, _t: True
    await world.clients[0].attempt("the last write", explicit=False)
    world.fleet.lose_finalize = lambda _s, _t: False
    assert len(world.fleet.notes) > notes, "its second phase was lost"
    began = trio.current_time()
    await world.until(lambda: world.partner != partner, 30, "the partner to be cleared")
    measured.open_ms = (trio.current_time() - began) * 1000
    for client in world.clients:
        client.resting = False


async def unprotected(world: World, measured: Measured) -> None:
    """The partner dies: how long until another one holds every write (`serve`)."""
    partner = world.partner
    assert partner is not None, "a settled cluster is protected"
    world.pods.kill(partner, restart_s=1.0)
    await world.until(lambda: world.partner is None, 30, "the partner to be cleared")
    began = trio.current_time()
    await world.until(lambda: world.partner is not None, 30, "another partner")
    measured.open_ms = (trio.current_time() - began) * 1000


async def power_of_all(world: World, measured: Measured) -> None:
    """Every node loses power at once, with --storage-wal-file-flush-every-n-tx=10."""
    for name in world.names():
        if world.pods.lose_power(name):
            world.truth.unsynced_at[name] = trio.current_time()


async def read_port(world: World, measured: Measured) -> None:
    """The main dies: how long the read port still leads to its successor, which is main by then."""
    main = world.main
    world.pods.kill(main)
    epoch = max(document.epoch for _, document in world.truth.history)
    await world.until(lambda: world.main != main, 30, "another main")
    cut_at = next(at for at, document in world.truth.history if document.epoch == epoch + 1)
    seen = [at for at, _, seen_epoch in world.truth.applied if seen_epoch == epoch + 1]
    measured.open_ms = (max(seen, default=cut_at) - cut_at) * 1000


async def late_promotion(world: World, measured: Measured) -> None:
    """A leader looks at its lease and sleeps, its clock too; it promotes its candidate when another one leads."""
    sleeper, main, candidate = world.leader, world.main, world.partner
    assert candidate is not None, "a settled cluster is protected"

    def sleep(who: str, name: str, query: str) -> None:
        if (who, name) == (sleeper.name, candidate) and query.startswith("SET REPLICATION ROLE TO MAIN"):
            sleeper.freeze()

    world.truth.sending = sleep
    world.pods.kill(main, restart_s=0.5)
    await world.until(lambda: world.cut is not None, 10, "the cut")
    await world.until(lambda: world.cut is None and world.main == main, 30, "the main to be published again")
    await world.until(lambda: _readable(world, candidate), 30, f"{candidate} to be readable")
    await trio.sleep(world.rng.uniform(0.0, 1.0))
    world.truth.sending = lambda _who, _name, _query: None
    sleeper.thaw()
    if await world.at(lambda: world.is_main(candidate), "the late promotion", 3):
        began = trio.current_time()
        await world.at(lambda: not world.is_main(candidate), "its end", 30)
        measured.open_ms = (trio.current_time() - began) * 1000


def _readable(world: World, name: str) -> bool:
    pod, document = world.pods.slot(name).pod, world.truth.document()
    return pod is not None and document is not None and pod.bolt_address in document.read_addresses


KINDS: Final[dict[str, Kind]] = {
    "stale sidecar": Kind(
        "a sidecar without the API server, during the failover of a live main", Window.STALE_SIDECAR, stale_sidecar
    ),
    "lost second phase": Kind(
        "the second phase is lost and the main's volume too, within 0.3 s", Window.LOST_FINALIZE, lost_finalize
    ),
    "idle lost second phase": Kind(
        "the second phase is lost, the main idle: until P-S4 clears the partner",
        Window.LOST_FINALIZE,
        idle_lost_finalize,
    ),
    "unprotected": Kind("the partner of three dies: until another one is recorded", Window.UNPROTECTED, unprotected),
    "unprotected, two instances": Kind(
        "the only replica dies and is back after 1 s", Window.UNPROTECTED, unprotected, Shape(instances=2)
    ),
    "power of all nodes": Kind(
        "every node loses power, flush every 10", Window.UNSYNCED, power_of_all, Shape(flush_every=10)
    ),
    "read port": Kind("the main dies: until every sidecar has seen the cut", Window.STALE_READ_PORT, read_port),
    "late promotion": Kind(
        "a leader that slept promotes a replica that is read: until it is demoted",
        Window.LATE_PROMOTION,
        late_promotion,
    ),
}


def measure(name: str, seed: int) -> Measured:
    """One run."""
    kind, measured = KINDS[name], Measured()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            world = World(kind.shape, seed, nursery, lambda _who, _what: None)
            await world.start()
            await trio.sleep(world.rng.uniform(1.0, 2.0))
            await kind.bring(world, measured)
            await world.settle()
            for client in world.clients:
                client.resting = True
            await trio.sleep(1.0)
            world.truth.judge()
            measured.lost += world.truth.windows[kind.loses]
            measured.violations = world.truth.violations
            nursery.cancel_scope.cancel()

    with silent_logs():
        runtime.run(main, seed)
    return measured


def row(name: str, runs: list[Measured]) -> dict[str, object]:
    """Figures of one window."""
    opened = sorted(run.open_ms for run in runs if run.open_ms is not None) or [0.0]
    return {
        "runs": len(runs),
        "lost_max": max(run.lost for run in runs),
        "lost_total": sum(run.lost for run in runs),
        "open_ms": {"p50": round(opened[len(opened) // 2]), "p99": round(opened[len(opened) * 99 // 100])},
        "violations": sum(len(run.violations) for run in runs),
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make windows", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="runs a window (RUNS=200)")
    parser.add_argument("--json", type=Path, help="write the figures there (JSON=)")
    arguments = parser.parse_args()
    figures = {}
    print("| window | runs | writes lost, in all | at most in one | open for, p50 | p99 |\n|---|---|---|---|---|---|")
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        for name, kind in KINDS.items():
            runs = pool.map(partial(measure, name), range(arguments.runs), chunksize=4)
            figures[name] = found = row(name, runs)
            ms = found["open_ms"]
            assert isinstance(ms, dict)
            print(
                f"| {kind.what} | {found['runs']} | {found['lost_total']} | {found['lost_max']} "
                f"| {ms['p50']} ms | {ms['p99']} ms |",
                flush=True,
            )
            for run in runs:
                for violation in run.violations[:1]:
                    print(f"VIOLATION in {name}: {violation}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if any(found["violations"] for found in figures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
