"""The stages of each kind as stacked bars, p50 and p99."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

_COLORS: Final = {"detect": "#4477aa", "promote": "#ee7733", "protect": "#228833", "resume": "#bbbbbb"}
_MEANING: Final = {
    "detect": "detect: fault to cut",
    "promote": "promote: cut to a new main",
    "protect": "protect: mark, register, prove, publish",
    "resume": "resume: to the first write",
}


def draw(figures: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write an SVG: a panel a kind, each with a scale of its own."""
    # The same figures give the same file: ids are made from a constant, and there is no date.
    mpl.rcParams.update({"svg.hashsalt": "memgraph-ha", "svg.fonttype": "none"})
    drawing = Figure(figsize=(8, 1.15 * len(figures) + 0.8), layout="constrained")
    panels = drawing.subplots(len(figures), 1, squeeze=False)
    for panel, (name, found) in zip(panels[:, 0], figures.items(), strict=True):
        left = {"p50": 0.0, "p99": 0.0}
        for stage, color in _COLORS.items():
            values = [found["stages_ms"][quantile][stage] for quantile in left]
            panel.barh(list(left), values, left=list(left.values()), color=color, label=_MEANING[stage], height=0.7)
            left = {quantile: left[quantile] + value for quantile, value in zip(left, values, strict=True)}
        panel.set_title(name, loc="left", fontsize=9)
        panel.invert_yaxis()
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1, 0].set_xlabel("milliseconds since the fault; each kind has its own scale", fontsize=8)
    drawing.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=8)
    drawing.savefig(path, format="svg", metadata={"Date": None})
