"""Queries of the real Python driver to a simulated Memgraph through each peer: does the order of the peers hold there?

Driver and database cost far more than any proxy, so this is a check of plausibility, not a measurement of proxies.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import neo4j
from memgraph_process import memgraphs

from proxy.peers import Place, Start
from proxy.running import Running

_BATCH: Final = 100
_QUERY: Final = "UNWIND [1, 2, 3] AS n RETURN n"


def measure(peers: Mapping[str, Start], folder: Path, core: int, batches: int) -> dict[str, dict[str, float]]:
    """By peer: `query_us` at the client and `cpu_us_per_query` of the peer; medians of batches, taken in turn."""
    with ExitStack() as stack:
        (main,) = stack.enter_context(memgraphs(folder, 1, born_replica=False))
        running = {name: stack.enter_context(start(Place(folder, core, main.bolt))) for name, start in peers.items()}
        sessions = {
            name: stack.enter_context(
                stack.enter_context(neo4j.GraphDatabase.driver(f"bolt://127.0.0.1:{peer.port}")).session()
            )
            for name, peer in running.items()
        }
        for session in sessions.values():
            _batch(session, None)
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in running}
        for _ in range(batches):
            for name, session in sessions.items():
                taken[name].append(_batch(session, running[name] if running[name].pid else None))
    return {name: _medians(batches) for name, batches in taken.items()}


def _batch(session: neo4j.Session, peer: Running | None) -> tuple[float, float]:
    """Seconds and seconds of the peer's CPU for one query."""
    used, began = peer.cpu_s() if peer else 0.0, time.perf_counter()
    for _ in range(_BATCH):
        session.run(_QUERY).consume()
    lasted = time.perf_counter() - began
    return lasted / _BATCH, ((peer.cpu_s() if peer else 0.0) - used) / _BATCH


def _medians(batches: list[tuple[float, float]]) -> dict[str, float]:
    seconds, cpu = (statistics.median(column) * 1e6 for column in zip(*batches, strict=True))
    return {"query_us": round(seconds, 1), "cpu_us_per_query": round(cpu, 1)}
