"""Rolling restarts of Memgraph under load, again and again, in several releases at a time; what it came to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from failover.stages import percentile

from e2e import workloads
from e2e.cluster import kubectl
from e2e.database import instances
from e2e.scene import STORE, WEB, Scene
from e2e.waiting import until
from sandbox.demo.checker import Report, Window, check, longest_stall

_DRAINED_S = 120.0
_EQUAL_S = 60.0


@dataclass
class Figures:
    """Of one lane. `stalls`: for each roll-out and app pod, the longest time without an acknowledgement, in ms."""

    rollouts: int = 0
    stalls: list[float] = field(default_factory=list)
    report: Report | None = None
    diverged: int = 0


def restart(scene: Scene, figures: Figures) -> None:
    """One rolling restart, under load, and its end."""
    target = f"statefulset/{scene.installation.name}"
    began = time.time()
    scene.installation.roll_out(target, 600)
    scene.installation.settle()
    ended = time.time()
    scene.all_write(ended)
    window = Window("", began, ended)
    figures.rollouts += 1
    figures.stalls += [1000 * longest_stall([book.records], window) for book in scene.ledgers.books(living=True)]


def finish(scene: Scene, figures: Figures) -> None:
    """End the apps, and compare everything they were told with every instance."""
    kubectl("-n", scene.apps, "scale", f"deployment/{WEB}", f"statefulset/{STORE}", "--replicas=0")

    def left() -> str:
        pods = scene.cluster.pods(scene.apps, workloads.LABEL)
        return f"{len(pods)} pods" if pods else ""

    until(left, _DRAINED_S, f"the apps of {scene.apps} have ended")
    document = scene.installation.settle()
    names = [str(pod["metadata"]["name"]) for pod in scene.installation.pods("memgraph")]
    with instances(scene.installation.namespace, names) as every:
        held: dict[str, list[str]] = {}

        def unequal() -> str:
            held.update({one.pod: sorted(one.ids(0)) for one in every})
            counts = {pod: len(ids) for pod, ids in held.items()}
            return "" if len({tuple(ids) for ids in held.values()}) == 1 else str(counts)

        try:
            until(unequal, _EQUAL_S, "all instances hold the same")
        except AssertionError:
            main = set(held[document.main_pod])
            figures.diverged = sum(len(main ^ set(ids)) for ids in held.values())
    histories = {book.uid: book.records for book in scene.ledgers.books()}
    figures.report = check(histories, held[document.main_pod])


def together(lanes: Sequence[Figures]) -> dict[str, Any]:
    """All lanes' figures as `make pods JSON=path` has them."""
    reports = [found.report for found in lanes if found.report is not None]
    stalls = [stall for found in lanes for stall in found.stalls]
    return {
        "rollouts": sum(found.rollouts for found in lanes),
        "acked": sum(report.acked for report in reports),
        "lost": sum(len(report.lost) for report in reports),
        "forbidden": sum(report.forbidden for report in reports),
        "diverged": sum(found.diverged for found in lanes),
        "unknown": sum(report.unknown for report in reports),
        "stall_ms": {name: round(percentile(stalls, q), 1) for name, q in (("p50", 0.5), ("p99", 0.99))}
        if stalls
        else {},
    }
