"""Mains and leaders that are not what they seem: alone, analytical, asleep."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import trio

from sandbox.memgraph.core.errors import QueryError
from sim.instances import ProcessDied
from sim.scenarios.kinds import Aimed, reached
from sim.world import Shape, World


async def blocked(world: World) -> None:
    """Under `block`, the promoted main finds no strict partner: it is not published, and readers are served."""
    main, candidate = world.main, world.partner or "m-1"
    gone = [name for name in world.names() if name != candidate]
    for name in gone:
        world.pods.hold_down(name)
    world.pods.kill(next(name for name in gone if name != main))
    await trio.sleep(world.rng.uniform(0.0, 0.3))
    world.pods.kill(main)
    if await world.at(lambda: world.cut is not None and world.is_main(candidate), "the candidate to be promoted"):
        await trio.sleep(world.rng.uniform(0.5, 4.0))
        if world.cut is not None:
            reached(world, 17)
    for name in gone:
        world.pods.release(name)
    await world.until(lambda: world.cut is None, 30.0, "the new main to be published")


async def analytical(world: World) -> None:
    """Somebody makes a main analytical: nothing is replicated, and nobody may be called its partner."""
    main = world.main
    if world.rng.random() < 0.5 and world.partner:
        world.pods.kill(world.partner, restart_s=world.rng.uniform(1.0, 3.0))
    await _storage_mode(world, main, "IN_MEMORY_ANALYTICAL")
    if world.main == main:
        reached(world, 19)
    await trio.sleep(world.rng.uniform(1.0, 10.0))
    await _storage_mode(world, main, "IN_MEMORY_TRANSACTIONAL")
    world.truth.analytical_until[main] = trio.current_time()


async def _storage_mode(world: World, name: str, mode: str) -> None:
    world.log("-", f"STORAGE MODE {mode} on {name}")
    with suppress(QueryError, ProcessDied):
        await world.fleet.statement(name, f"STORAGE MODE {mode};", {})


async def sleeping_leader(world: World) -> None:
    """The leader's machine sleeps, its clock too, in the middle of a failover; another leads; it wakes."""
    leader, main, term = world.leader, world.main, _term(world)
    for controller in world.controllers:
        controller.start()
    world.pods.kill(main, restart_s=world.rng.uniform(0.0, 2.0))
    if world.rng.random() < 0.7:
        await world.at(lambda: world.cut is not None, "the cut", 5.0)
        await trio.sleep(world.rng.uniform(0.0, 0.06))
    leader.freeze()
    if await world.until(lambda: _term(world) > term, 20.0, "another leader's term"):
        await trio.sleep(world.rng.choice((0.0, world.rng.uniform(0.0, 0.1), world.rng.uniform(0.1, 4.0))))
        reached(world, 20)
    leader.thaw()


def _term(world: World) -> int:
    document = world.truth.document()
    return document.term if document else -1


_BUSY: Final = Shape(pause_s=0.05)

SCENARIOS: Final[dict[str, Aimed]] = {
    "17 block": Aimed("P-S8", "`block` with a fresh main", blocked, Shape(block=True)),
    "19 analytical": Aimed("P-S1", "a main is switched to analytical mode", analytical),
    "20 sleeping leader": Aimed(
        "P-W2", "a machine frozen with its monotonic clock", sleeping_leader, Shape(pause_s=0.05)
    ),
}
