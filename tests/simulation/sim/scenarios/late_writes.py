"""Writes that are under way, or come by the wrong door, while the main changes."""

from __future__ import annotations

from typing import Final

import trio

from sidecar.contract.state import CutKind
from sim.network import both
from sim.ports import REQUESTS
from sim.scenarios.kinds import Aimed, reached
from sim.world import Shape, World


async def read_port(world: World) -> None:
    """The candidate is main and not yet published: its read port takes writes."""
    main, candidate = world.main, world.partner or "m-1"
    other = next(name for name in world.names() if name not in (main, candidate))
    slow = both(candidate, other) if world.rng.random() < 0.5 else []
    world.network.block(slow)  # the new main's next partner is not found at once: the window is long
    chance = world.rng.random()
    if chance < 0.3:
        world.truth.heard = lambda who, name, query: _silence(world, who, name, query, [(name, who)])
    elif chance < 0.6:
        world.truth.sending = lambda who, name, query: _silence(world, who, name, query, [(who, name)])
    world.pods.kill(main, restart_s=world.rng.uniform(1.0, 3.0))
    if await world.at(lambda: world.cut is not None and world.is_main(candidate), "the candidate to be promoted"):
        reached(world, 16)
        async with trio.open_nursery() as nursery:
            for client in world.clients:
                for _ in range(5):
                    nursery.start_soon(client.write_over_read_port)
    await world.until(lambda: world.cut is None, 20.0, "the candidate to be published")
    world.network.unblock(slow)


def _silence(world: World, who: str, name: str, query: str, pairs: list[tuple[str, str]]) -> None:
    """The promotion does not arrive, or its answer and what follows it do not come back for a while."""
    if query.startswith("SET REPLICATION ROLE TO MAIN"):
        world.truth.heard = world.truth.sending = lambda _who, _name, _query: None
        world.network.block(pairs)
        world.nursery.start_soon(_answers_again, world, pairs)


async def _answers_again(world: World, pairs: list[tuple[str, str]]) -> None:
    await trio.sleep(world.rng.uniform(0.6, 3.0))
    world.network.unblock(pairs)


def _request_taken(world: World) -> bool:
    item = world.api.objects.get(REQUESTS)
    return item is not None and not item.data


async def auto_commit(world: World) -> None:
    """A planned cut while auto-commit writes wait for the partner's vote: they will be committed (P-C2)."""
    partner = world.partner or "m-1"
    misses = both("s-0", "api") if world.rng.random() < 0.4 else []  # this sidecar sees the next main, and no cut
    world.network.block(misses)
    world.ask("switchover", "any")
    if not await world.at(lambda: _request_taken(world), "the request to be taken"):
        world.network.unblock(misses)
        return
    world.fleet.freeze(partner)
    cut = await world.at(lambda: world.cut is CutKind.PLANNED, "the planned cut", 3.0)
    if cut and any(i.committing for i in world.fleet.instances.values()):
        reached(world, 18)
    await trio.sleep(world.rng.uniform(0.2, 1.2))
    world.fleet.thaw(partner)
    await world.until(lambda: world.cut is None, 20.0, "the switchover to end")
    world.network.unblock(misses)


async def frozen_switchover(world: World) -> None:
    """The main stands still somewhere between the planned cut and its demotion."""
    main, at_demotion = world.main, world.rng.random() < 0.4
    if at_demotion:
        world.truth.heard = lambda _who, name, query: _freeze_at_demotion(world, name, query)
    world.ask("switchover", "any")
    if not await world.at(lambda: world.cut is CutKind.PLANNED, "the planned cut"):
        return
    if at_demotion:
        await world.at(lambda: world.fleet.frozen(main), "the demotion", 3.0)
    else:
        await trio.sleep(world.rng.uniform(0.0, 0.02))
    world.truth.heard = lambda _who, _name, _query: None
    world.fleet.freeze(main)
    if world.cut is CutKind.PLANNED:
        reached(world, 23)
    await trio.sleep(world.rng.choice((world.rng.uniform(0.1, 2.0), world.rng.uniform(2.0, 15.0))))
    world.fleet.thaw(main)
    await world.until(lambda: world.cut is None, 20.0, "the switchover to end")


def _freeze_at_demotion(world: World, name: str, query: str) -> None:
    if query.startswith("SET REPLICATION ROLE TO REPLICA"):
        world.fleet.freeze(name)


async def back_at_once(world: World) -> None:
    """The main's process ended and is up again, as a replica, before the pod's status says so."""
    main, epoch, told = world.main, world.epoch, trio.Event()
    if world.rng.random() < 0.5:  # the status comes when this process was promoted already
        world.truth.heard = lambda _who, _name, query: told.set() if query.startswith("CREATE INDEX") else None
    world.pods.flash(main, told)
    answers = await world.at(lambda: world.fleet.alive(main) and not world.is_main(main), "the main to be back", 3.0)
    if answers and world.epoch == epoch and world.cut is None:
        reached(world, 24)
    await world.until(lambda: world.epoch > epoch and world.cut is None, 20.0, "a main to be published")
    world.truth.heard = lambda _who, _name, _query: None


_BUSY: Final = Shape(clients=5, pause_s=0.02)

SCENARIOS: Final[dict[str, Aimed]] = {
    "16 read port": Aimed("P-F4", "a read-port client writes to the unpublished candidate", read_port, _BUSY),
    "18 auto-commit": Aimed("P-C2", "a planned cut with auto-commit writes in flight", auto_commit, _BUSY),
    "23 frozen switchover": Aimed("P-P", "the main freezes in the middle of a switchover", frozen_switchover, _BUSY),
    "24 back at once": Aimed("P-F1", "the main is back as a replica within a second", back_at_once),
}
