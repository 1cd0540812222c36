"""What the commands of one script share: the world, and what was found out about it so far."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import trio
from sim.apiserver import Object
from sim.clients import Told
from sim.controllers import Controller
from sim.world import World

from sandbox.memgraph.core.instance import Status
from scripting.crash import Crash
from scripting.opinions import Opinions
from scripting.script import Command

_CHECKED_EVERY_S = 0.1
_WELL_FOR_S = 2.0
"""Well means: for this long. What just died looks well until the next probe."""
_FLICKER_S = 0.3
"""Under load an asynchronous replica is invalid for moments."""
_WRITES_WITHIN_S = 2.0
"""Who writes all the time should have got one through since then."""


class Mistake(Exception):
    """The script asks for something that cannot be done."""


@dataclass
class Play:
    """What the commands of one script share."""

    nursery: trio.Nursery
    opinions: Opinions
    crashes: Sequence[Crash]
    log: Callable[[str], None] | None = None
    writes: dict[str, Told | None] = field(default_factory=dict)
    """Every write the script asked for and how it ended; None: the client gave up while it was refused or held."""
    problems: list[str] = field(default_factory=list)
    """What was wrong at the script's `end`, whatever happened on the way."""
    ended: bool = False
    cut: list[tuple[str, str]] = field(default_factory=list)
    stopped: Controller | None = None
    backup: Object | None = None
    _world: World | None = None

    @property
    def world(self) -> World:
        """The world. Raises Mistake before `cluster`."""
        if self._world is None:
            raise Mistake("the first command must be `cluster`")
        return self._world

    @world.setter
    def world(self, world: World) -> None:
        self._world = world

    @property
    def refused(self) -> int:
        """How many writes their clients gave up."""
        return sum(told is None for told in self.writes.values())

    def said_by_world(self, who: str, text: str) -> None:
        """The simulation's own log."""
        if self.log is not None:
            self.log(f"{trio.current_time():8.3f}   {who} {text}")

    async def until_well(self, seconds: float, without: frozenset[str] = frozenset()) -> str | None:
        """Wait until everything is well and stays so; why not, or None. `without`: who may be missing."""
        began = well_at = trio.current_time()
        well_since: float | None = None
        while True:
            why, now = self.unwell(without), trio.current_time()
            if why is None:
                well_since, well_at = now if well_since is None else well_since, now
                if now - well_since >= _WELL_FOR_S:
                    return None
            elif now - well_at > _FLICKER_S:
                well_since = None
                if now - began >= seconds:
                    return why
            await trio.sleep(_CHECKED_EVERY_S)

    def unwell(self, without: frozenset[str]) -> str | None:
        """Why the world is not well, or None. Who diverged is excused by nobody but the script."""
        world = self.world
        expected = {f"m-{ordinal}" for ordinal in range(world.pods.wanted)} - without
        for name in sorted(expected):
            if not world.fleet.alive(name):
                return f"{name} is down"
        why = world.truth.unsettled(trio.current_time() - _WRITES_WITHIN_S, without)
        if why is not None:
            return why
        rows = world.fleet.instances[world.main].replicas.values()
        streaming = {row.address.partition(":")[0] for row in rows if row.status in (Status.READY, Status.REPLICATING)}
        missing = expected - streaming - {world.main}
        return f"{' and '.join(sorted(missing))} not registered" if missing else None


Verb = Callable[[Play, Command], Awaitable[list[str]]]
