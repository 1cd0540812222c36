"""Replicas that flap, hang, leave, or cannot be registered."""

from __future__ import annotations

from typing import Final

import trio

from sim.network import both
from sim.scenarios.kinds import Aimed, reached
from sim.world import Shape, World


async def flap(world: World) -> None:
    """A read replica loses and finds its main again and again: nobody else's connections may notice (section 1)."""
    main, partner, epoch = world.main, world.partner, world.epoch
    flapping = next(name for name in world.names() if name not in (main, partner))
    address = world.pods.picture()[world.pods.slot(flapping).ordinal].bolt_address

    def read() -> bool:
        document = world.truth.document()
        return document is not None and address in document.read_addresses

    await world.until(read, 10.0, f"{flapping} to be read")
    seen = len(world.truth.history)
    restarts = world.rng.random() < 0.3  # it has to be registered anew, over the broken link
    for _ in range(world.rng.randint(1, 3)):
        world.network.block(both(main, flapping))
        await world.until(lambda: not read(), 15.0, f"{flapping} to lag")
        if restarts:
            world.pods.kill(flapping)
        await trio.sleep(world.rng.choice((world.rng.uniform(0.0, 2.0), world.rng.uniform(5.0, 12.0))))
        world.network.unblock(both(main, flapping))
        await world.until(read, 40.0, f"{flapping} to be read again")
    changes = {d.read_addresses for _, d in world.truth.history[seen:] if d.epoch == epoch}
    if len(changes) > 1:
        reached(world, 25)
    if world.undisturbed and not restarts and world.epoch != epoch:
        world.truth.probes["the broken link of a read replica cost a failover"] += 1


async def busy(world: World) -> None:
    """The main hardly ever rests between two commits when a STRICT_SYNC registration is to be made."""
    partner = world.partner or "m-1"
    calm = [client.pause_s for client in world.clients]
    for client in world.clients:
        client.pause_s = world.rng.uniform(0.002, 0.005)
    world.pods.kill(partner, restart_s=world.rng.uniform(0.5, 2.0))
    if await world.until(lambda: world.partner is None and world.cut is None, 20.0, "the partner to be given up"):
        reached(world, 28)
    if not await world.until(lambda: world.partner is not None, 30.0, "another partner"):
        world.truth.probes["a busy main without a partner for 30 s"] += 1  # P-S5's short planned cut is to come
    for client, pause_s in zip(world.clients, calm, strict=True):
        client.pause_s = pause_s


async def hung_partner(world: World) -> None:
    """The partner stands still and holds up every commit; it does not go on by itself (P-S10)."""
    partner = world.partner or "m-1"
    process = world.fleet.instances[partner]
    world.log("-", f"FAULT freeze {partner}, for good")
    world.fleet.freeze(partner)
    if await world.at(lambda: any(i.committing for i in world.fleet.instances.values()), "a commit that waits", 3.0):
        reached(world, 29)
    if world.rng.random() < 0.4:  # nobody may take over: the clients are not cut for that (P-F2)
        await trio.sleep(world.rng.uniform(1.7, 2.7))
        world.pods.kill(world.main, restart_s=world.rng.uniform(2.0, 4.0))

    def over() -> bool:
        return world.fleet.instances[partner] is not process or not world.fleet.frozen(partner)

    if not await world.until(over, 30.0, "the hung partner to be deleted"):
        if world.partner == partner:
            world.truth.wrong(f"{partner} hangs and is still the partner after 30 s (P-S10)")
        world.pods.kill(partner)  # as a liveness probe would


async def partner_leaves(world: World) -> None:
    """3 -> 2 -> 3, and the partner is on the pod that leaves."""
    main, first = world.main, world.partner
    last = world.names()[-1]
    if main == last:
        return
    if first != last and first is not None:
        world.pods.hold_down(first)
        world.pods.kill(first)
        await world.until(lambda: world.partner == last, 20.0, f"{last} to be the partner")
        world.pods.release(first)
        await world.until(lambda: world.truth.unsettled(0.0) is None, 20.0, f"{first} to be back")
    if world.partner == last:
        reached(world, 30)
    world.log("-", "FAULT scale 3 -> 2")
    world.pods.scale(2)
    await trio.sleep(world.rng.choice((world.rng.uniform(0.0, 5.0), world.rng.uniform(5.0, 12.0))))
    world.log("-", "HEALED scale 3")
    world.pods.scale(3)


SCENARIOS: Final[dict[str, Aimed]] = {
    "25 lag flap": Aimed("section 1", "a read replica's link comes and goes", flap),
    "28 busy main": Aimed("P-S5", "a busy main never lets a STRICT registration through", busy, Shape(clients=4)),
    "29 hung partner": Aimed("P-S10", "the partner hangs, not dead", hung_partner, Shape(pause_s=0.05)),
    "30 partner leaves": Aimed("P-S7", "scale 3 -> 2 -> 3 with the partner on the leaving pod", partner_leaves),
}
