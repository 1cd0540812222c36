"""The second phase of a commit that never reaches the partner."""

from __future__ import annotations

from typing import Final

import trio

from sandbox.memgraph.core.messages import Lost, Prepare, Request
from sidecar.contract.state import CutKind
from sim.network import both
from sim.scenarios.kinds import Aimed, reached
from sim.world import Shape, World


async def swallowed(world: World) -> None:
    """The main stands still with a commit its partner voted for, and goes on when the partner has thrown it away.

    It acknowledges that commit. Its client must not hear of it (P-C1): the sidecar has acted on the cut by then.
    """
    main, partner, fleet = world.main, world.partner or "m-1", world.fleet
    before, voted = fleet.intercept_answer, trio.Event()

    def freeze_at_vote(source: str, target: str, request: Request) -> Lost | None:
        if isinstance(request, Prepare) and (source, target) == (main, partner) and not voted.is_set():
            world.log("-", f"FAULT freeze {main}, with a commit that {partner} voted for")
            fleet.freeze(main)
            voted.set()
        return before(source, target, request)

    await trio.sleep(world.rng.uniform(0.0, 1.0))
    fleet.intercept_answer = freeze_at_vote
    if await world.until(voted.is_set, 5.0, "a commit to freeze in"):
        if await world.at(lambda: world.cut is not None and world.is_main(partner), "the partner's promotion"):
            reached(world, 1)
        await trio.sleep(world.rng.choice((0.0, world.rng.uniform(0.0, 1.2))))
        world.log("-", f"HEALED thaw {main}")
        fleet.thaw(main)
    fleet.intercept_answer = before


async def on_an_idle_main(world: World) -> None:
    """The partner never hears the end of the last commit before all is quiet; later the main dies (P-S4)."""
    main, registration = world.main, world.registration
    await trio.sleep(world.rng.uniform(0.0, 1.0))

    def lose(source: str, target: str) -> bool:
        for client in world.clients:
            client.resting = True
        return True

    world.fleet.lose_finalize = lose
    await world.until(lambda: world.clients[0].resting, 5.0, "a commit whose end gets lost")
    await trio.sleep(0.3)  # the other clients' last commits
    world.fleet.lose_finalize = lambda _source, _target: False
    if world.main == main and world.registration == registration:
        reached(world, 2)
    await world.until(lambda: world.registration not in (None, registration), 25.0, "the partner to be made anew")
    world.log("-", f"FAULT {main} dies, and stays away")
    world.pods.hold_down(main)
    world.pods.kill(main)
    await trio.sleep(world.rng.uniform(1.0, 8.0))
    world.pods.release(main)
    for client in world.clients:
        client.resting = False


async def in_a_switchover(world: World) -> None:
    """The last commit before a switchover's demotion never ends on the partner that is to take over (P-P)."""
    main, partner, fleet = world.main, world.partner or "m-1", world.fleet
    lost = False
    slow_s = world.rng.uniform(0.02, 0.2)

    def lose(source: str, _target: str) -> bool:
        nonlocal lost
        loses = source == main and world.cut is CutKind.PLANNED
        lost = lost or loses
        return loses

    await trio.sleep(world.rng.uniform(0.0, 1.0))
    fleet.lose_finalize = lose
    fleet.transfer_s = lambda request: slow_s if isinstance(request, Prepare) else 0.0
    world.ask("switchover", "any")
    if await world.at(lambda: lost, "a commit in the cut whose end gets lost") and not world.is_main(partner):
        reached(world, 32)
    await world.until(lambda: world.cut is None, 20.0, "the switchover to end")
    fleet.transfer_s = lambda _request: 0.0
    fleet.lose_finalize = lambda _source, _target: False


async def with_its_client(world: World) -> None:
    """The main's node is cut off, with an app on it, after the partner voted for a commit of that app.

    The main waits for the second phase until it gives it up, and acknowledges. By then another one is main and has
    thrown the commit away; the app's sidecar hears no API server and so of no cut (P-C6).
    """
    main, partner, sidecar, fleet = world.main, world.partner or "m-1", world.sidecars[0], world.fleet
    inside = (main, sidecar.name)
    outside = [name for name in (*world.others(), *world.names(), "api") if name not in inside]
    pairs = [pair for a in inside for b in outside for pair in both(a, b)]
    before, voted = fleet.intercept_answer, trio.Event()

    def cut_off_at_vote(source: str, target: str, request: Request) -> Lost | None:
        answer = before(source, target, request)
        if isinstance(request, Prepare) and (source, target) == (main, partner) and not voted.is_set():
            world.log("-", f"FAULT the node of {main} and {sidecar.name} is cut off; {partner} has voted")
            world.network.block(pairs)
            voted.set()
        return answer

    for client in world.clients[1:]:
        client.resting = True
    await trio.sleep(world.rng.uniform(0.5, 1.0))
    fleet.intercept_answer = cut_off_at_vote
    if await world.until(voted.is_set, 5.0, "a commit to be cut off in"):
        if await world.until(lambda: world.cut is None and world.main == partner, 20.0, "the partner to be main"):
            reached(world, 33)
        await trio.sleep(world.rng.choice((0.0, world.rng.uniform(5.0, 12.0))))
        world.log("-", f"HEALED the node of {main}")
        world.network.unblock(pairs)
    fleet.intercept_answer = before
    for client in world.clients:
        client.resting = False


SCENARIOS: Final[dict[str, Aimed]] = {
    "1 swallowed finalize": Aimed(
        "P-C1 P-F5", "a main acknowledges what its promoted partner threw away", swallowed, Shape(pause_s=0.05)
    ),
    "2 idle main": Aimed("P-S4", "a second phase is lost and nothing follows", on_an_idle_main, Shape(pause_s=0.05)),
    "32 last commit of a switchover": Aimed(
        "P-P",
        "a second phase is lost between a switchover's cut and its demotion",
        in_a_switchover,
        Shape(pause_s=0.02),
    ),
    "33 cut off with its client": Aimed(
        "P-C6 P-F5",
        "an isolated main acknowledges what its promoted partner threw away, to an app on the same node",
        with_its_client,
        Shape(pause_s=0.05),
    ),
}
