"""What the controllers' log lines say about one failover, and what many of them say together. Pure.

Times are wall-clock seconds of one machine's clock; a log line has whole milliseconds, cut off. A controller logs a
step when the answer to it has arrived: each stage ends when the controller knows it, not when it was sent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

Percentiles = dict[str, float]
QUANTILES: Final = {"p50": 0.5, "p99": 0.99}
CUT: Final = "cut"
SERVING: Final = "serving"
PROMOTE: Final = "Promote"


class Incomplete(Exception):
    """The log lines don't show a whole failover; the message names what is missing."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step a controller finished: a published phase, or the name of an action. `epoch` only for a phase."""

    ts: float
    what: str
    epoch: int = -1


@dataclass(frozen=True, slots=True)
class Failover:
    """One failover, in milliseconds. `steps` are what the time between cut and publication went into, by action."""

    detect: float
    promote: float
    publish: float
    steps: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """A failover, and what the app saw of it. `resume`: from the publication to the first acknowledged write."""

    failover: Failover
    stall: float
    resume: float

    @property
    def stages(self) -> dict[str, float]:
        """The parts of the time from the fault to the first write on the new main, in order."""
        failover = self.failover
        return {
            "detect": failover.detect,
            "promote": failover.promote,
            "protect": max(0.0, failover.publish - failover.detect - failover.promote),
            "resume": self.resume,
        }


def parse(line: str) -> Step | None:
    """Read one log line of a controller; None if it ends no step."""
    try:
        data = json.loads(line)
        event = data["event"]
        if event == "DocumentWritten":
            return Step(_seconds(data), str(data["phase"]), int(data["epoch"]))
        if event == "ActionDone" and data["action"] != "Publish":
            return Step(_seconds(data), str(data["action"]))
        return Step(_seconds(data), event) if event == "BecameLeader" else None
    except (KeyError, TypeError, ValueError):
        return None


def measure(steps: Iterable[Step], fault: float, epoch_before: int) -> Failover:
    """The failover that followed the fault: to another main, or to the same one again (P-F3). Raises Incomplete."""
    after = sorted((step for step in steps if step.ts >= math.floor(fault * 1000) / 1000), key=lambda step: step.ts)
    published = next((s for s in after if s.what == SERVING and s.epoch > epoch_before), None)
    if published is None:
        raise Incomplete("no main was published")
    during = after[: after.index(published) + 1]
    cut = next((step for step in during if step.what == CUT), None)
    if cut is None:
        raise Incomplete("no cut was published")
    promoted = next((step for step in reversed(during) if step.what == PROMOTE), None)
    if promoted is None:
        raise Incomplete("no promotion was read back")
    return Failover(
        detect=_ms(cut.ts - fault),
        promote=_ms(promoted.ts - cut.ts),
        publish=_ms(published.ts - fault),
        steps=_by_action(during[during.index(cut) :]),
    )


def percentile(values: Sequence[float], quantile: float) -> float:
    """The smallest value that so many of them don't exceed (nearest rank): with 30 values, p99 is the largest."""
    return sorted(values)[math.ceil(quantile * len(values)) - 1]


def summary(runs: Sequence[Run], errors: int, lost: int) -> dict[str, Any]:
    """One kind's figures. `stages_ms` are the stages of the very runs at these percentiles of `publish_ms`."""

    def spread(values: Sequence[float]) -> Percentiles:
        return {name: round(percentile(values, quantile), 1) for name, quantile in QUANTILES.items()}

    def typical(quantile: float) -> Run:
        publish = percentile([run.failover.publish for run in runs], quantile)
        return next(run for run in runs if run.failover.publish == publish)

    actions = dict.fromkeys(action for run in runs for action in run.failover.steps)
    return {
        "runs": len(runs),
        "detect_ms": spread([run.failover.detect for run in runs]),
        "promote_ms": spread([run.failover.promote for run in runs]),
        "publish_ms": spread([run.failover.publish for run in runs]),
        "write_stall_ms": spread([run.stall for run in runs]),
        "resume_ms": spread([run.resume for run in runs]),
        "steps_ms": {name: spread([run.failover.steps.get(name, 0.0) for run in runs]) for name in actions},
        "stages_ms": {
            name: {stage: round(ms, 1) for stage, ms in typical(quantile).stages.items()}
            for name, quantile in QUANTILES.items()
        },
        "errors": errors,
        "lost": lost,
    }


def _by_action(steps: Sequence[Step]) -> dict[str, float]:
    """From each step to the one before it, by what the later one is. The first is where counting begins."""
    spent: dict[str, float] = {}
    for before, step in pairwise(steps):
        spent[step.what] = spent.get(step.what, 0.0) + _ms(step.ts - before.ts)
    return spent


def _ms(seconds: float) -> float:
    return max(0.0, round(seconds * 1000, 1))


def _seconds(data: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(data["ts"]).timestamp()
