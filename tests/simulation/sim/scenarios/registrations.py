"""Registrations that are dropped late, or made too early."""

from __future__ import annotations

from typing import Final

import trio

from sandbox.memgraph.core.messages import Request, WalFiles
from sim.network import both
from sim.scenarios.kinds import Aimed, reached
from sim.world import Shape, World


async def buffered_drop(world: World) -> None:
    """A DROP lies in the main's socket until the replica is the partner again; then the main dies for good (P-S2)."""
    main, partner = world.main, world.partner or "m-1"
    dropped: list[str] = []
    arrives = trio.current_time() + world.rng.uniform(2.0, 6.0)

    def buffer(name: str, text: str) -> float:
        if name != main or not text.startswith("DROP REPLICA") or dropped:
            return 0.0
        dropped.append(text)
        world.log("-", f"FAULT {text!r} lies in {name}'s socket")
        return arrives - trio.current_time()

    world.fleet.buffered_s = buffer
    world.pods.kill(partner, restart_s=world.rng.uniform(0.1, 1.0))
    if await world.until(lambda: bool(dropped), arrives - trio.current_time() - 1.6, "a DROP"):
        await trio.sleep(arrives - trio.current_time() + 0.01)
        if world.partner is not None and world.cut is None and world.main == main:
            reached(world, "4b")
        acked, epoch = len(world.truth.kept), world.epoch
        await world.at(lambda: len(world.truth.kept) > acked, "a write", 1.0)
        world.log("-", f"FAULT {main} dies, and stays away")
        world.pods.hold_down(main)
        world.pods.kill(main)
        await world.until(lambda: world.epoch > epoch + 1 and world.cut is None, 10.0, "another main")
        await trio.sleep(world.rng.uniform(0.5, 2.0))
        world.pods.release(main)
    world.fleet.buffered_s = lambda _name, _text: 0.0


async def laggard(world: World) -> None:
    """A replica comes back so far behind that its files take seconds: that must not hold up the writes (P-S5)."""
    main, replica = world.main, world.partner or "m-1"
    world.pods.hold_down(replica)
    world.pods.kill(replica)
    for client in world.clients:
        client.pause_s = 0.02
    count = len(world.truth.kept) + world.rng.randint(200, 300)
    if await world.until(lambda: len(world.truth.kept) >= count, 40.0, "many writes without a partner"):
        reached(world, 13)
    for client in world.clients:
        client.pause_s = 0.1
    world.fleet.transfer_s = _slow
    world.pods.release(replica)
    began, longest, before = trio.current_time(), 0.0, trio.current_time()
    while world.partner is None and trio.current_time() - began < 30.0:
        newest = max(client.last_ack_at for client in world.clients)
        longest = max(longest, trio.current_time() - max(newest, before))
        await trio.sleep(0.01)
    world.fleet.transfer_s = lambda _request: 0.0
    if world.undisturbed and world.main == main and longest > 1.5:
        world.truth.wrong(f"writes waited {longest:.1f} s for a replica that caught up (P-S5)")


async def ghost(world: World) -> None:
    """A link breaks during a REGISTER: its answer never comes, and what it leaves behind gets nothing (M-2.4)."""
    main = world.main
    replica = next(name for name in world.names() if name not in (main, world.partner))
    links, blocked = both(main, replica), [False]

    def break_link(_who: str, name: str, query: str) -> None:
        if name == main and query.startswith("REGISTER REPLICA") and f'"{replica}:' in query and not blocked[0]:
            blocked[0] = True
            world.log("-", f"FAULT cut {main} {replica}")
            world.network.block(links)

    world.truth.heard = break_link
    world.pods.kill(replica, restart_s=world.rng.uniform(0.2, 1.0))
    await world.until(lambda: blocked[0], 20.0, "a REGISTER")
    rows = world.fleet.instances[main].replicas
    if await world.until(lambda: any(row.ghost for row in rows.values()), 10.0, "a ghost"):
        reached(world, 31)
    world.truth.heard = lambda _who, _name, _query: None
    if blocked[0]:
        world.network.unblock(links)


def _slow(request: Request) -> float:
    return 0.015 * sum(len(part.commits) for part in request.parts) if isinstance(request, WalFiles) else 0.0


SCENARIOS: Final[dict[str, Aimed]] = {
    "4b buffered drop": Aimed(
        "P-S2", "a DROP takes effect when its replica is the partner again", buffered_drop, Shape(2, pause_s=0.02)
    ),
    "31 ghost": Aimed("P-S1", "a REGISTER that was cut off leaves a ghost behind", ghost),
    "13 laggard": Aimed("P-S5", "a laggard is to become the partner", laggard, Shape(instances=2)),
}
