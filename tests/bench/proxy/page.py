"""The figures as Markdown, and their place in docs/benchmarks.md. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from generated import table

from proxy.figures import FANOUT_MS, LIMITS, RATIOS, SIDECAR, SIDECAR_PYTHON

BEGIN: Final = "<!-- bench:begin (written by make bench) -->"
END: Final = "<!-- bench:end -->"
Found = Mapping[str, Any]

_COLUMNS: Final = {
    "cpu_us_per_round_trip_1": "1 connection",
    "cpu_us_per_round_trip_32": "32",
    "cpu_us_per_round_trip_256": "256",
    "cpu_us_per_round_trip_paced": "paced",
    "p50_us": "p50, paced",
    "p99_us": "p99, paced",
    "round_trips_per_s_32": "round trips/s, 32",
}
_REST: Final = {
    "cpu_us_per_mib_large": "us/MiB, 64 KiB records",
    "cpu_us_per_mib_small": "us/MiB, 60 B records",
    "cpu_us_per_connection": "us a connection",
    "rss_idle_mib": "RSS idle, MiB",
    "rss_kib_per_connection_1000": "KiB a connection",
    "listening_ms": "ms to listening",
    "query_us": "us a driver's query",
}


def text(found: Found, machine: str) -> str:
    """Everything between the markers."""
    parts = [machine, _goals(found), _measured(found, _COLUMNS), _measured(found, _REST), _fanout(found)]
    absent = [f"Absent: {name}: {reason}" for name, reason in found["absent"].items()]
    return "\n\n".join([*[part for part in parts if part], *absent])


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal of the sidecar. A figure of None was not measured."""

    what: str
    figure: float | None
    at_most: float
    between: tuple[float, float] | None = None
    """The lowest and the highest round's figure."""
    python: float | None = None
    """The figure in pure Python."""


def goals(found: Found) -> list[Goal]:
    """All of them."""
    ratios = [
        Goal(
            f"{ratio.what}, as a ratio to {ratio.peer}", found["ratios"][name], ratio.goal,
            found["ratios_range"].get(name), found["ratios_python"][name],
        )
        for name, ratio in RATIOS.items()
    ]  # fmt: skip
    python = found["peers"].get(SIDECAR_PYTHON, {})
    limits = [
        Goal(what, found["peers"][SIDECAR][name], at_most, python=python.get(name))
        for name, (at_most, what) in LIMITS.items()
    ]
    fanout = found.get("fanout") or {}
    what = f"write of the ConfigMap to the last of {fanout.get('sidecars', 'many')} followers, p99, ms"
    return [*ratios, *limits, Goal(what, fanout.get("p99_ms"), FANOUT_MS)]


def _goals(found: Found) -> str:
    rows = [
        (
            goal.what,
            number(goal.figure),
            " - ".join(f"{one:.2f}" for one in goal.between or ()),
            f"<= {goal.at_most:g}",
            _verdict(goal.figure, goal.at_most),
            number(goal.python),
        )
        for goal in goals(found)
    ]
    return table(("goal of the sidecar", "measured", "lowest - highest round", "goal", "", "in pure Python"), rows)


def _verdict(figure: float | None, goal: float) -> str:
    if figure is None:
        return "not measured"
    return "met" if figure <= goal else "missed"


def _measured(found: Found, columns: Mapping[str, str]) -> str:
    samples = found["samples"]
    rows = [(peer, *[number(samples[peer].get(name)) for name in columns]) for peer in samples]
    return table(("peer", *columns.values()), rows)


def _fanout(found: Found) -> str:
    fanout = found.get("fanout")
    if not fanout:
        return f"Fan-out was not measured: {found['absent_fanout']}" if found.get("absent_fanout") else ""
    server = fanout["api_server"]
    return (
        f"Fan-out: {fanout['writes']} writes of the ConfigMap to {fanout['sidecars']} followers on Kubernetes "
        f"{fanout['kubernetes']}. Milliseconds from just before the request until they had acted: the first follower "
        f"{fanout['first_p50_ms']:g}, half of them {fanout['middle_p50_ms']:g}, the last {fanout['p50_ms']:g} (p50) "
        f"and {fanout['p99_ms']:g} (p99). A write costs each follower {fanout['follower_cpu_us_per_write']:g} us of "
        f"CPU. The API server has {server['rss_mib_without']:g} MiB without followers; 1,000 of them need "
        f"{server['rss_mib_per_1000']:g} MiB more, {server['cpu_ms_per_write_per_1000']:g} ms of its CPU a write, "
        f"and {max(0.0, server['idle_cpu_percent_per_1000']):g} % of a core while nothing is written. Ten thousand "
        f"are ten times that: {server['rss_mib_per_1000'] * 10:,.0f} MiB and "
        f"{server['cpu_ms_per_write_per_1000'] / 100:.2g} s of CPU a write, divided by the API servers there are."
    )


def number(value: float | None) -> str:
    """With three digits, or as a whole number; nothing for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
