"""All aimed scenarios: the dicts of the modules in `sim/scenarios/`, ordered by number."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from sim import scenarios
from sim.scenarios.kinds import Aimed


def _all() -> dict[str, Aimed]:
    found: dict[str, Aimed] = {}
    for module in iter_modules(scenarios.__path__, f"{scenarios.__name__}."):
        found |= getattr(import_module(module.name), "SCENARIOS", {})
    return dict(sorted(found.items(), key=lambda item: int(item[0].partition(" ")[0])))


SCENARIOS: Final[dict[str, Aimed]] = _all()
"""By "<number> <what>"."""
