"""Crash at every step: the leading controller dies at its k-th step, and a process without its memory goes on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import trio
from sim.apiserver import Object
from sim.controllers import Controller
from sim.ports import LEASE
from sim.world import World

from controller.core.actions import Action, Outcome

RESTART_S = 0.3
"""How long the killed process stays away: shorter than the lease, so that a restart and a take-over both happen."""

SWALLOWED_S = 0.2
"""How long nothing comes back: longer than any answer takes in a healthy cluster."""


class When(StrEnum):
    """When the controller dies."""

    AFTER_ACTION = "after the action"
    """It had its answer, and did nothing with it."""
    BEFORE_ANSWER = "before the answer"
    """What it asked for happens, and nobody is there any more to hear of it. An action may take several such steps."""
    ANSWER_LOST = "its answer is lost"
    """What it asked for happens, the answer never comes, and it lives: it has to find out by itself (P-W1)."""


@dataclass
class Crash:
    """Counts the steps of a kind, and strikes at the k-th. `at` 0 only counts."""

    when: When
    at: int = 0
    steps: int = 0
    counting: bool = False
    struck: bool = False
    latest: tuple[str, str] = ("", "")
    """(whom, what) was asked last: asking again since the lock was busy is no step."""
    refused_undisturbed: int = 0
    """How many writes the script shows to be refused for good anyway."""

    def watch(self, world: World) -> None:
        """Look over the controllers' shoulders."""
        stage = world.controllers[0].stage
        acted, arrived = stage.acted, stage.arrived

        def on_acted(who: str, action: Action, outcome: Outcome) -> None:
            acted(who, action, outcome)
            if self.when is When.AFTER_ACTION:
                self._step(world, who)

        def on_arrived(who: str, name: str, query: str) -> None:
            arrived(who, name, query)
            again, self.latest = self.latest == (name, query), (name, query)
            if self.when is not When.AFTER_ACTION and not again:
                self._step(world, who, name)

        def on_changed(name: str, _before: Object | None, _after: Object | None) -> None:
            if self.when is not When.AFTER_ACTION and name != LEASE and world.api.calling is not None:
                self._step(world, world.api.calling, "api")

        stage.acted, stage.arrived = on_acted, on_arrived
        world.api.watchers.append(on_changed)

    def _step(self, world: World, who: str, told: str = "") -> None:
        """`who` took a step, which is happening now at `told`."""
        if not self.counting:
            return
        self.steps += 1
        if self.steps != self.at:
            return
        self.struck = True
        if self.when is When.ANSWER_LOST:
            world.nursery.start_soon(self._swallow, world, (told, who))
            world.network.block([(told, who)])
        else:
            controller = next(c for c in world.controllers if c.name == who)
            controller.kill()
            world.nursery.start_soon(self._restart, controller)

    async def _restart(self, controller: Controller) -> None:
        await trio.sleep(RESTART_S)
        controller.start()

    async def _swallow(self, world: World, direction: tuple[str, str]) -> None:
        await trio.sleep(SWALLOWED_S)
        world.network.unblock([direction])
