"""One seed: what it stands for, and its run from bootstrap to judgement."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from sim import faults, runtime
from sim.aimed import SCENARIOS
from sim.clients import Told
from sim.world import Scenario, Shape, World, silent_logs


@dataclass
class Result:
    """What one seed showed."""

    seed: int
    scenario: str
    violations: list[str] = field(default_factory=list)
    probes: Counter[str] = field(default_factory=Counter)
    windows: Counter[str] = field(default_factory=Counter)
    virtual_s: float = 0.0
    failovers: int = 0
    switchovers: int = 0
    acked: int = 0
    unknown: int = 0
    outages: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Recipe:
    """What a seed stands for: every second one is aimed at a scenario, half of those with one more fault."""

    seed: int
    shape: Shape
    scenario: str
    extra: int


def recipe(seed: int) -> Recipe:
    """The seed's recipe: a pure function of it."""
    rng = random.Random(f"recipe {seed}")
    names = list(SCENARIOS)
    if seed % 2 == 0:
        name = names[seed // 2 % len(names)]
        shape = SCENARIOS[name].shape
        return Recipe(seed, shape, name, rng.choice((0, 1)))
    shape = Shape(
        instances=rng.choice((3, 3, 3, 3, 2)),
        controllers=rng.choice((2, 2, 2, 3, 1)),
        clients=2,
        block=rng.random() < 0.15,
        flush_every=rng.choice((1, 1, 1, 1, 1, 10)),
    )
    return Recipe(seed, shape, "random", rng.randint(2, 6))


def run(seed: int, log: Callable[[float, str, str], None] | None = None) -> Result:
    """Run one seed."""
    what = recipe(seed)
    result = Result(seed, what.scenario)

    def say(who: str, text: str) -> None:
        if log is not None:
            log(trio.current_time(), who, text)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            world = World(what.shape, seed, nursery, say)
            world.undisturbed = not what.extra
            scenario = SCENARIOS[what.scenario].run if what.scenario in SCENARIOS else _nothing
            await _phases(world, scenario, what)
            truth = world.truth
            result.violations, result.probes = truth.violations, truth.probes
            result.windows = Counter({w.value: n for w, n in truth.windows.items()})
            result.virtual_s, result.failovers = trio.current_time(), truth.failovers
            result.switchovers, result.outages = truth.switchovers, truth.outages
            result.acked, result.unknown = truth.told(Told.OK), truth.told(Told.UNKNOWN)
            nursery.cancel_scope.cancel()

    with silent_logs():
        runtime.run(main, seed)
    return result


async def _nothing(world: World) -> None:
    """No scenario."""


async def _phases(world: World, scenario: Scenario, what: Recipe) -> None:
    rng = random.Random(f"faults {what.seed}")
    await world.start()
    if world.truth.violations:
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scenario, world)
        at = 0.0
        for _ in range(what.extra):
            fault = rng.choice(faults.ALL)
            at = at + rng.expovariate(0.5) if what.scenario == "random" else rng.uniform(0.0, 8.0)
            nursery.start_soon(_after, at, fault, world, random.Random(rng.random()))
    await world.settle()
    if world.truth.unsettled(-1.0) is None:
        for client in world.clients:
            client.resting = True
        await trio.sleep(1.0)
        world.truth.judge()


async def _after(seconds: float, fault: faults.Fault, world: World, rng: random.Random) -> None:
    await trio.sleep(seconds)
    await fault(world, rng)
