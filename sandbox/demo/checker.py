"""Compares what the apps were told with what the final main holds. Pure, and linear in the number of writes.

It judges acknowledged writes: each must be there. A write whose outcome is unknown may be there or not. A write that
was refused must not be there, and nothing may be there that nobody wrote; both are counted, so that a lie of the
database (or of this demo) shows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sandbox.demo.history import Kind, Record

WITNESSES_MAX: Final = 20
"""Sentences kept in a report: enough to see a pattern, few enough to read."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time of one event, from the breaking until the cluster had settled. Wall-clock seconds."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Reign:
    """From `ts` on, `pod` was the published main of `epoch`."""

    ts: float
    epoch: int
    pod: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `lost`, `phantom`, `revived` and `duplicated` are ids in the order of the histories."""

    acked: int
    lost: tuple[str, ...]
    witnesses: tuple[str, ...]
    phantom: tuple[str, ...]
    """There, but never written by anybody."""
    revived: tuple[str, ...]
    """There, although its app was told that it certainly failed."""
    duplicated: tuple[str, ...]
    refused: int
    unknown: int
    forbidden: int
    retries: int
    stalls_s: Mapping[str, float] = field(default_factory=dict)
    """By event: the longest time in which some app got no acknowledgement."""
    slowest_s: Mapping[str, float] = field(default_factory=dict)
    """By event: the longest that one acknowledged write took, the driver's own retries and pauses included."""


def check(
    histories: Mapping[str, Sequence[Record]],
    final: Sequence[str],
    *,
    others: Collection[str] = (),
    windows: Sequence[Window] = (),
    reigns: Sequence[Reign] = (),
    origin: float = 0.0,
) -> Report:
    """Judge the histories (one per app) by the ids `final` read back, which may repeat.

    `others` are ids that somebody else wrote (the app without a sidecar): neither judged nor phantoms.
    `reigns` (by time) and `origin` (the demo's start) only make the sentences about lost writes precise.
    """
    copies = Counter(final)
    outcomes: dict[str, Record] = {}
    for history in histories.values():
        for record in history:
            # A line about an id replaces `invoke`, never a harder fact: an acknowledgement stays one.
            known = outcomes.get(record.id)
            if known is None or known.kind is Kind.INVOKE or (record.kind is Kind.OK and known.kind is not Kind.OK):
                outcomes[record.id] = record
    kinds = Counter(record.kind for record in outcomes.values())
    lost = [record for record in outcomes.values() if record.kind is Kind.OK and record.id not in copies]
    elsewhere = frozenset(others)
    return Report(
        acked=kinds[Kind.OK],
        lost=tuple(record.id for record in lost),
        witnesses=tuple(_witness(record, reigns, origin) for record in lost[:WITNESSES_MAX]),
        phantom=tuple(item for item in copies if item not in outcomes and item not in elsewhere),
        revived=tuple(r.id for r in outcomes.values() if r.kind is Kind.FAIL and r.id in copies),
        duplicated=tuple(item for item, count in copies.items() if count > 1),
        refused=kinds[Kind.FAIL],
        unknown=kinds[Kind.INFO] + kinds[Kind.INVOKE],
        forbidden=sum(record.forbidden for history in histories.values() for record in history),
        retries=sum(record.retries for history in histories.values() for record in history),
        stalls_s={window.name: longest_stall(histories.values(), window) for window in windows},
        slowest_s={window.name: slowest_write(histories.values(), window) for window in windows},
    )


def longest_stall(histories: Iterable[Sequence[Record]], window: Window) -> float:
    """The largest gap between neighbouring acknowledgements of one app that overlaps the window, over all apps.

    The window's own edges close the gap of an app that has no acknowledgement before or after it. No app: 0.
    """
    return max((_app_stall(history, window) for history in histories), default=0.0)


def slowest_write(histories: Iterable[Sequence[Record]], window: Window) -> float:
    """The longest acknowledged write that was under way in the window. None: 0."""
    return max(
        (
            record.duration_s
            for history in histories
            for record in history
            if record.kind is Kind.OK and record.ts > window.start and record.ts - record.duration_s < window.end
        ),
        default=0.0,
    )


def _app_stall(history: Sequence[Record], window: Window) -> float:
    longest = 0.0
    previous = -1.0
    for record in history:
        if record.kind is not Kind.OK:
            continue
        if record.ts > window.start and (previous < 0 or previous < window.end):
            longest = max(longest, record.ts - (previous if previous >= 0 else window.start))
        previous = max(previous, record.ts)
    if previous < window.end:
        longest = max(longest, window.end - (previous if previous >= 0 else window.start))
    return longest


def _witness(record: Record, reigns: Sequence[Reign], origin: float) -> str:
    """Why this write counts as lost, in one sentence."""
    said = f"write {record.id} was acknowledged at {record.ts - origin:.2f} s"
    if not reigns:
        return f"{said}; it is absent on the final main"
    index = bisect_right(reigns, record.ts, key=lambda reign: reign.ts) - 1
    if index >= 0:
        said += f" (main {reigns[index].pod}, epoch {reigns[index].epoch})"
    last = reigns[-1]
    return f"{said}; it is absent on {last.pod}, the main since {last.ts - origin:.2f} s (epoch {last.epoch})"
