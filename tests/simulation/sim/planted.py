"""Planted bugs: each rule's absence must be noticed by the seeds, or the simulation is blind to that rule.

A bug is a TOML file in `tests/simulation/planted`: it replaces a text that occurs exactly once in a copy of the
sources, and the seeds are run with that copy, first those of its scenario, then common ones. Caught means: a seed
shows a violation with the bug, and none without it.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sim.run import recipe

ROOT: Final = Path(__file__).resolve().parents[3]
BUGS: Final = ROOT / "tests/simulation/planted"
COPIED: Final = ("controller", "sidecar", "tests/simulation/sim", "tests/support")
PLACES: Final = (".", "tests/simulation", "tests/support")
AIMED_MOST: Final = 60
COMMON_MOST: Final = 150
"""Seeds tried before a bug counts as not caught."""


class DoesNotApply(Exception):
    """The sources have changed: the bug's text is not there exactly once, or the result is no Python."""


@dataclass(frozen=True)
class Edit:
    """Replace `old`, which occurs exactly once in `file`, by `new`."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Change the copy at `root`. Raises DoesNotApply."""
        path = root / self.file
        if not path.is_file():
            raise DoesNotApply(f"there is no {self.file} among what is copied ({', '.join(COPIED)})")
        text = path.read_text()
        if text.count(self.old) != 1:
            raise DoesNotApply(f"{self.file} has {text.count(self.old)} times, not once: {self.old.strip()!r}")
        changed = text.replace(self.old, self.new)
        try:
            ast.parse(changed)
        except SyntaxError as error:
            raise DoesNotApply(f"{self.file} is no Python any more: {error}") from error
        path.write_text(changed)


@dataclass(frozen=True)
class Bug:
    """A rule taken away. `scenario` is the number of the one that found the rule, or empty."""

    name: str
    rule: str
    scenario: str
    why: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Catch:
    """What became of a bug. `spoiled`: seeds that show a violation without it, too, and prove nothing."""

    bug: Bug
    seed: int | None
    said: str
    spoiled: tuple[int, ...] = ()


def load(path: Path) -> Bug:
    """One file. `[[also]]` tables are further edits: where two rules cover the same accident, both must go."""
    data = tomllib.loads(path.read_text())
    tables = [data, *data.get("also", [])]
    edits = tuple(Edit(table["file"], table["old"], table["new"]) for table in tables)
    return Bug(data["name"], data["rule"], str(data["scenario"]), data["why"], edits)


def seeds_for(bug: Bug) -> list[int]:
    """First the seeds that are aimed at its scenario, then common ones."""
    aimed: list[int] = []
    for seed in range(0, 100 * AIMED_MOST, 2):
        if len(aimed) < AIMED_MOST and recipe(seed).scenario.partition(" ")[0] == bug.scenario:
            aimed.append(seed)
    return aimed + list(range(1, 2 * COMMON_MOST, 2))


def plant(bug: Bug, root: Path) -> None:
    """Copy the sources to `root`, with the bug. Raises DoesNotApply."""
    for part in COPIED:
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in bug.edits:
        edit.apply(root)


def hunt(root: Path, seeds: Iterable[int]) -> tuple[int | None, str]:
    """Run the seeds with the sources at `root` in front: the first with a violation, and what it says."""
    paths = [str(base / place) for base in (root, ROOT) for place in PLACES]
    command = [sys.executable, "-m", "sim.hunt", str(root), *(str(seed) for seed in seeds)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        return None, f"the run itself failed: {done.stderr.strip().splitlines()[-1:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found["seed"], found["violation"] or "no seed shows a violation"


def catch(bug: Bug) -> Catch:
    """Plant the bug and look for a seed that shows it."""
    with tempfile.TemporaryDirectory(prefix="planted-") as directory:
        root = Path(directory)
        try:
            plant(bug, root)
        except DoesNotApply as error:
            return Catch(bug, None, f"does not apply: {error}")
        seeds, spoiled = seeds_for(bug), list[int]()
        while True:
            seed, said = hunt(root, seeds)
            if seed is None:
                return Catch(bug, None, said, tuple(spoiled))
            without, _ = hunt(ROOT, [seed])
            if without is None:
                return Catch(bug, seed, said, tuple(spoiled))
            spoiled.append(seed)
            seeds = seeds[seeds.index(seed) + 1 :]


def summary(catches: Iterable[Catch]) -> dict[str, Any]:
    """What `--json` writes."""
    bugs = [{"name": c.bug.name, "rule": c.bug.rule, "caught_by_seed": c.seed} for c in catches]
    return {"planted": len(bugs), "caught": sum(b["caught_by_seed"] is not None for b in bugs), "bugs": bugs}


def main(arguments: list[str]) -> int:
    """The command; 1 if a bug was not caught."""
    parser = argparse.ArgumentParser(prog="planted", description="Plant each bug and see whether a seed notices.")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--only", help="the bugs whose name contains this")
    options = parser.parse_args(arguments)
    bugs = [bug for path in sorted(BUGS.glob("*.toml")) if (options.only or "") in (bug := load(path)).name]
    catches = []
    with ThreadPoolExecutor(max_workers=2) as workers:
        for result in workers.map(catch, bugs):
            catches.append(result)
            how = f"caught by seed {result.seed}" if result.seed is not None else "NOT CAUGHT"
            spoiled = f" (without the bug, too: {list(result.spoiled)})" if result.spoiled else ""
            sys.stdout.write(f"{result.bug.rule:6} {result.bug.name}: {how}: {result.said}{spoiled}\n")
            sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(summary(catches), indent=1) + "\n")
    return 0 if catches and all(result.seed is not None for result in catches) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
