"""Who leads: pure decisions over the Lease record and this process' own monotonic clock (P-W3).

Clocks of two machines are never compared: a record counts as expired when *this* process has not seen it change for
its duration. Leading ends for ourselves when our last renewal, counted from before it was sent, is older than the
duration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds. A change of leader touches no connection, so they may be short."""

    lease_duration_s: float = 4.0
    renew_deadline_s: float = 3.0
    retry_period_s: float = 0.5

    def problems(self) -> tuple[str, ...]:
        """What is wrong with them; each sentence says what to set."""
        if 0 < self.retry_period_s < self.renew_deadline_s < self.lease_duration_s:
            return ()
        return ("lease timings must satisfy 0 < retry period < renew deadline < lease duration",)


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The Lease's spec, and our two annotations."""

    holder: str
    duration_s: float
    transitions: int
    resource_version: str
    renewed: str = ""
    epoch: int = 0
    term: int = 0


def holder_of(pod: str, process: str) -> str:
    """What the Lease calls its holder: a container restarted in place is another candidate, and waits like one."""
    return f"{pod}_{process}"


def pod_of(holder: str) -> str | None:
    """The pod of a Lease's holder; None if nobody holds it."""
    return holder.rpartition("_")[0] or holder or None


class Step(StrEnum):
    """What the candidate does next."""

    CREATE = "create"
    ACQUIRE = "acquire"
    RENEW = "renew"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One process' view of the Lease. `seen_at`: when the record was last seen to change; `valid_until`: our own."""

    identity: str
    timings: Timings
    record: LeaseRecord | None = None
    seen_at: float = 0.0
    valid_until: float = 0.0

    def remaining(self, now: float) -> float:
        """Seconds for which we may still act as leader; 0 or less: not leading."""
        return self.valid_until - now


def observe(candidate: Candidate, record: LeaseRecord | None, now: float) -> Candidate:
    """Take in the record as just read. The clock of its expiry starts anew only if it changed."""
    if record is None:
        return replace(candidate, record=None, valid_until=0.0)
    known = candidate.record
    if known is not None and known.resource_version == record.resource_version:
        return candidate
    valid_until = candidate.valid_until if record.holder == candidate.identity else 0.0
    changed = known is None or (known.holder, known.renewed) != (record.holder, record.renewed)
    return replace(candidate, record=record, seen_at=now if changed else candidate.seen_at, valid_until=valid_until)


def next_step(candidate: Candidate, now: float) -> Step:
    """What to do with the Lease now."""
    record = candidate.record
    if record is None:
        return Step.CREATE
    if record.holder == candidate.identity:
        return Step.RENEW
    if not record.holder or now - candidate.seen_at >= record.duration_s:
        return Step.ACQUIRE
    return Step.WAIT


def written(candidate: Candidate, record: LeaseRecord, sent_at: float) -> Candidate:
    """Our write succeeded; the lease counts from when it was *sent*."""
    return replace(candidate, record=record, seen_at=sent_at, valid_until=sent_at + candidate.timings.lease_duration_s)
