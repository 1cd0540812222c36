"""Volumes that are lost, nodes that lose power, and the one copy that is left."""

from __future__ import annotations

from typing import Final

import trio

from sim.scenarios.kinds import Aimed, reached
from sim.world import Shape, World


async def empty_partner(world: World) -> None:
    """The partner's volume is lost and it comes back empty, unseen; then the main dies (P-S1, P-S3, P-F3)."""
    main, partner = world.main, world.partner or "m-1"
    for controller in world.controllers:
        world.network.stop(controller.name)
    await trio.sleep(world.rng.uniform(0.0, 1.0))
    world.log("-", f"FAULT {partner} loses its volume while every controller sleeps")
    world.pods.wipe(partner)
    if await world.until(lambda: world.fleet.alive(partner), 10.0, f"{partner} to be back"):
        await trio.sleep(world.rng.uniform(0.0, 0.5))
        world.log("-", f"FAULT {main} dies, and stays away")
        world.pods.hold_down(main)
        world.pods.kill(main)
        if world.partner == partner:
            reached(world, 3)
        await trio.sleep(0.5)
    for controller in world.controllers:
        world.network.resume(controller.name)
    await trio.sleep(world.rng.uniform(3.0, 8.0))
    world.pods.release(main)


async def nobody_left(world: World) -> None:
    """Two pods: the partner is gone, and the main's container restarts. It is the last published main (P-F3)."""
    main, partner = world.main, world.partner or "m-1"
    world.log("-", f"FAULT {partner} stays away")
    world.pods.hold_down(partner)
    world.pods.kill(partner)
    given_up = world.rng.random() < 0.7
    if given_up:
        await world.until(lambda: world.partner is None, 10.0, "the partner to be given up")
        await trio.sleep(world.rng.uniform(0.0, 2.0))
    epoch = world.epoch
    world.pods.kill(main)
    if await world.until(lambda: world.epoch > epoch, 10.0, "the cut"):
        reached(world, 6)
    await world.must(lambda: world.epoch > epoch + 1 and world.cut is None, 15.0, "the main is main again (P-F3)")
    world.pods.release(partner)


async def unsynced_tail(world: World) -> None:
    """The main's node loses power, and with it what was not flushed; the partner has it (P-N3, P-F3)."""
    main, partner = world.main, world.partner or "m-1"
    await trio.sleep(world.rng.uniform(0.5, 2.0))
    if world.rng.random() < 0.3:
        world.log("-", f"FAULT {partner} stands still")
        world.fleet.freeze(partner)
    lost = world.pods.lose_power(main)
    world.log("-", f"FAULT power of {main}, {lost} commits unsynced")
    if lost:
        world.truth.unsynced_at[main] = trio.current_time()
        reached(world, 9)
    await trio.sleep(world.rng.uniform(1.0, 6.0))
    world.fleet.thaw(partner)


async def empty_main(world: World) -> None:
    """A person names an instance whose volume was lost the main: the full ones must not begin anew from it (P-R1)."""
    full = world.main
    for client in world.clients:
        client.resting = True
    await trio.sleep(1.0)
    empty = world.rng.choice([name for name in world.names() if name != full])
    world.log("-", f"FAULT {empty} loses its volume, and a person names it the main")
    for controller in world.controllers:
        controller.kill()
    world.pods.wipe(empty)
    await world.until(lambda: world.fleet.alive(empty), 10.0, f"{empty} to be back")
    world.name_last_main(empty)
    for controller in world.controllers:
        controller.start()
    if await world.until(lambda: world.main == empty and world.cut is None, 20.0, f"{empty} to be published"):
        reached(world, 8)
    await trio.sleep(world.rng.uniform(10.0, 25.0))
    world.log("-", f"HEALED the person names {full} instead, and throws what {empty} holds away")
    databases = {name: world.fleet.instances[name].database_uuid for name in world.names()}
    world.name_last_main(full)
    world.pods.wipe(empty)
    for client in world.clients:
        client.resting = False
    for name in databases:
        if name != empty and databases[name] != databases[full]:
            await _begin_anew(world, name)


async def _begin_anew(world: World, name: str) -> None:
    """It was empty, too, and has followed the empty main: what it holds only a person may move aside (P-R2)."""
    if await world.until(lambda: name in world.truth.left_alone(), 30.0, f"{name} to be left to a person"):
        world.log("-", f"A PERSON has {name} begin anew")
        world.ask("reseed", name.rpartition("-")[2])


SCENARIOS: Final[dict[str, Aimed]] = {
    "3 empty partner": Aimed("P-S1 P-S3 P-R1", "the partner's volume is lost, then the main", empty_partner),
    "6 nobody left": Aimed("P-F3", "two pods: the partner gone, the main restarted", nobody_left, Shape(instances=2)),
    "8 empty main": Aimed("P-R1", "full replicas of a main that is empty", empty_main),
    "9 power": Aimed("P-N3", "a power loss takes an unsynced tail", unsynced_tail, Shape(flush_every=10, pause_s=0.05)),
}
