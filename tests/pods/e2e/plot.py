"""Stages of each change of main as stacked bars, and when each sidecar's app wrote again as dots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

_COLORS: Final = {"detect": "#4477aa", "promote": "#ee7733", "protect": "#228833"}
_MEANING: Final = {
    "detect": "detect: fault to cut",
    "promote": "promote: cut to a new main",
    "protect": "protect: mark, register, prove, publish",
}


def draw(entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write an SVG: a panel a fault, each with a scale of its own."""
    # The same figures give the same file: ids are made from a constant, and there is no date.
    mpl.rcParams.update({"svg.hashsalt": "memgraph-ha", "svg.fonttype": "none"})
    drawing = Figure(figsize=(8, 0.8 * len(entries) + 1.0), layout="constrained")
    panels = drawing.subplots(len(entries), 1, squeeze=False)
    for panel, one in zip(panels[:, 0], entries, strict=True):
        left = 0.0
        for stage, color in _COLORS.items():
            width = one["stages_ms"][stage]
            panel.barh([0], [width], left=[left], color=color, label=_MEANING[stage], height=0.6)
            left += width
        dots = [app["recovery_ms"] for app in one["apps"] if not app["cut_off"] and app["recovery_ms"] is not None]
        panel.plot(dots, [0] * len(dots), "ko", markersize=4, label="an app wrote again")
        panel.set_title(one["fault"], loc="left", fontsize=9)
        panel.set_yticks([])
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right", "left"]].set_visible(False)
    panels[-1, 0].set_xlabel("milliseconds since the fault; each has its own scale", fontsize=8)
    drawing.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=8)
    drawing.savefig(path, format="svg", metadata={"Date": None})
