"""What can go wrong, one fault a function: it happens, lasts, and ends when the function returns."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from sim.apiserver import Object, Trouble
from sim.network import both
from sim.ports import STATE
from sim.world import World

Fault = Callable[[World, random.Random], Awaitable[None]]


def _instance(world: World, rng: random.Random) -> str:
    """An instance: the main half of the time, the partner often."""
    chosen = rng.random()
    if chosen < 0.5:
        return world.main
    if chosen < 0.75 and world.partner:
        return world.partner
    return rng.choice(world.names())


async def kill(world: World, rng: random.Random) -> None:
    """SIGKILL; the container restarts in place."""
    name = _instance(world, rng)
    world.log("-", f"FAULT kill {name}")
    world.pods.kill(name)
    await trio.sleep(rng.uniform(0.0, 1.0))


async def kill_twice(world: World, rng: random.Random) -> None:
    """The main, and whoever is main then."""
    for _ in range(2):
        world.log("-", f"FAULT kill {world.main}")
        world.pods.kill(world.main)
        await trio.sleep(rng.uniform(0.1, 2.5))


async def delete(world: World, rng: random.Random) -> None:
    """kubectl delete pod."""
    name = _instance(world, rng)
    world.log("-", f"FAULT delete {name}")
    world.pods.delete(name)
    await trio.sleep(rng.uniform(0.0, 2.0))


async def delete_by_force(world: World, rng: random.Random) -> None:
    """kubectl delete pod --force --grace-period=0."""
    name = _instance(world, rng)
    world.log("-", f"FAULT delete {name} by force")
    world.pods.delete(name, grace_s=0.0)
    await trio.sleep(rng.uniform(0.0, 1.0))


async def freeze(world: World, rng: random.Random) -> None:
    """SIGSTOP for a while."""
    name = _instance(world, rng)
    if not world.fleet.alive(name):
        return
    world.log("-", f"FAULT freeze {name}")
    world.fleet.freeze(name)
    await trio.sleep(rng.choice((rng.uniform(0.1, 2.0), rng.uniform(2.0, 12.0))))
    world.log("-", f"HEALED thaw {name}")
    world.fleet.thaw(name)


async def wipe(world: World, rng: random.Random) -> None:
    """A node and its volume are lost; never the only copy, which no protocol survives."""
    name, truth = _instance(world, rng), world.truth
    document = truth.document()
    last = max(truth.wiped_at.values(), default=-100.0)
    if document is None or document.sync is None or trio.current_time() - last < 30.0:
        return
    main, partner = f"m-{document.master_index}", f"m-{document.sync.ordinal}"
    slots = world.pods.slots
    if (
        slots[document.sync.ordinal].volume != document.sync.volume
        or slots[document.master_index].volume != document.main_volume
    ):
        return
    if (
        not (world.fleet.alive(main) and world.fleet.alive(partner))
        or world.fleet.frozen(main)
        or world.fleet.frozen(partner)
    ):
        return
    if truth.kept.keys() - truth.ids(partner if name == main else main):
        return
    world.log("-", f"FAULT wipe {name}")
    world.pods.wipe(name)


async def power(world: World, rng: random.Random) -> None:
    """A node loses power: what was not synced is gone."""
    name = _instance(world, rng)
    lost = world.pods.lose_power(name)
    world.log("-", f"FAULT power of {name}, {lost} commits unsynced")
    if lost:
        world.truth.unsynced_at[name] = trio.current_time()
    await trio.sleep(rng.uniform(0.0, 1.0))


async def cut_links(world: World, rng: random.Random) -> None:
    """Some links swallow what is sent, in one direction or both."""
    main, leader = world.main, world.leader.name
    partner = world.partner or rng.choice(world.names())
    controllers, sidecars = [c.name for c in world.controllers], [s.name for s in world.sidecars]
    sidecar = rng.choice(sidecars)
    kinds: list[tuple[str, list[tuple[str, str]]]] = [
        ("leader-main", both(leader, main)),
        ("controllers-main", [pair for c in controllers for pair in both(c, main)]),
        ("leader-partner", both(leader, partner)),
        ("leader-api", both(leader, "api")),
        ("leader-all", [pair for n in [*world.names(), "api"] for pair in both(leader, n)]),
        ("leader-instances", [pair for n in world.names() for pair in both(leader, n)]),
        ("main-partner", both(main, partner)),
        ("main-replicas", [pair for n in world.names() if n != main for pair in both(main, n)]),
        ("sidecar-api", both(sidecar, "api")),
        ("sidecar-main", both(sidecar, main)),
        ("sidecars-api", [pair for s in sidecars for pair in both(s, "api")]),
        ("api-all", [pair for n in [*controllers, *sidecars] for pair in both(n, "api")]),
        ("main-isolated", [pair for n in [*world.names(), *controllers] if n != main for pair in both(main, n)]),
        (
            "partner-isolated",
            [pair for n in [*world.names(), *controllers] if n != partner for pair in both(partner, n)],
        ),
        ("stale-sidecar", both(sidecar, "api") + [p for c in controllers for p in both(c, main)]),
    ]
    what, pairs = rng.choice(kinds)
    if rng.random() < 0.3:
        pairs = pairs[::2] if rng.random() < 0.5 else pairs[1::2]
        what += " one way"
    world.log("-", f"FAULT cut {what} {sorted(set(pairs))[:4]}")
    world.network.block(pairs)
    await trio.sleep(rng.choice((rng.uniform(0.2, 2.0), rng.uniform(2.0, 10.0))))
    world.log("-", f"HEALED cut {what}")
    world.network.unblock(pairs)


async def trouble(world: World, rng: random.Random) -> None:
    """The API server loses answers, answers late, fails: for one controller, or for all."""
    names = [world.leader.name] if rng.random() < 0.6 else [c.name for c in world.controllers]
    what = Trouble(
        lost_answer=rng.choice((0.0, 0.3, 0.6)),
        late=rng.choice((0.0, 0.3, 0.6)),
        late_s=6.0,
        fails=rng.choice((0.0, 0.3)),
    )
    world.log("-", f"FAULT trouble {names} {what}")
    for name in names:
        world.api.trouble[name] = what
    await trio.sleep(rng.uniform(1.0, 6.0))
    for name in names:
        world.api.trouble.pop(name, None)
    world.log("-", f"HEALED trouble {names}")


async def controller_dies(world: World, rng: random.Random) -> None:
    """SIGKILL or SIGTERM of the leader."""
    controller = world.leader
    how = rng.choice(("SIGKILL", "SIGTERM"))
    world.log("-", f"FAULT {how} {controller.name}")
    if how == "SIGKILL":
        controller.kill()
    else:
        await controller.terminate()
    await trio.sleep(rng.uniform(0.2, 3.0))
    controller.start()


async def controller_sleeps(world: World, rng: random.Random) -> None:
    """The leader's process or its whole machine stands still."""
    controller = world.leader
    frozen = rng.random() < 0.5
    world.log("-", f"FAULT {'freeze' if frozen else 'stop'} {controller.name}")
    if frozen:
        controller.freeze()
    else:
        world.network.stop(controller.name)
    await trio.sleep(rng.choice((rng.uniform(0.2, 3.0), rng.uniform(3.0, 12.0))))
    world.log("-", f"HEALED {controller.name} goes on")
    controller.thaw()


async def lost_finalizes(world: World, rng: random.Random) -> None:
    """The second phase of commits gets lost on its way, now and then."""
    share = rng.choice((0.2, 1.0))
    before = world.fleet.lose_finalize
    world.log("-", f"FAULT finalizes get lost, {share}")
    world.fleet.lose_finalize = lambda _s, _t: rng.random() < share
    await trio.sleep(rng.uniform(0.2, 3.0))
    world.fleet.lose_finalize = before
    world.log("-", "HEALED finalizes")


async def pod_sleeps(world: World, rng: random.Random) -> None:
    """A client pod stands still."""
    name = rng.choice(world.sidecars).name
    world.log("-", f"FAULT stop {name}")
    world.network.stop(name)
    await trio.sleep(rng.uniform(0.2, 6.0))
    world.log("-", f"HEALED {name} goes on")
    world.network.resume(name)


async def switchover(world: World, rng: random.Random) -> None:
    """A person asks for another main."""
    target = rng.choice(["any", *(str(o) for o in world.pods.slots)])
    world.log("-", f"FAULT switchover {target} is asked for")
    world.ask("switchover", target)
    await trio.sleep(rng.uniform(0.0, 3.0))


async def scale(world: World, rng: random.Random) -> None:
    """3 -> 2 -> 3."""
    wanted = world.pods.wanted
    if wanted < 3:
        return
    world.log("-", f"FAULT scale {wanted} -> {wanted - 1}")
    world.pods.scale(wanted - 1)
    await trio.sleep(rng.uniform(1.0, 10.0))
    world.log("-", f"HEALED scale {wanted}")
    world.pods.scale(wanted)


def change_document(world: World, change: Callable[[Object], None]) -> None:
    """Somebody else's hands on the document."""
    item = world.api.objects.get(STATE)
    if item is not None:
        world.truth.restoring = world.truth.tampered = True
        change(item)
        world.truth.restoring = False


async def document(world: World, rng: random.Random) -> None:
    """The document is deleted or overwritten with nonsense."""
    if rng.random() < 0.5:
        world.log("-", "FAULT the document is deleted")
        change_document(world, lambda item: world.api.remove(item.name))
    else:
        world.log("-", "FAULT the document is garbled")
        change_document(
            world, lambda item: void(world.api.put(item.name, {**item.data, "phase": "nonsense"}, str(item.version)))
        )
    await trio.sleep(rng.uniform(0.0, 2.0))


def void(_: object) -> None:
    """Drop a value."""


ALL: Final[tuple[Fault, ...]] = (
    kill, kill_twice, delete, delete_by_force, freeze, wipe, power, cut_links, cut_links, trouble, controller_dies,
    controller_sleeps, lost_finalizes, pod_sleeps, switchover, scale, document,
)  # fmt: skip
