"""The scenarios that found the rules (the protocol's section 4), each as a little story in the world's verbs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sim.world import Scenario, Shape, World


@dataclass(frozen=True)
class Aimed:
    """One scenario: the rules it is about, in one line, and how to bring it about."""

    rules: str
    story: str
    run: Scenario
    shape: Shape = field(default_factory=Shape)


SCENARIOS: Final[dict[str, Aimed]] = {}


async def _noop(world: World) -> None: ...


SCENARIOS["calm"] = Aimed("-", "nothing happens", _noop)
