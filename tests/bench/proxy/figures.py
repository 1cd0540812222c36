"""From samples to the figures: medians over the rounds, ratios of the same round, goals. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Values = Mapping[str, Sequence[float]]

NAMES: Final[Mapping[str, str]] = {
    "cpu_us_per_round_trip": "cpu_us_per_round_trip_32",
    "cpu_us_per_round_trip_paced": "cpu_us_per_round_trip_paced",
    "cpu_us_per_mib": "cpu_us_per_mib_large",
    "rss_idle_mib": "rss_idle_mib",
    "rss_kib_per_connection": "rss_kib_per_connection_1000",
    "p50_us": "p50_us",
    "p99_us": "p99_us",
    "listening_ms": "listening_ms",
}
"""The figures everybody asks for, and the sample each is the median of. Latencies are the paced ones."""
SIDECAR: Final = "sidecar"
"""As in its image: with its hot modules compiled."""
SIDECAR_PYTHON: Final = "sidecar_python"
"""The same sources, not compiled."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """The sidecar's sample divided by a peer's of the same round."""

    sample: str
    peer: str
    goal: float
    what: str


RATIOS: Final[Mapping[str, Ratio]] = {
    "paced_haproxy": Ratio("cpu_us_per_round_trip_paced", "haproxy", 1.1, "CPU per round trip, 4,000 a second"),
    "paced_envoy": Ratio("cpu_us_per_round_trip_paced", "envoy", 1.0, "CPU per round trip, 4,000 a second"),
    "round_trip_haproxy": Ratio("cpu_us_per_round_trip_32", "haproxy", 1.1, "CPU per round trip, saturated"),
    "round_trip_envoy": Ratio("cpu_us_per_round_trip_32", "envoy", 0.85, "CPU per round trip, saturated"),
    "bulk_haproxy": Ratio("cpu_us_per_mib_large", "haproxy", 0.9, "CPU per MiB, 64 KiB records"),
    "small_records_haproxy": Ratio("cpu_us_per_mib_small", "haproxy", 1.2, "CPU per MiB, 60 B records"),
}
LIMITS: Final[Mapping[str, tuple[float, str]]] = {
    "rss_idle_mib": (32.0, "resident memory, idle, MiB"),
    "rss_kib_per_connection": (16.0, "resident memory a connection, KiB"),
    "listening_ms": (250.0, "from exec to listening, ms"),
}
"""Goals of the sidecar itself."""
FANOUT_MS: Final = 100.0
"""Goal for the p99 from a write of the ConfigMap to the last follower's cut."""


def percentile(values: Sequence[float], quantile: float) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(quantile * len(values)) - 1)]


def figures(values: Mapping[str, Values]) -> dict[str, Any]:
    """`peers`, `ratios`, and what nobody asked for: the ratios of the sidecar in pure Python, the lowest and highest
    ratio of any round, the medians of all samples."""
    found: dict[str, Any] = {"peers": {}, "samples": {}}
    for peer, samples in values.items():
        medians = {name: _short(statistics.median(of)) for name, of in samples.items()}
        found["peers"][peer] = {name: medians.get(sample) for name, sample in NAMES.items()}
        found["samples"][peer] = medians
    for key, ours in {"ratios": SIDECAR, "ratios_python": SIDECAR_PYTHON}.items():
        rounds = {name: _by_round(values, ours, ratio) for name, ratio in RATIOS.items()}
        found[key] = {name: round(statistics.median(of), 3) if of else None for name, of in rounds.items()}
        found[f"{key}_range"] = {name: [round(min(of), 3), round(max(of), 3)] for name, of in rounds.items() if of}
    return found


def _by_round(values: Mapping[str, Values], ours: str, ratio: Ratio) -> list[float]:
    mine, theirs = (values.get(peer, {}).get(ratio.sample, ()) for peer in (ours, ratio.peer))
    return [one / other for one, other in zip(mine, theirs, strict=False)]


def _short(value: float) -> float:
    return float(f"{value:.4g}")
