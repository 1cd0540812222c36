"""Who is taken for the main and is not: a restarted one, an isolated one, a stranger at its address."""

from __future__ import annotations

from typing import Final

import trio

from sim.apiserver import Trouble
from sim.faults import change_document
from sim.network import both
from sim.scenarios.kinds import Aimed, reached
from sim.world import World


async def killed_in_place(world: World) -> None:
    """The main restarts in its pod when its partner was promoted; a sidecar and the controllers miss it."""
    main, epoch, stale = world.main, world.epoch, world.rng.choice(world.sidecars).name
    cut = both(stale, "api") + [pair for c in world.controllers for pair in both(c.name, main)]
    world.network.block(cut)
    world.log("-", f"FAULT kill {main}, unseen by {stale}")
    world.pods.kill(main, restart_s=world.rng.uniform(0.5, 2.0))
    if await world.until(
        lambda: world.epoch > epoch + 1 and world.cut is None and world.main != main and world.fleet.alive(main),
        20.0,
        "another main beside the restarted one",
    ):
        reached(world, 5)
    await trio.sleep(world.rng.uniform(3.5, 7.0))  # the sidecar asks for 3 s, then dials the main it knows (P-C4)
    world.network.unblock(cut)


async def wrong_rebuild(world: World) -> None:
    """The ex-main, long isolated, is the only one to answer when document and leader are gone (P-W5, P-B1, P-F9)."""
    old, epoch = world.main, world.epoch
    everybody = [*world.names(), *world.others()]
    alone = [pair for name in everybody if name != old for pair in both(old, name)]
    world.log("-", f"FAULT {old} is isolated")
    world.network.block(alone)
    if not await world.until(lambda: world.epoch > epoch + 1 and world.cut is None, 20.0, "another main"):
        world.network.unblock(alone)
        return
    await trio.sleep(world.rng.uniform(0.5, 2.0))
    world.pods.kill(old, restart_s=0.2)  # what comes back is a replica with old data
    await world.until(lambda: world.fleet.alive(old), 5.0, f"{old} to be back")
    rest = [p for c in world.controllers for n in world.names() if n != old for p in both(c.name, n)]
    world.log("-", f"FAULT only {old} answers, and the document is deleted")
    world.network.block(rest)
    world.network.unblock(alone)
    forgotten = world.rng.random() < 0.7
    if forgotten:
        for controller in world.controllers:
            controller.kill()
    change_document(world, lambda item: world.api.remove(item.name))
    await trio.sleep(world.rng.uniform(0.0, 1.0))
    for controller in world.controllers:
        controller.start()
    reached(world, 7)
    await trio.sleep(world.rng.uniform(5.0, 9.0))
    world.network.unblock(rest)


async def stranger(world: World) -> None:
    """The main's node is cut off and its pod deleted by force; its IP belongs to another cluster's main soon.

    Whoever's watch hangs still believes in the old address: a sidecar (P-C4), or the leader (P-F9).
    """
    main, epoch, document = world.main, world.epoch, world.truth.document()
    assert document is not None, "the bootstrap ended"
    stale = world.rng.choice((world.sidecars[0].name, world.sidecars[1].name, world.leader.name))
    cut = [pair for name in [*world.names(), *world.others()] if name != main for pair in both(main, name)]
    world.pods.foreign_main("x-0")
    await trio.sleep(world.rng.uniform(0.0, 1.0))
    world.log("-", f"FAULT {main}'s node is cut off and its pod deleted by force, {stale} does not hear of it")
    world.network.stall_watches(stale)
    world.network.block(cut)
    world.pods.delete(main, grace_s=0.0)
    if stale == world.leader.name:
        await trio.sleep(world.rng.uniform(0.01, 3.0))
    else:
        await world.until(lambda: world.epoch > epoch + 1 and world.cut is None, 20.0, "another main")
        world.api.trouble[stale] = Trouble(slow_s=world.rng.uniform(0.2, 1.0))  # its word is waited for
    world.log("-", f"FAULT {document.main_address} is another cluster's main")
    world.reuse_address(document.main_address, "x-0")
    reached(world, 15)
    if stale == world.leader.name:
        await world.must(lambda: world.epoch > epoch, 2.0, "the main to be given up, since a stranger answers (P-F9)")
    await trio.sleep(world.rng.uniform(1.0, 6.0))
    world.api.trouble.pop(stale, None)
    world.network.resume_watches(stale)
    world.network.unblock(cut)


SCENARIOS: Final[dict[str, Aimed]] = {
    # 14 (readiness gates with OrderedReady deadlock after a full stop) is the chart's: it says Parallel.
    "5 killed in place": Aimed("P-N1", "the main restarts in place", killed_in_place),
    "7 wrong rebuild": Aimed("P-W5 P-B1 P-F9", "the document is deleted, only the ex-main answers", wrong_rebuild),
    "15 stranger": Aimed("P-M2 P-F9 P-C4", "the main's address goes to another cluster's main", stranger),
}
