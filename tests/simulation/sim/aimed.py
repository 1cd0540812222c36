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
    return dict(sorted(found.items(), key=lambda item: _place(item[0])))


def _place(name: str) -> tuple[int, str]:
    """4a comes after 3, and 10 after 9."""
    number = name.partition(" ")[0]
    return int(number.rstrip("ab")), number


SCENARIOS: Final[dict[str, Aimed]] = _all()
"""By "<number> <what>"."""
