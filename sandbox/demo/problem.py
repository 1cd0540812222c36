"""The first scene: what happens to the same app without a sidecar, when the main moves."""

from __future__ import annotations

from typing import Final

from sandbox.demo.events import Scene, switch_over
from sandbox.demo.narrate import Tone, error_text
from sandbox.demo.stage import StageError, World

FIXED: Final = "fixed"
"""Name of the app without a sidecar."""
_WITHIN_S: Final = 10.0
_REFUSALS: Final = 10
"""Refused writes to wait for: enough to see that it does not pass."""


async def show_problem(scene: Scene, world: World) -> None:
    """An app with the main's address, a main that moves, and what the app gets. Raises StageError."""
    timeline, feed = scene.timeline, scene.feed
    before = await world.document()
    if before is None:
        raise StageError("there is no valid document before the first scene")
    address = world.bolt()[before.main_pod]
    timeline.say()
    timeline.say(f"The problem: the same app without a sidecar, on bolt://{address}, the main's address", Tone.TITLE)
    await world.start_fixed_app(before.main_pod)
    if not await feed.until(lambda: bool(scene.writes(FIXED, 0.0)), _WITHIN_S):
        raise StageError("the app with the fixed address never wrote anything")
    await switch_over(scene, before)
    shown = await feed.until(lambda: _refused(scene) >= _REFUSALS, _WITHIN_S)
    await world.stop_apps(FIXED)
    feed.look()
    if not shown:
        raise StageError('the app with the fixed address did not keep seeing "Write queries are forbidden"')
    first = next(record for record in feed.histories[FIXED] if record.forbidden)
    timeline.say(f"\n   What the app got, {_refused(scene)} times until it was stopped:")
    timeline.say(f"   neo4j.exceptions.{first.error}: {error_text(first.message)}", Tone.BAD)
    timeline.say("   No driver retries this error. The apps with a sidecar, on bolt://localhost:7687, never saw it.")

    async def moved() -> bool:
        now = await world.document()
        return now is not None and now.main_pod != before.main_pod and now.sync is not None

    if not await feed.until(moved, scene.patience_s):
        raise StageError("the switchover of the first scene did not end")
    await scene.steady(_REFUSALS)


def _refused(scene: Scene) -> int:
    return sum(record.forbidden for record in scene.feed.histories.get(FIXED, ()))
