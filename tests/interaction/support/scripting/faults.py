"""Commands that break things, and those that mend them."""

from __future__ import annotations

import trio
from sim.apiserver import Object, Trouble
from sim.controllers import Controller
from sim.faults import change_document, void
from sim.ports import STATE

from sandbox.memgraph.core.errors import QueryError
from scripting.script import Command
from scripting.stage import Mistake, Play, Verb
from scripting.words import instance, instances, links


async def kill(play: Play, command: Command) -> list[str]:
    """`kill main [restart=2]`: SIGKILL; the container starts again in its pod, unless `hold` says otherwise."""
    for name in instances(play, command):
        restart = float(command.options["restart"]) if "restart" in command.options else None
        play.world.pods.kill(name, restart_s=restart)
    return []


async def hold(play: Play, command: Command) -> list[str]:
    """`hold 0`: whatever ends there does not start again; its node is gone."""
    for name in instances(play, command):
        play.world.pods.hold_down(name)
    return []


async def release(play: Play, command: Command) -> list[str]:
    """`release 0`: the end of `hold`."""
    for name in instances(play, command):
        play.world.pods.release(name)
    return []


async def hang(play: Play, command: Command) -> list[str]:
    """`hang main`: SIGSTOP."""
    for name in instances(play, command):
        play.world.fleet.freeze(name)
    return []


async def thaw(play: Play, command: Command) -> list[str]:
    """`thaw 0`: SIGCONT."""
    for name in instances(play, command):
        play.world.fleet.thaw(name)
    return []


async def delete(play: Play, command: Command) -> list[str]:
    """`delete main`: kubectl delete pod, with the chart's preStop sleep."""
    for name in instances(play, command):
        play.world.pods.delete(name)
    return []


async def force_delete(play: Play, command: Command) -> list[str]:
    """`force-delete main`: kubectl delete pod --force --grace-period=0."""
    for name in instances(play, command):
        play.world.pods.delete(name, grace_s=0.0)
    return []


async def wipe(play: Play, command: Command) -> list[str]:
    """`wipe main`: node and volume are lost; another pod comes up on an empty one."""
    for name in instances(play, command):
        play.world.pods.wipe(name)
    return []


async def power_loss(play: Play, command: Command) -> list[str]:
    """`power-loss main`: the node loses power and comes back, without what was not synced."""
    return [f"{play.world.pods.lose_power(name)} commits were not synced" for name in instances(play, command)]


async def cut(play: Play, command: Command) -> list[str]:
    """`cut main controllers [oneway]`: what one sends to the other is swallowed."""
    pairs = links(play, command)
    play.world.network.block(pairs)
    play.cut += pairs
    return []


async def heal(play: Play, _: Command) -> list[str]:
    """`heal`: every link works again."""
    play.world.network.unblock(play.cut)
    play.cut.clear()
    return []


async def lose_finalizes(play: Play, command: Command) -> list[str]:
    """`lose-finalizes on|off`: the second phase of commits gets lost on its way."""
    lost = command.words == ("on",)
    play.world.fleet.lose_finalize = lambda _source, _target: lost
    return []


async def api(play: Play, command: Command) -> list[str]:
    """`api fine`, or `api lost=1 [late=1 fails=1]`: what happens to the leader's calls, as probabilities."""
    world = play.world
    if command.words == ("fine",):
        world.api.trouble.clear()
        return []
    number = command.number
    world.api.trouble[world.leader.name] = Trouble(
        number("lost", 0), number("late", 0), number("late_s", 3), number("fails", 0)
    )
    return []


async def controller(play: Play, command: Command) -> list[str]:
    """`controller kill [c-1]`: or start, term, stop, resume, freeze, thaw. Without a name: the leader."""
    what = command.words[0]
    chosen = _controller(play, command.words[1:])
    match what:
        case "start":
            for each in play.world.controllers if len(command.words) == 1 else [chosen]:
                each.start()
        case "kill":
            chosen.kill()
        case "term":
            await chosen.terminate()
        case "stop":
            play.world.network.stop(chosen.name)
            play.stopped = chosen
        case "freeze":
            chosen.freeze()
            play.stopped = chosen
        case "resume" | "thaw":
            (play.stopped or chosen).thaw()
            play.stopped = None
        case _:
            raise Mistake(f"a controller cannot {what!r}")
    return []


def _controller(play: Play, words: tuple[str, ...]) -> Controller:
    if not words:
        return play.world.leader
    return next(c for c in play.world.controllers if c.name == words[0])


async def delete_document(play: Play, _: Command) -> list[str]:
    """`delete-document`: kubectl delete configmap."""
    change_document(play.world, lambda item: play.world.api.remove(item.name))
    return []


async def garble_document(play: Play, _: Command) -> list[str]:
    """`garble-document`: somebody's edit makes nonsense of it."""
    api = play.world.api
    change_document(play.world, lambda item: void(api.put(item.name, {**item.data, "phase": "?"}, str(item.version))))
    return []


async def keep_document(play: Play, _: Command) -> list[str]:
    """`keep-document`: a backup is made of it."""
    play.backup = play.world.api.objects.get(STATE)
    return []


async def restore_document(play: Play, _: Command) -> list[str]:
    """`restore-document`: etcd comes back from that backup."""
    backup = play.backup
    if backup is None:
        raise Mistake("nothing was kept")

    def put_back(_: Object) -> None:
        play.world.api.restore(STATE, backup)

    change_document(play.world, put_back)
    return []


async def query(play: Play, command: Command) -> list[str]:
    """`query 0 CREATE (:Foreign)`: somebody talks to that very instance."""
    word, _, text = command.rest.partition(" ")
    try:
        with trio.fail_after(10):
            rows = await play.world.fleet.statement(instance(play, word), text, {})
    except QueryError as error:
        return [error.message]
    except trio.TooSlowError:
        return ["no answer within 10 s"]
    return [", ".join(str(value) for value in row.values()) for row in rows]


VERBS: dict[str, Verb] = {
    "kill": kill,
    "hold": hold,
    "release": release,
    "hang": hang,
    "thaw": thaw,
    "delete": delete,
    "force-delete": force_delete,
    "wipe": wipe,
    "power-loss": power_loss,
    "cut": cut,
    "heal": heal,
    "lose-finalizes": lose_finalizes,
    "api": api,
    "controller": controller,
    "delete-document": delete_document,
    "garble-document": garble_document,
    "keep-document": keep_document,
    "restore-document": restore_document,
    "query": query,
}
