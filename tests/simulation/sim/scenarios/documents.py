"""The document and what it is about part ways: backups, fresh installations, deletions."""

from __future__ import annotations

from typing import Final

import trio

from controller.core.reasons import Reason
from sim.faults import change_document
from sim.ports import LEASE, STATE
from sim.scenarios.kinds import Aimed, reached
from sim.world import Shape, World


async def backup(world: World) -> None:
    """etcd is restored from a backup that is one or two failovers old: lower epoch, another main, another partner."""
    state, lease = world.api.objects[STATE], world.api.objects[LEASE]
    for _ in range(world.rng.choice((1, 1, 2))):
        await _another_epoch(world)
        await trio.sleep(world.rng.uniform(0.0, 6.0))
    if world.rng.random() < 0.5:
        for controller in world.controllers:
            controller.kill()
    world.log("-", "FAULT the store is restored from a backup")
    change_document(world, lambda _: world.api.restore(STATE, state))
    if world.rng.random() < 0.5:
        world.api.restore(LEASE, lease)
    reached(world, 21)
    await _start_controllers(world)


async def reinstall(world: World) -> None:
    """Fresh volumes, another document with low epochs, and sidecars that remember the old one's."""
    await _another_epoch(world)
    world.reinstall()
    reached(world, 22)
    await _start_controllers(world)
    await world.until(lambda: world.epoch >= 0 and world.cut is None, 30.0, "the new installation to serve")


async def _start_controllers(world: World) -> None:
    await trio.sleep(world.rng.uniform(0.0, 3.0))
    for controller in world.controllers:
        controller.start()


async def _another_epoch(world: World) -> None:
    epoch = world.epoch
    world.pods.kill(world.main, restart_s=world.rng.uniform(0.1, 1.0))
    await world.until(lambda: world.epoch > epoch and world.cut is None, 30.0, "the failover")


async def half_done_bootstrap(world: World) -> None:
    """The leader dies in the middle of a bootstrap; with luck nothing remembers where it was."""
    world.reinstall()
    for controller in world.controllers:
        controller.start()
    stages = {
        "the document": lambda: world.epoch >= 0,
        "the promotion": lambda: any(world.is_main(name) for name in world.names()),
        "the marker": lambda: any(_marked(world, name) for name in world.names()),
        "the partner": lambda: any(i.replicas for i in world.fleet.instances.values()),
    }
    what = world.rng.choice(list(stages))
    await world.at(stages[what], what, 30.0)
    await trio.sleep(world.rng.uniform(0.0, 0.005))
    for controller in world.controllers:
        controller.kill()
    if world.rng.random() < 0.5:
        change_document(world, lambda item: world.api.remove(item.name))
    reached(world, 26)
    await _start_controllers(world)
    await world.until(lambda: world.epoch >= 0 and world.cut is None, 30.0, "the bootstrap to end")


def _marked(world: World, name: str) -> bool:
    return world.fleet.alive(name) and bool(world.fleet.instances[name].graph.indexes)


async def deleted_beside_the_dead(world: World) -> None:
    """The document is deleted while a replica is dead: its leader knows it, so nobody has to answer first (P-W5)."""
    dead = world.rng.choice([name for name in world.names() if name != world.main])
    world.pods.hold_down(dead)
    world.pods.kill(dead)
    await trio.sleep(world.rng.uniform(0.0, 3.0))
    seen = len(world.truth.history)
    change_document(world, lambda item: world.api.remove(item.name))
    forgotten = world.rng.random() < 0.2
    if forgotten:
        world.leader.kill()
    restored = await world.until(
        lambda: any(d.reason == Reason.DOCUMENT_RESTORED for _, d in world.truth.history[seen:]), 5.0, "the document"
    )
    if restored and dead not in world.fleet.opened:
        reached(world, 27)
    if world.undisturbed and not forgotten and not restored:
        world.truth.wrong("a leader that knows the deleted document did not restore it (P-W5)")
    world.pods.release(dead)
    for controller in world.controllers:
        controller.start()


SCENARIOS: Final[dict[str, Aimed]] = {
    "21 backup": Aimed("P-W4 P-B1", "the store is restored from a backup", backup, Shape(pause_s=0.05)),
    "22 reinstall": Aimed("P-C5", "reinstalled on fresh volumes while old sidecars live", reinstall),
    "26 half-done bootstrap": Aimed("P-B1", "the leader dies during the bootstrap", half_done_bootstrap),
    "27 deleted": Aimed("P-W5", "the document is deleted while one replica is dead", deleted_beside_the_dead),
}
