"""Runs seeds until one shows a violation: the program that `planted` starts with a changed product in front.

`python -m sim.hunt ROOT SEED...` prints one JSON object: which seed, and what it showed (null: none did).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import controller
import sidecar
import sim
from sim.run import run


def hunt(seeds: list[int]) -> dict[str, Any]:
    """The first seed with a violation."""
    for seed in seeds:
        violations = run(seed).violations
        if violations:
            return {"seed": seed, "violation": violations[0]}
    return {"seed": None, "violation": None}


def main(arguments: list[str]) -> int:
    """The command. A product that is not below ROOT would prove nothing."""
    root = Path(arguments[0]).resolve()
    for module in (controller, sidecar, sim):
        assert root in Path(str(module.__file__)).resolve().parents, f"{module.__file__} is not the planted one"
    sys.stdout.write(json.dumps(hunt([int(seed) for seed in arguments[1:]])) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
