"""The statistics behind `make failover`: stages from log lines, percentiles, and the page they are written to."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from failover.faults import KINDS
from failover.page import BEGIN, END, replaced, tables, verdict
from failover.stages import Failover, Incomplete, Run, Step, measure, parse, percentile, summary
from generated import NoMarkers

FAULT = 1_800_000_000.25


def line(after_ms: float, event: str, **fields: Any) -> str:
    """A controller's log line, so long after the fault."""
    ts = datetime.fromtimestamp(FAULT + after_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"ts": ts, "level": "info", "program": "controller", "event": event, **fields})


def phase(after_ms: float, name: str, epoch: int) -> str:
    return line(after_ms, "DocumentWritten", phase=name, epoch=epoch, main_pod="m-1")


def done(after_ms: float, action: str) -> str:
    return line(after_ms, "ActionDone", action=action, outcome="done")


def steps(*lines: str) -> list[Step]:
    found = [parse(text) for text in lines]
    assert None not in found
    return [step for step in found if step is not None]


WHOLE = (
    phase(-500, "serving", 4),
    done(-400, "Register"),
    phase(210, "cut", 5),
    done(460, "Promote"),
    done(470, "Mark"),
    done(480, "Register"),
    done(500, "Prove"),
    phase(520, "serving", 6),
    done(530, "Register"),
    phase(600, "serving", 6),
)


def test_the_stages_of_one_failover() -> None:
    """What was before the fault, and what came after the first publication, is not part of it."""
    found = measure(steps(*WHOLE), FAULT, 4)
    assert (found.detect, found.promote, found.publish) == (210, 250, 520)
    assert found.steps == {"Promote": 250, "Mark": 10, "Register": 10, "Prove": 20, "serving": 20}


def test_lines_of_two_controllers_come_in_any_order() -> None:
    """Each log is in order; two of them are not."""
    assert measure(steps(*reversed(WHOLE)), FAULT, 4) == measure(steps(*WHOLE), FAULT, 4)


def test_a_change_without_a_new_epoch_is_no_failover() -> None:
    """Such as other read addresses, published by the old leader after the fault."""
    early = phase(5, "serving", 4)
    assert measure(steps(early, *WHOLE), FAULT, 4) == measure(steps(*WHOLE), FAULT, 4)


def test_the_promotion_that_counts_is_the_last_one() -> None:
    """A switchover that became a failover promotes, and is given up, first."""
    lines = (phase(10, "cut", 5), done(20, "Promote"), phase(30, "cut", 6), done(40, "Promote"))
    found = measure(steps(*lines, phase(50, "serving", 7)), FAULT, 4)
    assert (found.detect, found.promote) == (10, 30)
    assert found.steps == {"Promote": 20, "cut": 10, "serving": 10}


def test_a_cut_in_the_millisecond_of_the_fault_took_no_time() -> None:
    """Log lines have whole milliseconds, cut off: they may seem to come first."""
    lines = (phase(0, "cut", 5), done(1, "Promote"), phase(2, "serving", 6))
    assert measure(steps(*lines), FAULT + 0.0004, 4).detect == 0


@pytest.mark.parametrize(("without", "said"), [("serving", "no main"), ("cut", "no cut"), ("Promote", "no promotion")])
def test_what_is_missing_is_named(without: str, said: str) -> None:
    """No figure is made up."""
    found = [step for step in steps(*WHOLE) if step.what != without]
    with pytest.raises(Incomplete, match=said):
        measure(found, FAULT, 4)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"event": "Steady"}', line(0, "ActionFailed", action="Promote")])
def test_other_lines_are_no_steps(text: str) -> None:
    """Nor are half lines."""
    assert parse(text) is None


def test_percentiles_are_values_that_were_measured() -> None:
    """Nearest rank."""
    values = [float(value) for value in range(1, 31)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (15, 30)
    assert percentile([7.0], 0.5) == percentile([7.0], 0.99) == 7


def run(detect: float, stall: float = 100.0) -> Run:
    return Run(Failover(detect, 20, detect + 50, {"Promote": 20, "serving": 30}), stall, 5)


def test_a_summary_has_the_spread_and_whole_runs() -> None:
    """The stages drawn are those of one run, so that they add up to what it took."""
    found = summary([run(30), run(10, 400), run(20)], errors=2, lost=0)
    assert (found["runs"], found["errors"], found["lost"]) == (3, 2, 0)
    assert found["detect_ms"] == {"p50": 20, "p99": 30}
    assert found["write_stall_ms"] == {"p50": 100, "p99": 400}
    assert found["stages_ms"]["p99"] == {"detect": 30, "promote": 20, "protect": 30, "resume": 5}
    assert found["steps_ms"] == {"Promote": {"p50": 20, "p99": 20}, "serving": {"p50": 30, "p99": 30}}


def test_the_page_gets_the_figures_between_its_markers() -> None:
    """And keeps everything else."""
    figures = {"kill": summary([run(30)], errors=0, lost=0)}
    text = tables(figures, "Here.")
    page = replaced(f"before\n{BEGIN}\nold\n{END}\nafter\n", text)
    assert page.startswith(f"before\n{BEGIN}\nHere.\n\n| fault |")
    assert page.endswith(f"{END}\nafter\n")
    assert (
        "| `kill`: kill -9 the main | 30 / 30 | 20 / 20 | 80 / 80 | 100 / 100 | 0 | 0 | publish <= 1000: met |" in page
    )
    assert replaced(page, text) == page
    with pytest.raises(NoMarkers):
        replaced("no place", text)


def test_a_goal_is_missed_by_the_p99() -> None:
    """Of the figure it is about."""
    figures = summary([run(30), run(30, 401)], errors=0, lost=0)
    assert verdict(KINDS["switchover"], figures) == "write stall <= 400: missed"
    assert verdict(KINDS["kill"], figures) == "publish <= 1000: met"
    assert verdict(KINDS["delete"], figures) == "-"
