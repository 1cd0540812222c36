"""Leaders that sleep, die, are late, or reach nobody."""

from __future__ import annotations

from typing import Final

import trio

from sidecar.contract.state import CutKind, Document
from sim.apiserver import Trouble
from sim.network import both
from sim.scenarios.kinds import Aimed, reached
from sim.world import Shape, World


async def records_a_dropped_partner(world: World) -> None:
    """The leader's machine sleeps before it records a partner; the next leader drops that one; it wakes (P-W2)."""
    sleeper, registration = world.leader, ""

    def sleep(who: str, document: Document) -> None:
        nonlocal registration
        if who == sleeper.name and document.sync is not None and not registration and world.partner is None:
            registration = document.sync.registration
            world.log("-", f"FAULT freeze {who} before it records {registration}")
            sleeper.freeze()

    world.api.about_to_write = sleep
    world.pods.kill(world.partner or "m-1", restart_s=world.rng.uniform(0.2, 2.0))
    if await world.until(lambda: bool(registration), 15.0, "a partner to be recorded"):
        main, replica = world.main, f"m-{registration.split('_')[1]}"
        there = world.fleet.instances[main].replicas
        if await world.at(lambda: registration not in there, f"{registration} to be dropped"):
            cut = both(main, replica) + [pair for c in world.controllers for pair in both(c.name, replica)]
            world.network.block(cut)
            acked = len(world.truth.kept)
            if await world.until(lambda: len(world.truth.kept) > acked + 2, 5.0, "writes without it"):
                reached(world, "4a")
            sleeper.thaw()
            await trio.sleep(world.rng.uniform(0.1, 2.0))
            world.network.unblock(cut)
    sleeper.thaw()
    world.api.about_to_write = lambda _who, _document: None


async def reaches_no_database(world: World) -> None:
    """The leader reaches the API server, and no instance; half of the time the main dies meanwhile (P-F1, P-F2)."""
    leader, epoch, main = world.leader, world.epoch, world.main
    cut = [pair for name in world.names() for pair in both(leader.name, name)]
    world.log("-", f"FAULT {leader.name} reaches no instance")
    world.network.block(cut)
    dies = world.rng.random() < 0.5
    if dies:
        await trio.sleep(world.rng.uniform(0.0, 2.0))
        world.pods.kill(main, restart_s=world.rng.uniform(0.5, 4.0))
    await trio.sleep(world.rng.uniform(3.0, 10.0))
    if leader.leads or world.leader is not leader:
        reached(world, 10)
    if not dies and world.undisturbed and world.epoch != epoch:
        world.truth.wrong(f"{leader.name} reached nobody, and gave a healthy main up (P-F1)")
    world.network.unblock(cut)


async def dies_before_it_publishes(world: World) -> None:
    """The leader dies after the promotion and before it publishes; the old main stays away (P-F7)."""
    old, candidate = world.main, world.partner or "m-1"
    await trio.sleep(world.rng.uniform(0.0, 1.0))
    world.pods.hold_down(old)
    world.pods.kill(old)
    if await world.at(lambda: world.cut is not None and world.is_main(candidate), "the promotion"):
        await trio.sleep(world.rng.uniform(0.0, 0.005))
        leader = world.leader
        world.log("-", f"FAULT SIGKILL {leader.name}")
        leader.kill()
        if world.cut is not None:
            reached(world, 11)
            await world.must(lambda: world.cut is None, 15.0, "another leader publishes the promoted partner (P-F7)")
        leader.start()
    world.pods.release(old)


async def late_cut(world: World) -> None:
    """The cut is written when its writer is dead and another leader's term has begun (P-W2)."""
    leader, main = world.leader, world.main
    late = False

    def delay(who: str, document: Document) -> None:
        nonlocal late
        late = late or (who == leader.name and document.cut_kind is CutKind.FAILOVER)
        if late:
            world.api.trouble[leader.name] = Trouble(late=1.0, late_s=10.0)

    world.api.about_to_write = delay
    world.pods.kill(main, restart_s=world.rng.uniform(0.5, 8.0))
    if await world.at(lambda: late, "the cut to be written"):
        await trio.sleep(0.02)  # now it is on its way
        world.log("-", f"FAULT SIGKILL {leader.name}, its cut is on its way")
        leader.kill()
        if await world.until(lambda: world.api.late_conflicts > 0, 11.0, "the cut to arrive"):
            reached(world, 12)
    world.api.about_to_write = lambda _who, _document: None
    world.api.trouble.pop(leader.name, None)
    leader.start()


async def records_late(world: World) -> None:
    """The write that records a partner gets no answer; the partner is dropped; then that write arrives (P-W1)."""
    leader, registration = world.leader, ""

    def delay(who: str, document: Document) -> None:
        nonlocal registration
        if who == leader.name and document.sync is not None and not registration and world.partner is None:
            registration = document.sync.registration
            world.log("-", f"FAULT {who}'s write that records {registration} is on its way for long")
            world.api.trouble[who] = Trouble(late=1.0, late_s=8.0)

    world.api.about_to_write = delay
    world.pods.kill(world.partner or "m-1", restart_s=world.rng.uniform(0.2, 2.0))
    if await world.until(lambda: bool(registration), 15.0, "a partner to be recorded"):
        main, replica = world.main, f"m-{registration.split('_')[1]}"
        await trio.sleep(0.02)  # now it is on its way
        world.api.trouble.pop(leader.name, None)
        world.pods.hold_down(replica)
        world.pods.kill(replica)
        there = world.fleet.instances[main].replicas
        if await world.until(lambda: registration not in there, 8.0, f"{registration} to be dropped"):
            reached(world, 33)
            epoch = world.epoch
            await trio.sleep(world.rng.uniform(0.1, 6.0))
            world.log("-", f"FAULT {main} dies, and stays away; {replica} is back")
            world.pods.hold_down(main)
            world.pods.kill(main)
            world.pods.release(replica)
            await world.until(lambda: world.epoch > epoch + 1 and world.cut is None, 8.0, "another main")
            world.pods.release(main)
        world.pods.release(replica)
    world.api.about_to_write = lambda _who, _document: None
    world.api.trouble.pop(leader.name, None)


SCENARIOS: Final[dict[str, Aimed]] = {
    "4a sleeping leader": Aimed(
        "P-W2", "a sleeping leader records a partner that was dropped", records_a_dropped_partner, Shape(pause_s=0.03)
    ),
    "10 nobody there": Aimed("P-F1 P-F2", "a leader that reaches no database", reaches_no_database),
    "33 late record": Aimed(
        "P-W1", "a write without an answer records a dropped partner late", records_late, Shape(instances=2)
    ),
    "11 half a failover": Aimed("P-F7", "the leader dies between promotion and publication", dies_before_it_publishes),
    "12 late cut": Aimed("P-W2", "a slow cut lands in the next leader's term", late_cut),
}
