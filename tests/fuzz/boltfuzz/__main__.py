"""Coverage-guided fuzzing of the sidecar's parser and session: `make fuzz`."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final

from boltfuzz.corpus import seeds
from boltfuzz.planted import BUGS, planted
from boltfuzz.targets import run, scaled

RUNS: Final = 1_000_000
BYTES_MAX: Final = 256
"""Of an input: a hundred steps of a dialogue. Longer seeds are cut: most reach beyond the log-on all the same."""
_FOUND: Final = re.compile(r"Test unit written to (\S+)")
_INTERRUPTED: Final = 72  # libFuzzer's exit code
_EXECUTED: Final = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def fuzz(runs: int, seed: int, plant: str, keep: Path) -> dict[str, Any]:
    """One run of the engine. What it finds is kept in `keep`."""
    keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(seeds()):
            (Path(folder) / f"{number:03}").write_bytes(data)
        arguments = [f"-runs={runs}", f"-seed={seed}", f"-max_len={BYTES_MAX}", "-print_final_stats=1", "-timeout=20"]
        command = [sys.executable, "-m", "boltfuzz.engine", *arguments, f"-artifact_prefix={keep}/", folder]
        environment = os.environ | ({"BOLTFUZZ_PLANT": plant} if plant else {})
        started = time.monotonic()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as engine:
            assert engine.stderr is not None
            lines: list[str] = []
            with suppress(KeyboardInterrupt):  # the engine gets it, too, and says how far it came
                _show(engine.stderr, lines)
            _show(engine.stderr, lines)
        seconds = time.monotonic() - started
    said = "".join(lines)
    executed = _EXECUTED.search(said)
    found = _FOUND.findall(said)
    if executed is None or (engine.returncode not in (0, _INTERRUPTED) and not found):
        raise SystemExit(f"the engine failed (exit {engine.returncode}):\n{said[-2000:]}")
    inputs = int(executed[1])
    return {
        "inputs": inputs, "seconds": round(seconds, 1), "per_s": round(inputs / seconds), "findings": len(found),
        "found": found,
    }  # fmt: skip


def _show(output: Iterable[str], lines: list[str]) -> None:
    """Keep all that the engine says; its progress is shown as it comes."""
    for line in output:
        lines.append(line)
        if line.startswith("#") and "pulse" in line:
            print(line, end="", flush=True)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="boltfuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plant", choices=sorted(BUGS), default="")
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"))
    parser.add_argument("--replay", type=Path, help="run one input that was kept, and show what it raises")
    given = parser.parse_args()
    if given.replay:
        with scaled(), planted(given.plant) if given.plant else nullcontext():
            run(given.replay.read_bytes())
        print("nothing is raised")
        return 0
    result = fuzz(given.runs, given.seed, given.plant, given.keep)
    found = result.pop("found")
    print(f"{result['inputs']} inputs in {result['seconds']} s ({result['per_s']} a second), {len(found)} findings")
    plant = f" PLANT={given.plant}" if given.plant else ""
    for path in found:
        print(f"{path}: show what it raises by `make fuzz REPLAY={path}{plant}`")
    if given.json:
        given.json.write_text(json.dumps(result) + "\n")
    return 0 if bool(found) == bool(given.plant) else 1


if __name__ == "__main__":
    sys.exit(main())
