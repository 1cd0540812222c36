"""Plays a script: a simulated world, the commands one after the other, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio
from sim import runtime

from scripting.crash import Crash
from scripting.opinions import listening
from scripting.script import Script, command
from scripting.stage import Mistake, Play
from scripting.verbs import VERBS

SEED = 1
"""Of every script: what it shows must not depend on luck; what depends on luck the seeds of the simulation show."""


@dataclass(frozen=True)
class Played:
    """What a script said, step by step, and what was wrong at its end."""

    said: tuple[tuple[str, ...], ...]
    problems: tuple[str, ...]
    ended: bool
    refused: int


def play(script: Script, crashes: Sequence[Crash] = (), log: Callable[[str], None] | None = None) -> Played:
    """Play a script from beginning to end."""
    said: list[tuple[str, ...]] = []

    async def main() -> Played:
        async with trio.open_nursery() as nursery:
            playing = Play(nursery, opinions, crashes, log)
            for step in script.steps:
                output: list[str] = []
                for line in step.commands:
                    what = command(line)
                    if what.name not in VERBS:
                        raise Mistake(f"line {step.line}: no command {what.name!r}")
                    if log is not None:
                        log(f"{trio.current_time():8.3f} {line}")
                    output += await VERBS[what.name](playing, what)
                said.append(tuple(output))
            nursery.cancel_scope.cancel()
        return Played(tuple(said), tuple(playing.problems), playing.ended, playing.refused)

    with listening() as opinions:
        return runtime.run(main, SEED)
