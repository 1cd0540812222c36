"""Commands that look: at the document, the instances, the controllers' reasons, and at what is true of all of it."""

from __future__ import annotations

from sim.clients import Told
from sim.ports import REQUESTS, STATE, stored

from controller.core.model import Found, Malformed
from controller.core.parse import MARKER_LABEL
from sandbox.memgraph.core.instance import Instance, Registration, Role
from scripting.script import Command
from scripting.stage import Play, Verb
from scripting.words import ordinal
from sidecar.contract.state import Document


async def document(play: Play, _: Command) -> list[str]:
    """`document`: what is published."""
    found = stored(play.world.api.objects.get(STATE))
    if isinstance(found, Malformed):
        return ["malformed"]
    return [_document(play, found.document)] if isinstance(found, Found) else ["none"]


def _document(play: Play, published: Document) -> str:
    phase = f"cut ({published.cut_kind})" if published.cut_kind else "serving"
    partner = str(published.sync.ordinal) if published.sync else "none"
    readers = " ".join(ordinal(play.world.pods.host(address) or "-?") for address in published.read_addresses) or "none"
    return (
        f"{phase} main={published.master_index} partner={partner} readers={readers} "
        f"term={published.term} epoch={published.epoch} reason={published.reason}"
    )


async def instances(play: Play, _: Command) -> list[str]:
    """`instances`: of each the role, the epoch marker, how many writes it holds, and on a main who is registered."""
    world = play.world
    return [f"{slot.ordinal} {_instance(play, slot.name)}" for slot in world.pods.slots.values()]


def _instance(play: Play, name: str) -> str:
    fleet = play.world.fleet
    if not fleet.alive(name):
        return "down"
    one = fleet.instances[name]
    text = f"{one.role.name.lower()} marker={_marker(one)} writes={len(play.world.truth.ids(name))}"
    if fleet.frozen(name):
        text += " hung"
    if one.role is not Role.MAIN:
        return text
    rows = sorted(one.replicas.values(), key=lambda row: (row.address, row.name))
    return f"{text} {' '.join(map(_registration, rows)) or 'nobody registered'}"


def _registration(row: Registration) -> str:
    status = "ghost" if row.ghost else row.status.value
    return f"{ordinal(row.address.partition(':')[0])}={row.mode.value}:{status}"


def _marker(one: Instance) -> str:
    markers = [label[len(MARKER_LABEL) :] for label, _ in one.graph.indexes if label.startswith(MARKER_LABEL)]
    return max((m for m in markers if m.isdigit()), key=int, default="none")


async def decisions(play: Play, _: Command) -> list[str]:
    """`decisions`: what the controllers decided since the last look, in their words, and what they think now."""
    return play.opinions.look()


async def skip(play: Play, _: Command) -> list[str]:
    """`skip`: what was decided so far is of no interest."""
    play.opinions.look()
    return []


async def clients(play: Play, _: Command) -> list[str]:
    """`clients`: what each acts on, and where its connection leads."""
    lines = []
    for client in play.world.clients:
        state = client.sidecar.state
        told = f"acts on epoch {state.document.epoch}" if state else "knows nothing"
        hosts = sorted({ordinal(c.name) for c in client.sidecar.connections if not c.closed})
        lines.append(f"{client.name} {told}, {'connected to ' + ' '.join(hosts) if hosts else 'no connection'}")
    return lines


async def requests(play: Play, _: Command) -> list[str]:
    """`requests`: what the controllers have not answered yet."""
    item = play.world.api.objects.get(REQUESTS)
    return [f"{key}={value}" for key, value in sorted((item.data if item else {}).items())] or ["none"]


async def leader(play: Play, _: Command) -> list[str]:
    """`leader`: who believes to lead."""
    return [c.name for c in play.world.controllers if c.leads] or ["nobody"]


async def check(play: Play, _: Command) -> list[str]:
    """`check`: what is true, whoever believes what."""
    return found_wrong(play) or ["every acknowledged write is there, no rule was broken"]


def found_wrong(play: Play) -> list[str]:
    """Violations, lost writes, and losses that a window of the protocol explains."""
    truth = play.world.truth
    truth.windows.clear()
    truth.judge()
    wrong = [sentence.partition(" ")[2] for sentence in truth.violations]
    truth.violations.clear()
    return wrong + [f"window {window.value}: {count}" for window, count in truth.windows.items()]


async def end(play: Play, command: Command) -> list[str]:
    """`end [main=1] [partner=none] [without=2] [lost=Unprotected]`: the end state that every run must reach.

    Well again, one main, the partner recorded, everybody registered, no acknowledged write lost, no rule broken.
    """
    without = frozenset(f"m-{word}" for word in filter(None, command.options.get("without", "").split(",")))
    for client in play.world.clients:
        client.resting = True
    problems = []
    why = await play.until_well(90.0, without)
    if why is not None:
        problems.append(f"not well: {why}")
    wanted = command.options.get("main")
    if wanted is not None and play.world.main != f"m-{wanted}":
        problems.append(f"{ordinal(play.world.main)} is main, not {wanted}")
    problems += [each for each in found_wrong(play) if each.split(":")[0] != f"window {command.options.get('lost')}"]
    if any(crash.at and play.refused > crash.refused_undisturbed for crash in play.crashes):
        problems.append(f"{play.refused} writes were never taken")
    play.problems, play.ended = problems, True
    if problems:
        return problems
    acknowledged = {ident for ident, told in play.writes.items() if told is Told.OK}
    there = len(acknowledged & play.world.truth.ids(play.world.main))
    writes = f"all {there}" if there == len(acknowledged) else f"{there} of {len(acknowledged)}"
    return [f"well: main {wanted}, {writes} writes there" if wanted else f"well: {writes} writes there"]


VERBS: dict[str, Verb] = {
    "document": document,
    "instances": instances,
    "decisions": decisions,
    "skip": skip,
    "clients": clients,
    "requests": requests,
    "leader": leader,
    "check": check,
    "end": end,
}
