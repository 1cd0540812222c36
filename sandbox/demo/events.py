"""The events: what is done to the world, and when the cluster counts as settled again.

Nothing waits for a fixed time. An event is over when the document, every sidecar and every app show that it is; one
that doesn't get there names what was still missing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from sandbox.demo.checker import Window
from sandbox.demo.coordination import Led, Routed, Written, coordinate
from sandbox.demo.feed import Feed
from sandbox.demo.history import Kind
from sandbox.demo.narrate import Happening, Tone
from sandbox.demo.stage import Stage, StageError
from sandbox.demo.timeline import Timeline
from sandbox.demo.verdict import EventResult
from sidecar.contract.state import Document, Phase

_COMPLETE_S: Final = 8.0
"""A restarted instance is registered within about 2 s."""
LAG_WRITES: Final = 10
"""Acknowledged writes of each app that the lagging replica must miss, so that promoting it shows."""
_AIM_S: Final = 15.0
"""How long apps may take for a few writes on a healthy cluster, on a slow machine."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything an event works with. `patience_s`: how long the cluster may take to settle."""

    stage: Stage
    feed: Feed
    timeline: Timeline
    apps: tuple[str, ...]
    patience_s: float
    away: list[str] = field(default_factory=list)
    """Events before which a replica was waited for in vain: the next one doesn't wait for it again."""

    def act(self, what: str) -> None:
        """Tell what is done to the world, just before it is done."""
        self.timeline.tell(Happening(time.time(), "demo", what, tone=Tone.ACT))

    def writes(self, app: str, since: float) -> int:
        """Acknowledged writes of this app after that time."""
        count = 0
        for record in reversed(self.feed.histories.get(app, [])):
            if record.ts <= since:
                break
            count += record.kind is Kind.OK
        return count

    async def steady(self, writes: int) -> None:
        """Wait until every app got so many more acknowledgements. Raises StageError when one doesn't."""
        since = time.time()
        if not await self.feed.until(lambda: all(self.writes(app, since) >= writes for app in self.apps), _AIM_S):
            slowest = min(self.apps, key=lambda app: self.writes(app, since))
            raise StageError(f"{slowest} got {self.writes(slowest, since)} acknowledgements in {_AIM_S:g} s")


Act = Callable[[Scene, Document], Awaitable[None]]
Unsettled = Callable[[Scene, Document, Document, float], str]


@dataclass(frozen=True, slots=True)
class Event:
    """`name` is that of the JSON; `what` says it to people. `after` mends what the event broke."""

    name: str
    what: str
    act: Act
    unsettled: Unsettled
    after: Act | None = None


async def play(scene: Scene, event: Event) -> tuple[EventResult, Window]:
    """Let one event happen and wait until the cluster has settled, or the patience ends."""
    await _complete(scene, event.name)
    before = await scene.stage.document()
    start = time.time()
    problem = "there is no valid document before it" if before is None else ""
    if before is not None:
        try:
            await event.act(scene, before)
            problem = await _settle(scene, event, before, start)
        except StageError as error:
            problem = f"it could not be done: {error}"
    end = time.time()
    told = coordinate(sorted(scene.feed.lines, key=lambda line: line.ts), start, end, scene.apps)
    if not problem and told.missing:
        problem = f"no coordination line from {', '.join(told.missing)}"
    if before is not None and event.after is not None:
        try:
            await event.after(scene, before)
        except StageError as error:  # a pod that was replaced meanwhile took with it what was to be mended
            scene.act(f"nothing to mend: {error}")
    return EventResult(event.name, told, problem), Window(event.name, start, end)


async def _complete(scene: Scene, event: str) -> None:
    """Wait a moment until every replica follows the main, so that each event begins from the same state.

    It may stay away: a main killed under load can hold a last commit that nobody was told about (P-R2).
    """

    async def all_follow() -> bool:
        document = await scene.stage.document()
        # Without a document there is nothing to wait for: the event itself says so.
        expected = len(scene.stage.memgraphs()) - 1 - len(scene.away)
        return document is None or len(document.read_addresses) >= expected

    if not await scene.feed.until(all_follow, _COMPLETE_S):
        scene.act("a replica stays away: a main that dies within a commit may keep it; the play goes on without it")
        scene.away.append(event)


async def _settle(scene: Scene, event: Event, before: Document, start: float) -> str:
    missing = "the document can't be read"

    async def settled() -> bool:
        nonlocal missing
        now = await scene.stage.document()
        missing = "there is no valid document" if now is None else event.unsettled(scene, before, now, start)
        return not missing

    if await scene.feed.until(settled, scene.patience_s):
        return ""
    return f"not settled after {scene.patience_s:g} s: {missing}"


def main_not_changed(scene: Scene, before: Document, now: Document, start: float) -> str:
    """What is missing until another main serves, protected, and every sidecar and app has followed."""
    moved = now.phase is Phase.SERVING and now.main_pod != before.main_pod
    if moved and now.sync is None:
        return f"no replica is known to hold every write ({now.reason}: {now.message})"
    return _main_not_followed(scene, before, now, start)


def _main_not_followed(scene: Scene, before: Document, now: Document, start: float) -> str:
    """The same, protected or not: with a main that hangs and one replica away, its waking up is what protects again."""
    if now.phase is not Phase.SERVING:
        return f"the document is in phase {now.phase} ({now.reason}: {now.message})"
    if now.main_pod == before.main_pod:
        return f"{now.main_pod} is still the main"
    lines = scene.feed.lines
    published = [w.ts for w in lines if isinstance(w, Written) and w.epoch == now.epoch and w.phase == Phase.SERVING]
    if not published:
        return f"no controller has logged epoch {now.epoch} yet"
    followed = {r.sidecar for r in lines if isinstance(r, Routed) and r.new_epoch >= now.epoch}
    late = [app for app in scene.apps if app not in followed]
    if late:
        return f"the sidecar of {late[0]} has not followed to epoch {now.epoch}"
    return _not_writing(scene, max(start, min(published)))


def leader_not_changed(scene: Scene, before: Document, now: Document, start: float) -> str:
    """What is missing until a new leader has begun its term, and every app has written since."""
    if now.epoch != before.epoch or now.main_pod != before.main_pod:
        return f"a change of leader must not touch the main, but epoch {before.epoch} became {now.epoch}"
    leaders = [line for line in scene.feed.lines if isinstance(line, Led) and line.ts >= start]
    if not leaders:
        return "no controller took over"
    if now.term <= before.term:
        return f"{leaders[-1].controller} leads, but its term is in no document"
    cut = [r for r in scene.feed.lines if isinstance(r, Routed) and r.ts >= start and r.connections_cut]
    if cut:
        return f"the sidecar of {cut[0].sidecar} cut {cut[0].connections_cut} connections without need"
    return _not_writing(scene, leaders[-1].ts)


def _not_writing(scene: Scene, since: float) -> str:
    silent = [app for app in scene.apps if not scene.writes(app, since)]
    return f"{silent[0]} has not written again" if silent else ""


async def _kill_main(scene: Scene, before: Document) -> None:
    """Kill the main while the third instance lags, so that it matters who is promoted."""
    if before.sync is None:
        raise StageError("no replica is known to hold every write, so nobody can tell which one lags")
    names = scene.stage.memgraphs()
    lagging = next(pod for i, pod in enumerate(names) if pod != before.main_pod and i != before.sync.ordinal)
    scene.act(f"{lagging}, the ASYNC replica, lags from now on: it gets nothing more from {before.main_pod}")
    await scene.stage.blackhole(before.main_pod, lagging)
    await scene.steady(LAG_WRITES)
    scene.act(f"kill -9 {before.main_pod}, the main")
    await scene.stage.kill(before.main_pod)


async def _heal(scene: Scene, before: Document) -> None:
    await scene.stage.heal()


async def switch_over(scene: Scene, before: Document) -> None:
    """Ask for another main."""
    scene.act(f"ask for a planned switchover away from {before.main_pod}")
    await scene.stage.switchover()


async def _hang_main(scene: Scene, before: Document) -> None:
    scene.act(f"SIGSTOP {before.main_pod}, the main: it accepts connections and answers nothing")
    await scene.stage.hang(before.main_pod)


async def _resume_main(scene: Scene, before: Document) -> None:
    scene.act(f"SIGCONT {before.main_pod}: it wakes, believing that it is the main")
    await scene.stage.resume(before.main_pod)


async def _kill_leader(scene: Scene, before: Document) -> None:
    leader = scene.stage.leader()
    if not leader:
        raise StageError("no controller leads")
    scene.act(f"kill -9 {leader}, the leading controller: nothing may be cut")
    await scene.stage.kill(leader)


KILL_MAIN: Final = Event(
    "kill-main",
    "kill -9 the main, while one of the two replicas lags: the other one must take over",
    _kill_main,
    main_not_changed,
    _heal,
)
SWITCHOVER: Final = Event(
    "switchover", "a planned switchover: the main moves, nothing is broken", switch_over, main_not_changed
)
HANG_MAIN: Final = Event(
    "hang-main",
    "SIGSTOP the main: it is not dead, it only never answers again",
    _hang_main,
    _main_not_followed,
    _resume_main,
)
KILL_LEADER: Final = Event(
    "kill-leader",
    "kill -9 the leading controller: writes go on, and the other controller takes over",
    _kill_leader,
    leader_not_changed,
)
