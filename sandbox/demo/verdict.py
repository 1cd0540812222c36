"""The end of the demo: the table, the JSON and the exit code, all from the same facts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.demo.checker import Report
from sandbox.demo.coordination import Coordination
from sandbox.demo.timeline import table


@dataclass(frozen=True, slots=True)
class EventResult:
    """One event as it went. `problem` is empty when it did what it should."""

    name: str
    told: Coordination
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything the demo found out. `read_back_from` is empty when no main could be read."""

    report: Report
    events: Sequence[EventResult]
    apps: int
    read_back_from: str
    problems: Sequence[str] = ()
    """What went wrong outside the events."""

    @property
    def failures(self) -> tuple[str, ...]:
        """One sentence for each reason why this run is no success."""
        report = self.report
        found = list(self.problems)
        if not self.read_back_from:
            found.append(f"no main could be read back, so none of {report.acked} acknowledged writes is proven")
        elif not report.acked:
            found.append("no write was acknowledged at all, so nothing is proven")
        elif report.lost:
            found.append(f"{len(report.lost)} acknowledged {_writes(report.lost)} missing on {self.read_back_from}")
        if report.forbidden:
            found.append(f'apps with a sidecar saw "Write queries are forbidden" {report.forbidden} times')
        found += [f"{event.name}: {event.problem}" for event in self.events if event.problem]
        return tuple(found)

    @property
    def exit_code(self) -> int:
        """0: everything promised was kept. 1: not so."""
        return 1 if self.failures else 0


def to_json(verdict: Verdict) -> dict[str, Any]:
    """The figures for other programs. Times in milliseconds; `cut_ms_max` is 0 when nothing had to be cut."""
    report = verdict.report
    return {
        "acked": report.acked,
        "lost": len(report.lost),
        "forbidden": report.forbidden,
        "refused": report.refused,
        "unknown": report.unknown,
        "phantom": len(report.phantom),
        "revived": len(report.revived),
        "duplicated": len(report.duplicated),
        "retries": report.retries,
        "exit_code": verdict.exit_code,
        "failures": list(verdict.failures),
        "events": [
            {
                "name": event.name,
                "stall_ms": round(report.stalls_s.get(event.name, 0.0) * 1000, 1),
                "slowest_write_ms": round(report.slowest_s.get(event.name, 0.0) * 1000, 1),
                "cut_ms_max": round(event.told.cut_ms_max, 1),
                "epoch": event.told.epoch,
                "connections_cut": event.told.connections_cut,
                "main_before": event.told.main_before,
                "main_after": event.told.main_after,
                "problem": event.problem,
            }
            for event in verdict.events
        ],
    }


def summary(verdict: Verdict) -> str:
    """The final table."""
    report = verdict.report
    source = f"every id read back from {verdict.read_back_from}" if verdict.read_back_from else "NOT read back"
    counts = table(
        ("writes", "", ""),
        [
            ("acknowledged", str(report.acked), f"by {verdict.apps} apps with a sidecar; {source}"),
            ("lost", str(len(report.lost)), "acknowledged, and not on the final main"),
            ("refused", str(report.refused), "the app was told that they failed, and they are not there"),
            ("unknown", str(report.unknown), "the connection was lost while COMMIT was under way: there or not"),
            ("retried", str(report.retries), "times, by the driver itself, unseen by the app"),
            ("forbidden", str(report.forbidden), 'answers "Write queries are forbidden" that reached an app'),
            *[
                (name, str(len(ids)), f"{meaning}: {', '.join(ids[:3])}")
                for name, ids, meaning in (
                    ("phantom", report.phantom, "on the final main, written by nobody"),
                    ("revived", report.revived, "on the final main, although told to have failed"),
                    ("duplicated", report.duplicated, "on the final main more than once"),
                )
                if ids
            ],
        ],
    )
    events = table(
        ("event", "epoch", "longest stall", "slowest write", "cut, slowest sidecar", "main", "result"),
        [_row(event, report) for event in verdict.events],
    )
    return f"{counts}\n\n{events}"


def _row(event: EventResult, report: Report) -> tuple[str, ...]:
    told = event.told
    changed = told.main_before != told.main_after
    return (
        event.name,
        str(told.epoch),
        f"{report.stalls_s.get(event.name, 0.0):.2f} s",
        f"{report.slowest_s.get(event.name, 0.0):.2f} s",
        f"{told.cut_ms_max:.0f} ms" if told.cut_ms else "-",
        f"{told.main_before} -> {told.main_after}" if changed else f"{told.main_after} (the same)",
        "FAILED" if event.problem else "ok",
    )


def _writes(ids: Sequence[str]) -> str:
    return "write is" if len(ids) == 1 else "writes are"
