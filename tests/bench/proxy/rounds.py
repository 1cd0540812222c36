"""The run: every load, on every peer in turn, round after round, so that a slow minute of the machine hits them all."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from proxy import loads
from proxy.figures import percentile
from proxy.loads import Ends, Sample
from proxy.loop import Stuck
from proxy.peers import Absent, Place, Start
from proxy.running import DidNotStart, Running
from proxy.traffic import LARGE_RECORD_BYTES, SMALL_RECORD_BYTES, round_trip, stream

CONNECTIONS: Final = (1, 32, 256)
DIRECT: Final = "direct"
RATE: Final = 4000.0
"""Round trips a second when paced."""
PACED_CONNECTIONS: Final = 32
MANY: Final = (256, 1000)
"""Connections held open for the memory of one."""
CHURNED: Final = 400
_SATURATED_S: Final = 0.5
_PACED_S: Final = 1.0
_BULK_S: Final = 0.4

Values = dict[str, list[float]]
"""By figure, one value a round."""


@dataclass(slots=True)
class Raw:
    """What was measured, by peer; and the peers that are not there, with the reason."""

    values: dict[str, Values] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def add(self, peer: str, found: Mapping[str, float]) -> None:
        """One round's values."""
        values = self.values.setdefault(peer, {})
        for name, value in found.items():
            if peer == DIRECT and name.startswith("cpu_"):
                continue  # there is no process
            values.setdefault(name, []).append(value)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where, how often and how long. `share` shortens every load."""

    folder: Path
    core: int
    rounds: int
    share: float = 1.0


def run(ends: Ends, peers: Mapping[str, Start], plan: Plan, say: Callable[[str], None]) -> Raw:
    """Measure. Raises Stuck, ConnectionError."""
    raw = Raw()
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        for name, start in peers.items():
            try:
                running[name] = stack.enter_context(start(Place(plan.folder, plan.core, ends.answerer.listen())))
            except (Absent, DidNotStart) as reason:
                raw.absent[name] = str(reason)
                say(f"{name} is absent: {reason}")
        gc.disable()  # a pause of the load would be a latency of the peer
        for number in range(plan.rounds):
            for name in _turned(list(running), number):
                _fresh(ends, name, peers[name], plan, raw)
            for load in _loads(ends, plan.share):
                for name in _turned(list(running), number):
                    raw.add(name, _tried(load, running[name], name))
            gc.collect()
            say(f"round {number + 1} of {plan.rounds}: {_glance(raw)}")
        gc.enable()
    return raw


Load = Callable[[Running], dict[str, float]]


def _loads(ends: Ends, share: float) -> Iterator[Load]:
    exchange = round_trip()
    for count in CONNECTIONS:
        yield lambda peer, count=count: _saturated(  # type: ignore[misc]
            loads.saturated(ends, peer.port, peer.cpu_s, exchange, count, _SATURATED_S * share), count
        )
    yield lambda peer: _paced(
        loads.paced(ends, peer.port, peer.cpu_s, exchange, PACED_CONNECTIONS, RATE, _PACED_S * share)
    )
    for name, size in (("large", LARGE_RECORD_BYTES), ("small", SMALL_RECORD_BYTES)):
        records = stream(size)
        yield lambda peer, name=name, records=records: _bulk(  # type: ignore[misc]
            loads.bulk(ends, peer.port, peer.cpu_s, records, _BULK_S * share), name
        )
    yield lambda peer: {"cpu_us_per_connection": _us(loads.churn(ends, peer.port, peer.cpu_s, int(CHURNED * share)))}


def _saturated(sample: Sample, connections: int) -> dict[str, float]:
    return {
        f"cpu_us_per_round_trip_{connections}": _us(sample),
        f"round_trips_per_s_{connections}": sample.count / sample.seconds,
        f"p50_us_{connections}": percentile(sample.latencies_s, 0.5) * 1e6,
        f"p99_us_{connections}": percentile(sample.latencies_s, 0.99) * 1e6,
    }


def _paced(sample: Sample) -> dict[str, float]:
    return {
        "cpu_us_per_round_trip_paced": _us(sample),
        "p50_us": percentile(sample.latencies_s, 0.5) * 1e6,
        "p99_us": percentile(sample.latencies_s, 0.99) * 1e6,
    }


def _bulk(sample: Sample, name: str) -> dict[str, float]:
    return {f"cpu_us_per_mib_{name}": _us(sample), f"mib_per_s_{name}": sample.count / sample.seconds}


def _us(sample: Sample) -> float:
    return sample.cpu_s / sample.count * 1e6


def _fresh(ends: Ends, name: str, start: Start, plan: Plan, raw: Raw) -> None:
    """What only a process that has just started shows."""
    if name == DIRECT:
        return
    with start(Place(plan.folder, plan.core, ends.answerer.listen())) as peer:
        ends.close_all(ends.hold(peer.port, 1))  # it knows its upstream, and has loaded what it loads late
        idle = peer.rss_kib()
        found = {"listening_ms": peer.listening_s * 1000, "rss_idle_mib": idle / 1024}
        for count in MANY:
            clients = ends.hold(peer.port, count)
            found[f"rss_kib_per_connection_{count}"] = (peer.rss_kib() - idle) / count
            ends.close_all(clients)
    raw.add(name, found)


def _tried(load: Load, peer: Running, name: str) -> dict[str, float]:
    try:
        return load(peer)
    except (Stuck, ConnectionError) as error:
        raise Stuck(f"{name}: {error}; its log is in the run's folder") from error


def _turned(names: list[str], by: int) -> list[str]:
    """Nobody is always the first."""
    return names[by % len(names) :] + names[: by % len(names)]


def _glance(raw: Raw) -> str:
    def median(name: str) -> str:
        return f"{name} {statistics.median(raw.values[name]['cpu_us_per_round_trip_32']):.1f} us"

    return ", ".join(median(name) for name in raw.values if name != DIRECT)
