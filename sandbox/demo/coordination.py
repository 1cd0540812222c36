"""What the programs' own log lines say about one event: epochs, mains, and how fast each sidecar acted. Pure.

The cut time of a sidecar is its `RouteChanged` line's time minus the controller's `DocumentWritten` line's time for
the same epoch. The controller logs when its write was answered, so a fast sidecar may be earlier: that counts as 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.demo.checker import Reign
from sidecar.contract.state import Phase


@dataclass(frozen=True, slots=True)
class Written:
    """A controller wrote the document."""

    ts: float
    controller: str
    epoch: int
    term: int
    phase: str
    cut_kind: str
    main_pod: str
    main_address: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Led:
    """A controller became the leader."""

    ts: float
    controller: str
    term: int


@dataclass(frozen=True, slots=True)
class Routed:
    """A sidecar acted on a new epoch."""

    ts: float
    sidecar: str
    old_epoch: int | None
    new_epoch: int
    phase: str
    main: str
    connections_cut: int


Line = Written | Led | Routed


@dataclass(frozen=True, slots=True)
class Coordination:
    """One event as the log lines tell it. `epoch` is the last one published when it was over."""

    epoch_before: int
    epoch: int
    main_before: str
    main_after: str
    new_leader: str
    cut_ms: Mapping[str, float] = field(default_factory=dict)
    """By sidecar: the longest time until it had cut, over the cuts of this event."""
    missing: tuple[str, ...] = ()
    """Sidecars that never reported a cut they should have made."""
    connections_cut: int = 0

    @property
    def cut_ms_max(self) -> float:
        """The slowest sidecar's; 0 when there was nothing to cut."""
        return max(self.cut_ms.values(), default=0.0)


def parse(line: str, source: str) -> Line | None:
    """Read one log line of the pod `source`; None when it is none of the three events, or no complete line."""
    try:
        data = json.loads(line)
        match data.get("event"):
            case "DocumentWritten":
                return _written(data, source)
            case "BecameLeader":
                return Led(_seconds(data), source, int(data["term"]))
            case "RouteChanged":
                return _routed(data, source)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return None


def parse_all(logs: Mapping[str, Iterable[str]]) -> list[Line]:
    """The events of many logs (by pod name), by time."""
    found = [event for source, lines in logs.items() for line in lines if (event := parse(line, source)) is not None]
    return sorted(found, key=lambda event: event.ts)


def reigns(lines: Iterable[Line]) -> list[Reign]:
    """Who was published as the main from when on."""
    return [
        Reign(line.ts, line.epoch, line.main_pod)
        for line in lines
        if isinstance(line, Written) and line.phase == Phase.SERVING
    ]


def coordinate(lines: Sequence[Line], start: float, end: float, sidecars: Iterable[str]) -> Coordination:
    """Put the lines of one event together. `lines` by time; `start` and `end` in wall-clock seconds."""
    written = [line for line in lines if isinstance(line, Written) and line.ts <= end]
    routed = [line for line in lines if isinstance(line, Routed)]
    leaders = [line for line in lines if isinstance(line, Led) and start <= line.ts <= end]
    before = next((line for line in reversed(written) if line.ts < start), None)
    during = [line for line in written if line.ts >= start]
    served = [line for line in during if line.phase == Phase.SERVING]
    last = next(reversed(served or during), before)
    epoch_before = before.epoch if before else 0
    cut_ms: dict[str, float] = {}
    missing: set[str] = set()
    for cut in _cuts(during, epoch_before):
        for sidecar in sidecars:
            acted = next((r for r in routed if r.sidecar == sidecar and r.new_epoch >= cut.epoch), None)
            if acted is None:
                missing.add(sidecar)
            else:
                took = max(0.0, round((acted.ts - cut.ts) * 1000, 1))  # log lines have whole milliseconds
                cut_ms[sidecar] = max(cut_ms.get(sidecar, 0.0), took)
    return Coordination(
        epoch_before=epoch_before,
        epoch=last.epoch if last else 0,
        main_before=before.main_pod if before else "",
        main_after=last.main_pod if last else "",
        new_leader=next((led.controller for led in reversed(leaders)), ""),
        cut_ms=cut_ms,
        missing=tuple(sorted(missing)),
        connections_cut=sum(r.connections_cut for r in routed if start <= r.ts <= end),
    )


def _cuts(during: Iterable[Written], epoch: int) -> list[Written]:
    """The writes after which a sidecar has to cut: each new epoch, except the `serving` that ends a cut."""
    found: list[Written] = []
    cut_open = False
    for line in during:
        if line.epoch <= epoch:
            continue
        epoch = line.epoch
        if line.phase == Phase.CUT or not cut_open:
            found.append(line)
        cut_open = line.phase == Phase.CUT
    return found


def _seconds(data: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(data["ts"]).timestamp()


def _written(data: Mapping[str, Any], source: str) -> Written:
    return Written(
        ts=_seconds(data),
        controller=source,
        epoch=int(data["epoch"]),
        term=int(data["term"]),
        phase=str(data["phase"]),
        cut_kind=str(data.get("cut_kind") or ""),
        main_pod=str(data["main_pod"]),
        main_address=str(data["main_address"]),
        reason=str(data.get("reason", "")),
        message=str(data.get("message", "")),
    )


def _routed(data: Mapping[str, Any], source: str) -> Routed:
    old = data.get("old_epoch")
    return Routed(
        ts=_seconds(data),
        sidecar=source,
        old_epoch=None if old in (None, "") else int(old),
        new_epoch=int(data["new_epoch"]),
        phase=str(data["phase"]),
        main=str(data.get("main") or ""),
        connections_cut=int(data.get("connections_cut", 0)),
    )
