"""The peers side by side as bars, a panel a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from proxy.figures import SIDECAR
from proxy.page import number

_PANELS: Final = {
    "cpu_us_per_round_trip_32": "CPU a round trip, us\n32 connections, saturated",
    "cpu_us_per_round_trip_paced": "CPU a round trip, us\n4,000 a second",
    "cpu_us_per_mib_large": "CPU a MiB, us\n64 KiB records",
    "cpu_us_per_mib_small": "CPU a MiB, us\n60 B records",
    "p99_us": "latency p99, us\n4,000 a second",
    "rss_idle_mib": "resident memory, MiB\nidle",
}
_OURS: Final = "#ee7733"
_OTHERS: Final = "#4477aa"


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Write an SVG."""
    # The same figures give the same file: ids are made from a constant, and there is no date.
    mpl.rcParams.update({"svg.hashsalt": "memgraph-ha", "svg.fonttype": "none"})
    drawing = Figure(figsize=(9, 5.5), layout="constrained")
    panels = drawing.subplots(2, 3).flat
    for panel, (name, title) in zip(panels, _PANELS.items(), strict=True):
        values = {peer: of[name] for peer, of in found["samples"].items() if of.get(name) is not None}
        colors = [_OURS if peer.startswith(SIDECAR) else _OTHERS for peer in values]
        bars = panel.barh(list(values), list(values.values()), color=colors, height=0.7)
        panel.bar_label(bars, [number(value) for value in values.values()], fontsize=7, padding=2)
        panel.set_title(title, loc="left", fontsize=9)
        panel.invert_yaxis()
        panel.margins(x=0.18)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    drawing.savefig(path, format="svg", metadata={"Date": None})
