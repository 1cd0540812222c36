"""How fast the running webhook answers: `make admission JSON=path`.

A webhook process on one core, over TLS, with the stand-in API server behind it; reviews of all golden pods. First 100 a
second, each sent when it is due whatever the others do, timed from then; afterwards as many as it takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from admission.load import Load, closed_loop, open_loop
from admission.target import webhook

RATE_PER_S = 100
WORKERS = 8
GOAL_P99_MS = 10.0


async def measure(seconds: float) -> dict[str, float | int]:
    """The figures of one webhook."""
    with tempfile.TemporaryDirectory() as folder, webhook(Path(folder)) as target:
        load = Load(target.port, target.bundle)
        await open_loop(load, RATE_PER_S, 2.0, WORKERS)  # imports and caches are not the question
        took = await open_loop(load, RATE_PER_S, seconds, WORKERS)
        errors = load.errors
        answered = await closed_loop(load, min(seconds, 5.0), 2 * WORKERS)
        quantiles = statistics.quantiles(took, n=100)
        return {
            "rate_per_s": round(len(took) / seconds, 1),
            "p50_ms": round(quantiles[49] * 1000, 2),
            "p99_ms": round(quantiles[98] * 1000, 2),
            "errors": errors + load.errors,
            "max_rate_per_s": round(answered / min(seconds, 5.0), 1),
            "rss_mib": round(target.rss_mib(), 1),
        }


def main() -> int:
    """Exit code 1 if an admission failed; slow is a figure, not a failure."""
    parser = argparse.ArgumentParser(prog="make admission", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the measurement at the fixed rate")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    if len(cores := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(0, cores[1:])  # the webhook has the first one for itself
    figures = asyncio.run(measure(arguments.seconds))
    text = json.dumps(figures)
    print(text)
    print(f"goal: p99 <= {GOAL_P99_MS:g} ms at {RATE_PER_S} reviews a second on one core", file=sys.stderr)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    return 1 if figures["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
