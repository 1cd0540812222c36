"""The play: set the world up, show the problem, then the events; stop the apps, read everything back, judge."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio

from sandbox.demo import words
from sandbox.demo.checker import Report, Window, check
from sandbox.demo.coordination import reigns
from sandbox.demo.events import HANG_MAIN, KILL_LEADER, KILL_MAIN, SWITCHOVER, Event, Scene, play
from sandbox.demo.feed import Feed
from sandbox.demo.history import Kind
from sandbox.demo.narrate import Happening, Tone
from sandbox.demo.problem import FIXED, show_problem
from sandbox.demo.readback import ReadBack, read_back
from sandbox.demo.stage import StageError, World
from sandbox.demo.timeline import Timeline
from sandbox.demo.verdict import EventResult, Verdict

APPS: Final = 3
PATIENCE_S: Final = 20.0
"""How long the cluster may take to settle after an event. Ordinary is under 6 s (kill-leader: one Lease duration)."""
BROKEN_PATIENCE_S: Final = 6.0
"""The same with a planted bug: nothing is gained by waiting longer for what can't come."""
_FIRST_WRITES_S: Final = 20.0
_BETWEEN: Final = 100
"""Writes of each app between two events: two seconds, in which a reader can catch up."""
_BETWEEN_SHORT: Final = 10


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. `broken`: name of a planted bug, or empty."""

    folder: Path
    short: bool = False
    broken: str = ""


@dataclass(slots=True)
class _Played:
    """What the events left behind."""

    results: list[EventResult] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


Worlds = Callable[[Options, Sequence[str], Callable[[str], None]], AbstractAsyncContextManager[World]]
"""Makes the world for these options and app names; the third is told what is being set up. Entered, it is protected."""


def events(options: Options) -> tuple[Event, ...]:
    """Which events are played."""
    if options.broken:
        return (KILL_MAIN,)  # the planted bug is about whom to promote; one loss is proof enough
    return (KILL_MAIN, SWITCHOVER) if options.short else (KILL_MAIN, SWITCHOVER, HANG_MAIN, KILL_LEADER)


async def run(options: Options, worlds: Worlds, timeline: Timeline) -> Verdict:
    """Play everything. The world is gone when this returns, however it returns. Raises StageError."""
    apps = tuple(f"app-{number}" for number in range(APPS))
    feed = Feed(options.folder, timeline.tell)
    words.introduce(timeline, str(options.folder), APPS, short=options.short, broken=options.broken)

    def progress(sentence: str) -> None:
        timeline.tell(Happening(time.time(), "setting up", sentence))

    async with _watched(feed), worlds(options, apps, progress) as world:
        scene = Scene(world, feed, timeline, apps, BROKEN_PATIENCE_S if options.broken else PATIENCE_S)
        played = await _play(scene, world, options)
        document = await world.document()
        timeline.say()
        timeline.say("The apps stop; then every id is read back from the final main.", Tone.TITLE)
        try:
            await world.stop_apps(*apps)
        except StageError as error:
            played.problems.append(str(error))
        feed.look()
        found = await read_back(world.bolt(), document.main_pod if document else "")
    report = _judge(feed, apps, found, played.windows, timeline.origin)
    verdict = Verdict(report, played.results, len(apps), found.pod if found else "", played.problems)
    words.conclude(timeline, verdict, broken=options.broken)
    return verdict


async def _play(scene: Scene, world: World, options: Options) -> _Played:
    played = _Played()
    try:
        await _first_writes(scene)
        if not (options.short or options.broken):
            await show_problem(scene, world)
        for number, event in enumerate(events(options), start=1):
            scene.timeline.say()
            scene.timeline.say(f"{number}. {event.what}", Tone.TITLE)
            result, window = await play(scene, event)
            played.results.append(result)
            played.windows.append(window)
            if result.problem:
                scene.timeline.say(f"{event.name} FAILED. What comes after it is left out.", Tone.BAD)
                break
            await scene.steady(_BETWEEN_SHORT if options.short else _BETWEEN)
    except StageError as error:
        played.problems.append(str(error))
    return played


async def _first_writes(scene: Scene) -> None:
    if not await scene.feed.until(lambda: all(scene.writes(app, 0.0) for app in scene.apps), _FIRST_WRITES_S):
        raise StageError(f"not every app has written within {_FIRST_WRITES_S:g} s of the start")


@asynccontextmanager
async def _watched(feed: Feed) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(feed.watch)
        try:
            yield
        finally:
            group.cancel_scope.cancel()


def _judge(feed: Feed, apps: Sequence[str], found: ReadBack | None, windows: Sequence[Window], origin: float) -> Report:
    elsewhere = [record.id for record in feed.histories.get(FIXED, ()) if record.kind is not Kind.FAIL]
    return check(
        {app: feed.histories.get(app, []) for app in apps},
        found.ids if found else [],
        others=elsewhere,
        windows=windows,
        reigns=reigns(sorted(feed.lines, key=lambda line: line.ts)),
        origin=origin,
    )
