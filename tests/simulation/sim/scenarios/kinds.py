"""What a scenario is."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.world import Scenario, Shape, World


@dataclass(frozen=True)
class Aimed:
    """One scenario: the rules it is about, in one line, and how to bring it about."""

    rules: str
    story: str
    run: Scenario
    shape: Shape = field(default_factory=Shape)


def reached(world: World, number: int | str) -> None:
    """The decisive point of this scenario has come."""
    world.log("-", f"REACHED scenario {number}")
    world.truth.probes[f"scenario {number} reached"] += 1
