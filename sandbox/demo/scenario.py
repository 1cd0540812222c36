"""The play: set the world up, show the problem, then the events; stop the apps, read everything back, judge."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import anyio

from sandbox.demo.checker import Report, Window, check
from sandbox.demo.coordination import reigns
from sandbox.demo.events import HANG_MAIN, KILL_LEADER, KILL_MAIN, SWITCHOVER, Event, Scene, play, switch_over
from sandbox.demo.feed import Feed
from sandbox.demo.history import Kind
from sandbox.demo.narrate import Happening, Tone
from sandbox.demo.readback import ReadBack, read_back
from sandbox.demo.stage import Stage
from sandbox.demo.timeline import Timeline
from sandbox.demo.verdict import EventResult, Verdict, summary

APPS: Final = 3
PATIENCE_S: Final = 20.0
"""How long the cluster may take to settle after an event. Ordinary is under 6 s (kill-leader: one Lease duration)."""
BROKEN_PATIENCE_S: Final = 12.0
"""The same with a planted bug: nothing is gained by waiting longer for what can't come."""
_FIRST_WRITES_S: Final = 20.0
_PROBLEM_S: Final = 10.0
FIXED: Final = "fixed"
"""Name of the app without a sidecar."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. `broken`: name of a planted bug, or empty."""

    folder: Path
    short: bool = False
    broken: str = ""


class World(Stage, Protocol):
    """The stage, and the apps on it. How a world is made of processes is live.py's business."""

    async def start_fixed_app(self, main: str) -> None:
        """Start the app without a sidecar, with the address of this pod."""

    async def stop_apps(self, *names: str) -> None:
        """Stop these apps and wait until their processes are gone."""

    def bolt(self) -> dict[str, str]:
        """The instances' Bolt addresses by pod."""


Worlds = Callable[[Options, Sequence[str], Callable[[str], None]], AbstractAsyncContextManager[World]]
"""Makes the world for these options and app names; the third is told what is being set up. Entered, it is protected."""


def events(options: Options) -> tuple[Event, ...]:
    """Which events are played."""
    if options.broken:
        return (KILL_MAIN,)  # the planted bug is about whom to promote; one loss is proof enough
    return (KILL_MAIN, SWITCHOVER) if options.short else (KILL_MAIN, SWITCHOVER, HANG_MAIN, KILL_LEADER)


async def run(options: Options, worlds: Worlds, timeline: Timeline) -> Verdict:
    """Play everything. The world is gone when this returns, however it returns."""
    apps = tuple(f"app-{number}" for number in range(APPS))
    feed = Feed(options.folder, timeline.tell)
    introduce(options, timeline)

    def progress(sentence: str) -> None:
        timeline.tell(Happening(time.time(), "setting up", sentence))

    async with _watched(feed), worlds(options, apps, progress) as world:
        patience_s = BROKEN_PATIENCE_S if options.broken else PATIENCE_S
        scene = Scene(world, feed, timeline, apps, patience_s)
        problems = await _problems_before(scene, world, options)
        results: list[EventResult] = []
        windows: list[Window] = []
        for number, event in enumerate(() if problems else events(options), start=1):
            timeline.say()
            timeline.say(f"{number}. {event.what}", Tone.TITLE)
            result, window = await play(scene, event)
            results.append(result)
            windows.append(window)
            if result.problem:
                timeline.say(f"{event.name} FAILED: {result.problem}. The other events are left out.", Tone.BAD)
                break
            if not await scene.steady(5 if options.short else 25):
                problems.append(f"after {event.name}, an app stopped writing")
                break
        document = await world.document()
        timeline.say()
        timeline.say("The apps stop; then every id is read back from the final main.", Tone.TITLE)
        await world.stop_apps(*apps)
        feed.look()
        found = await read_back(world.bolt(), document.main_pod if document else "")
    report = _judge(feed, apps, found, windows, timeline.origin)
    verdict = Verdict(report, results, len(apps), found.pod if found else "", problems)
    conclude(verdict, timeline, broken=options.broken)
    return verdict


async def _problems_before(scene: Scene, world: World, options: Options) -> list[str]:
    """Wait for the first writes, and show the problem that all this is about."""
    feed = scene.feed
    if not await feed.until(lambda: all(scene.writes(app, 0.0) for app in scene.apps), _FIRST_WRITES_S):
        return [f"not every app has written within {_FIRST_WRITES_S:g} s of the start"]
    if not await feed.until(lambda: _protected(world), _FIRST_WRITES_S):
        return [f"no replica was known to hold every write within {_FIRST_WRITES_S:g} s of the start"]
    if options.short or options.broken:
        return []
    return await show_problem(scene, world)


async def _protected(world: World) -> bool:
    document = await world.document()
    return document is not None and document.sync is not None


async def show_problem(scene: Scene, world: World) -> list[str]:
    """An app with a fixed address, a main that moves, and what the app gets."""
    timeline, feed = scene.timeline, scene.feed
    timeline.say()
    timeline.say("The problem: the same app, without a sidecar, with the address of the main", Tone.TITLE)
    before = await world.document()
    if before is None:
        return ["there was no valid document before the first event"]
    await world.start_fixed_app(before.main_pod)
    if not await feed.until(lambda: bool(scene.writes(FIXED, 0.0)), _PROBLEM_S):
        return ["the app with the fixed address never wrote anything"]
    await switch_over(scene, before)
    shown = await feed.until(lambda: any(record.forbidden for record in feed.histories[FIXED]), _PROBLEM_S)
    await world.stop_apps(FIXED)
    feed.look()
    if not shown:
        return ['the app with the fixed address never saw "Write queries are forbidden"']
    refused = sum(record.forbidden for record in feed.histories[FIXED])
    timeline.say(
        f"   Its driver does not retry this error, and no retry would help: {refused} writes refused until it was "
        "stopped.\n   The apps with a sidecar, on bolt://localhost:7687, went on."
    )

    async def moved() -> bool:
        now = await world.document()
        return now is not None and now.main_pod != before.main_pod and now.sync is not None

    if not await feed.until(moved, scene.patience_s):
        return ["the switchover of the first scene did not end"]
    return [] if await scene.steady(5) else ["an app stopped writing after the switchover of the first scene"]


@asynccontextmanager
async def _watched(feed: Feed) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(feed.watch)
        try:
            yield
        finally:
            group.cancel_scope.cancel()


def _judge(feed: Feed, apps: Sequence[str], found: ReadBack | None, windows: Sequence[Window], origin: float) -> Report:
    ended = [record.id for record in feed.histories.get(FIXED, ()) if record.kind is not Kind.FAIL]
    return check(
        {app: feed.histories.get(app, []) for app in apps},
        found.ids if found else [],
        others=ended,
        windows=windows,
        reigns=reigns(sorted(feed.lines, key=lambda line: line.ts)),
        origin=origin,
    )


def introduce(options: Options, timeline: Timeline) -> None:
    """What is about to be set up, and how long it takes."""
    bug = f" The controllers have a planted bug: {options.broken}." if options.broken else ""
    seconds = "25 s" if options.broken or options.short else "60 s"
    timeline.say("memgraph-ha demo", Tone.TITLE)
    timeline.say(
        "Sets up, as processes of this machine and on loopback addresses only: three Memgraph instances and a small\n"
        "Kubernetes API server (both SIMULATED: no Memgraph, no cluster), and as they are: two controllers, the\n"
        f"webhook, and {APPS} apps with an injected sidecar, writing through localhost with the neo4j driver.{bug}\n"
        f"Setting up takes about 10 s, the play about {seconds}. Ctrl-C ends it and leaves nothing behind.\n"
        f"Logs, histories and world.json: {options.folder}"
    )
    timeline.say()


def conclude(verdict: Verdict, timeline: Timeline, *, broken: str) -> None:
    """The table, the lost writes one by one, and what to try next."""
    timeline.say()
    timeline.say(summary(verdict))
    timeline.say()
    report = verdict.report
    if verdict.read_back_from:  # else nothing is known of any single write
        for witness in report.witnesses:
            timeline.say(f"LOST: {witness}", Tone.BAD)
        if len(report.lost) > len(report.witnesses):
            timeline.say(f"... and {len(report.lost) - len(report.witnesses)} more", Tone.BAD)
    for failure in verdict.failures:
        timeline.say(f"FAILED: {failure}", Tone.BAD)
    if not verdict.failures:
        timeline.say("No acknowledged write was lost, and no app with a sidecar met a replica.", Tone.GOOD)
    if broken:
        timeline.say(f"This run had the planted bug {broken}: the loss is what it is there to show.")
    timeline.say(f"{time.time() - timeline.origin:.0f} s in all. Next, keep such a world running for an app of yours:")
    timeline.say("  memgraph-ha sandbox up", Tone.TITLE)
