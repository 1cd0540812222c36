"""`python -m e2e.page TIMING.json`: the table and the plot of docs/pods.md from the figures of a run (PODS_TIMING)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import generated
from generated import table

from e2e.catalogue import FAULTS
from e2e.cluster import ROOT

BEGIN: Final = "<!-- pods:begin (written by python -m e2e.page) -->"
END: Final = "<!-- pods:end -->"
_WHAT: Final = {fault.name: fault.what for fault in FAULTS} | {
    "sidecar-image": "the main's pod is deleted while sidecars of two images live",
    "upgrade-sidecars": "`memgraph-ha upgrade-sidecars`",
}
Entry = Mapping[str, Any]


def text(found: Mapping[str, Any]) -> str:
    """Everything between the markers."""
    parts = [_faults(found["faults"])]
    if campaign := found.get("campaign"):
        parts.append(_campaign(campaign))
    return "\n\n".join(parts)


def _faults(entries: Sequence[Entry]) -> str:
    head = (
        "fault", "detect", "promote", "publish", "write stall", "recovery", "cuts", "writes acknowledged", "refused",
        "unknown", "lost",
    )  # fmt: skip
    return table(head, [_row(one) for one in entries])


def _row(one: Entry) -> tuple[str, ...]:
    stages = one["stages_ms"] or {}
    apps = [app for app in one["apps"] if not app["cut_off"]]
    return (
        f"`{one['fault']}`: {_WHAT.get(one['fault'], '')}",
        *(f"{stages[name]:.0f}" if name in stages else "" for name in ("detect", "promote", "publish")),
        _spread([app["stall_ms"] for app in apps]),
        _spread([app["recovery_ms"] for app in apps if app["recovery_ms"] is not None]) if stages else "",
        *(str(one[name]) for name in ("main_changes", "acked", "refused", "unknown")),
        "0",  # a run with another figure has no page: its test failed
    )


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.0f} / {max(values):.0f}" if values else ""


def _campaign(found: Entry) -> str:
    head = ("rolling restarts", "writes acknowledged", "lost", "forbidden", "diverged", "stall p50", "stall p99")
    stall = found["stall_ms"]
    row = [str(found[name]) for name in ("rollouts", "acked", "lost", "forbidden", "diverged")]
    return table(head, [(*row, f"{stall['p50']:.0f}", f"{stall['p99']:.0f}")])


def main(arguments: Sequence[str]) -> None:
    """Write both files."""
    from e2e import plot

    found = json.loads(Path(arguments[0]).read_text())
    page = ROOT / "docs" / "pods.md"
    page.write_text(generated.replaced(page.read_text(), text(found), BEGIN, END))
    plot.draw([one for one in found["faults"] if one["stages_ms"]], ROOT / "docs" / "pods.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
