"""How long everything took, kept until the end and then written to a file from which docs/pods.md is made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from failover.stages import Failover, Incomplete, measure, parse

from e2e.installation import Installation
from e2e.ledgers import Book
from e2e.publications import Publication
from e2e.waiting import Unanswered
from sandbox.demo.checker import Window, longest_stall
from sandbox.demo.history import Kind
from sidecar.contract.state import Phase


@dataclass
class Timings:
    """One entry a fault."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    campaign: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"faults": self.entries, "campaign": self.campaign}, indent=1) + "\n")


def stages(installation: Installation, struck: float, epoch: int) -> Failover | None:
    """What the controllers' logs say about the change of main after `struck`; None if they don't say all of it."""
    lines: list[str] = []
    for pod in installation.pods("controller"):
        path = installation.path("pods", f"{pod['metadata']['name']}/log")
        for previous in ("true", "false"):
            try:
                lines += installation.cluster.text(path, container="controller", previous=previous).splitlines()
            except Unanswered:
                continue  # no earlier container, or its node is gone
    try:
        return measure([step for line in lines if (step := parse(line)) is not None], struck, epoch)
    except Incomplete:
        return None


def entry(
    name: str,
    books: Sequence[Book],
    publications: Sequence[Publication],
    struck: float,
    end: float,
    found: Failover | None,
    broken: str,
) -> dict[str, Any]:
    """Of one fault. `broken` is a node whose own apps could not write, whatever we do: they are counted apart."""
    served = next((p.ts for p in publications if p.ts > struck and p.document.phase is Phase.SERVING), None)
    apps = []
    for book in books:
        records = [record for record in book.records if record.ts > struck - 60]
        acks = [record.ts for record in records if record.kind is Kind.OK]
        if not acks or acks[0] > struck or acks[-1] < struck:
            continue  # it began or ended meanwhile
        last = min(end, acks[-1])
        first = next((ts for ts in acks if served is not None and ts >= served), None)
        apps.append({
            "pod": book.pod, "node": book.node, "cut_off": book.node == broken,
            "stall_ms": round(1000 * longest_stall([records], Window("", struck, last)), 1),
            "recovery_ms": round(1000 * (first - struck), 1) if first else None,
        })  # fmt: skip
    during = [r for book in books for r in book.records if struck <= r.ts <= end]
    return {
        "fault": name,
        "stages_ms": None if found is None else {
            "detect": found.detect, "promote": found.promote,
            "protect": round(max(0.0, found.publish - found.detect - found.promote), 1), "publish": found.publish,
        },
        "main_changes": len({p.document.epoch for p in publications if p.document.phase is Phase.CUT}),
        "apps": apps,
        "acked": sum(r.kind is Kind.OK for r in during),
        "refused": sum(r.kind is Kind.FAIL for r in during),
        "unknown": sum(r.kind is Kind.INFO for r in during),
        "settled_ms": round(1000 * (end - struck)),
    }  # fmt: skip
