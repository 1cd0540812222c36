"""Commands of those who use the cluster and of those who run it."""

from __future__ import annotations

from collections import Counter

import trio
from sim.clients import Client, Told, at_once
from sim.world import Shape, World

from scripting.script import Command
from scripting.stage import Play, Verb
from scripting.words import PARTS, instance, ordinal
from sidecar.core.route import Port

_PATIENCE_S = 30.0
"""How long a client tries to get a write through: longer than a lease, a restart and a failover together."""


async def cluster(play: Play, command: Command) -> list[str]:
    """`cluster [instances=3] [controllers=1] [clients=1] [flush=1] [block] [restore] [unmanaged] [uncrashed]`.

    Starts it, and waits until it serves; `unmanaged`: without the controllers, so that nobody is made main;
    `uncrashed`: what is shown takes long, and its steps are those of other scripts, where the leader dies at each.
    """
    number = command.number
    shape = Shape(
        instances=int(number("instances", 3)),
        controllers=int(number("controllers", 1)),
        clients=int(number("clients", 1)),
        pause_s=number("pause", 0.1),
        block="block" in command.words,
        flush_every=int(number("flush", 1)),
        restore="restore" in command.words,
    )
    world = World(shape, 1, play.nursery, play.said_by_world)
    play.world = world
    for crash in play.crashes:
        crash.watch(world)
    for client in world.clients:
        client.resting = True
    await world.start(controllers="unmanaged" not in command.words)
    if "unmanaged" not in command.words:
        why = await play.until_well(30.0)
        if why is not None:
            return [f"it does not start: {why}"]
        play.opinions.look()
    for crash in play.crashes:
        crash.counting = "uncrashed" not in command.words
    return []


async def scale(play: Play, command: Command) -> list[str]:
    """`scale 5`: spec.replicas of the StatefulSet."""
    play.world.pods.scale(int(command.words[0]))
    return []


async def request(play: Play, command: Command) -> list[str]:
    """`request switchover 2`, `request promote 2 accept-data-loss`: a person asks the controller for something."""
    key, *value = command.words
    named = [ordinal(instance(play, word)) if word in PARTS else word for word in value]
    if key == "promote":
        play.world.truth.accepted_at = trio.current_time()
    play.world.ask(key, " ".join(named))
    return []


def _client(play: Play, command: Command) -> Client:
    return play.world.clients[int(command.number("client", 0))]


async def write(play: Play, command: Command) -> list[str]:
    """`write 3 [client=0] [explicit] [within=30]`: so many writes, one after the other, each until it is acknowledged.

    A write that is refused with "try again" is tried again; one whose outcome is unknown is left alone.
    """
    client, ended = _client(play, command), Counter[str]()
    explicit, within = "explicit" in command.words, command.number("within", _PATIENCE_S)
    for _ in range(int(command.words[0])):
        ident = f"w:{len(play.writes) + 1}"
        with trio.move_on_after(within) as limit:
            while not await client.attempt(ident, explicit=explicit):  # noqa: ASYNC110  # what a driver does
                await trio.sleep(0.05)
        play.writes[ident] = None if limit.cancelled_caught else client.told[ident]
        if limit.cancelled_caught:
            client.hang_up()
        told = play.writes[ident]
        ended["not taken" if told is None else _WORDS[told]] += 1
    return [", ".join(f"{count} {word}" for word, count in ended.items())]


_WORDS = {Told.OK: "acknowledged", Told.UNKNOWN: "not acknowledged", Told.FAILED: "failed"}


async def writers(play: Play, command: Command) -> list[str]:
    """`writers on|off`: every client writes all the time."""
    for client in play.world.clients:
        client.resting = command.words != ("on",)
    if command.words == ("off",):
        await trio.sleep(1.0)  # until what is under way ended
    return []


async def write_to_read_port(play: Play, command: Command) -> list[str]:
    """`write-to-read-port [client=0]`: a write where only reads belong."""
    sidecar = _client(play, command).sidecar
    with trio.move_on_after(3):
        connection = await sidecar.connect(Port.READ)
        if connection is None:
            return ["no connection"]
        ended, _ = await at_once(connection, "misplaced")
        connection.close()
        return [f"{ended.value}"]
    return ["no connection within 3 s"]


async def advance(play: Play, command: Command) -> list[str]:
    """`advance 2`: seconds pass."""
    await trio.sleep(float(command.words[0]))
    return []


async def until(play: Play, command: Command) -> list[str]:
    """`until Promoting [within=20]`: until a controller decides something for this reason."""
    reason, within = command.words[0], command.number("within", 20.0)
    deadline = trio.current_time() + within
    while not play.opinions.had(reason):
        if trio.current_time() >= deadline:
            return [f"no {reason} within {within:g} s"]
        await trio.sleep(0.002)
    return []


async def settle(play: Play, command: Command) -> list[str]:
    """`settle [within=60] [without=2]`: until everything is well again, and stays so."""
    within = command.number("within", 60.0)
    missing = filter(None, command.options.get("without", "").split(","))
    without = frozenset(word if word.startswith("s-") else instance(play, word) for word in missing)
    why = await play.until_well(within, without)
    return [] if why is None else [f"not well after {within:g} s: {why}"]


VERBS: dict[str, Verb] = {
    "cluster": cluster,
    "scale": scale,
    "request": request,
    "write": write,
    "writers": writers,
    "write-to-read-port": write_to_read_port,
    "advance": advance,
    "until": until,
    "settle": settle,
}
