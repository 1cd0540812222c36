"""Fuzzed AdmissionReviews against the webhook's core, all invariants asserted: `make fuzz-admission`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from admissionfuzz.batch import BATCH, run

RUNS: Final = 1_000_000


def main() -> int:
    """Exit code 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="make fuzz-admission", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"reviews (default: {RUNS})")
    parser.add_argument("--seed", type=int, default=1, help="of the first batch; each further one has the next")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    batches = max(1, arguments.runs // BATCH)
    started, reasons, found = time.monotonic(), Counter[str](), list[str]()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for number, result in enumerate(pool.map(run, range(arguments.seed, arguments.seed + batches)), 1):
            reasons += result.reasons
            found += result.found
            if number % 20 == 0:
                print(f"{number * BATCH} reviews, {len(found)} findings", flush=True)
    seconds = time.monotonic() - started
    total = sum(reasons.values())
    figures = {
        "reviews": total, "seconds": round(seconds, 1), "per_s": round(total / seconds), "findings": len(found),
        "reasons": dict(reasons.most_common()),
    }  # fmt: skip
    print(json.dumps(figures))
    for one in found:
        print(one)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
