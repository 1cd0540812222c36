"""How fast the simulated Memgraph takes point writes from the neo4j driver: `make memgraph-bench JSON=path`.

One session, half of the writes auto-commit MERGE by an indexed property, half managed transactions with one CREATE;
alone, with one STRICT_SYNC and with one ASYNC replica, each time new instances. The median of the runs counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import neo4j
from memgraph_process import Memgraph, eventually, memgraphs

WRITES: Final = 10_000
MODES: Final = {"alone": None, "strict": "STRICT_SYNC", "async": "ASYNC"}
FLAGS: Final = ("--storage-wal-file-flush-every-n-tx=100000",)
"""As Memgraph comes; the instances of the tests sync each commit."""


def measure(mode: str | None, writes: int) -> tuple[float, float]:
    """Seconds for the MERGEs and for the CREATEs."""
    with (
        tempfile.TemporaryDirectory() as directory,
        memgraphs(Path(directory), 2 if mode else 1, *FLAGS) as (main, *replicas),
    ):
        main.query("SET REPLICATION ROLE TO MAIN")
        for replica in replicas:
            main.query(f"REGISTER REPLICA r {mode} TO '{replica.address}'")
            eventually(lambda: main.status()["r"]["status"] == "ready")
        main.query("CREATE INDEX ON :Merged(id)")
        seconds = _write(main, writes // 2)
        for instance in (main, *replicas):
            _wait_for(instance, writes)
        return seconds


def _wait_for(instance: Memgraph, writes: int) -> None:
    eventually(lambda: instance.query("MATCH (n) RETURN count(n)") == [[writes]], 60)


def _write(main: Memgraph, half: int) -> tuple[float, float]:
    assert main.driver is not None
    with main.driver.session() as session:
        session.run("RETURN 1").consume()
        begun = time.perf_counter()
        for number in range(half):
            session.run("MERGE (n:Merged {id: $id})", id=number).consume()
        between = time.perf_counter()
        for number in range(half):
            session.execute_write(_create, number)
        return between - begun, time.perf_counter() - between


def _create(transaction: neo4j.ManagedTransaction, number: int) -> None:
    transaction.run("CREATE (n:Created {id: $id})", id=number).consume()


def main() -> None:
    """Measure, print a table, write the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    parser.add_argument("--writes", type=int, default=WRITES)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    figures: dict[str, Any] = {"writes": options.writes}
    print(f"{options.writes} writes, median of {options.runs} runs; CPU of all instances together")
    print(f"{'':11}{'seconds':>10}{'us per write':>14}{'MERGE us':>10}{'CREATE us':>11}{'CPU s':>7}")
    for name, mode in MODES.items():
        used = _children_s()
        runs = sorted((measure(mode, options.writes) for _ in range(options.runs)), key=sum)
        used = (_children_s() - used) / options.runs
        merge, create = runs[options.runs // 2]
        total, each = merge + create, 1e6 / options.writes
        figures[f"{name}_s"] = round(total, 3)
        columns = f"{total:10.2f}{total * each:14.0f}{2 * merge * each:10.0f}{2 * create * each:11.0f}{used:7.2f}"
        print(f"{mode or name:11}{columns}", flush=True)
    figures["us_per_write"] = round(figures["alone_s"] / options.writes * 1e6)
    if options.json:
        options.json.write_text(json.dumps(figures) + "\n")


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
