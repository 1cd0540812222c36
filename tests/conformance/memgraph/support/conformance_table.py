"""One line a row: what `make conformance` prints, and the JSON it writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REASON_LIMIT = 160
"""A line of the table stays a line; the whole text is in pytest's output below it, or in the JSON."""


@dataclass(slots=True)
class Row:
    """What is known of a row: `expected` tests, results by test, the first reason of each kind."""

    expected: int = 0
    seconds: float = 0.0
    results: dict[str, str] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, test: str, outcome: str, reason: str) -> None:
        """One phase of one test. The worst phase counts."""
        worst = max(self.results.get(test, "passed"), outcome, key=("passed", "skipped", "failed").index)
        self.results[test] = worst
        if reason:
            self.reasons.setdefault(outcome, reason)

    @property
    def finished(self) -> bool:
        """Whether every test of the row has been reported."""
        return 0 < self.expected <= len(self.done)

    def verdict(self) -> tuple[str, str]:
        """`passed`, `failed`, `skipped` or `missing`, and why. Skipped: none of its tests ran."""
        outcomes = list(self.results.values())
        if "failed" in outcomes:
            return "failed", self.reasons.get("failed", "")
        if not outcomes:
            return "missing", "no test of this row was run"
        skipped = outcomes.count("skipped")
        if skipped == len(outcomes):
            return "skipped", self.reasons.get("skipped", "")
        partly = f"{skipped} of its {len(outcomes)} tests skipped: {self.reasons.get('skipped', '')}"
        return "passed", partly if skipped else ""


class Table:
    """A pytest plugin of the process that reports."""

    def __init__(self, config: pytest.Config, titles: Mapping[str, str]) -> None:
        self._config = config
        self._titles = titles
        self._rows = {row: Row() for row in titles}
        self._unprinted = list(titles)

    @property
    def _printer(self) -> Any:
        return self._config.pluginmanager.get_plugin("terminalreporter")

    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
        """No dots: the lines of the table are the progress."""
        if isinstance(report, pytest.TestReport):
            category = "error" if report.failed and report.when != "call" else report.outcome
            silent = report.when != "call" and report.passed
            return ("" if silent else category), "", ""
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a phase of a test; print its row if that was the last one."""
        found = _row(report)
        if found is None:
            return
        name, row = found[0], self._rows[found[0]]
        row.expected = found[1]
        row.seconds += report.duration
        row.add(report.nodeid, report.outcome, _reason(report))
        if report.when == "teardown":
            row.done.add(report.nodeid)
        if self._rows[name].finished:
            self._print()

    def _print(self) -> None:
        """All rows that are finished, but none before the rows above it."""
        while self._unprinted and self._rows[self._unprinted[0]].finished:
            self._line(self._unprinted.pop(0))

    def _line(self, name: str) -> None:
        row = self._rows[name]
        verdict, reason = row.verdict()
        colour = {"passed": "green", "skipped": "yellow"}.get(verdict, "red")
        place = f"{list(self._titles).index(name) + 1}/{len(self._titles)}"
        printer = self._printer
        printer.ensure_newline()
        printer.write(f"{place:>6}  {name:7} {self._titles[name]:72} ")
        printer.write(f"{verdict:8}", **{colour: True})
        printer.write_line(f"{row.seconds:5.1f} s" + (f"  {reason[:REASON_LIMIT]}" if reason else ""))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Print the rest, the summary and the JSON. A missing row fails the run."""
        while self._unprinted:
            self._line(self._unprinted.pop(0))
        verdicts = {name: row.verdict() for name, row in self._rows.items()}
        counts = {
            kind: [v for v, _ in verdicts.values()].count(kind) for kind in ("passed", "failed", "skipped", "missing")
        }
        summary = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count or kind != "missing")
        self._printer.write_line(f"{len(verdicts)} rows: {summary}", bold=True)
        path = self._config.getoption("--conformance-json")
        if path:
            rows = [{"row": name, "result": result, "reason": why} for name, (result, why) in verdicts.items()]
            Path(path).write_text(json.dumps({"rows": rows}, indent=1) + "\n")
        if counts["missing"] and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _row(report: pytest.TestReport) -> tuple[str, int] | None:
    found = dict(report.user_properties).get("row")
    return (str(found[0]), int(found[1])) if isinstance(found, list | tuple) else None


def _reason(report: pytest.TestReport) -> str:
    if report.passed:
        return ""
    if report.skipped and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else report.longreprtext.strip()
    return " ".join(text.split())
