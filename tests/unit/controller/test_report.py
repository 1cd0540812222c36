"""What is said of decisions: a line for each change, and none for a repetition."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import pytest
from toy_cluster import Toy, serving

from controller.core.absorb import absorb
from controller.core.actions import Outcome, Plan
from controller.core.plan import plan
from controller.core.reasons import Reason
from controller.metrics import Metrics
from controller.report import Reporter


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [vars(record)["memgraph_ha_fields"] for record in caplog.records if record.message == event]


def drive(toy: Toy, report: Reporter, steps: int) -> None:
    """The loop, without its waiting."""
    for _ in range(steps):
        made = plan(toy.observation(), toy.memory)
        report.decided(toy.observation(), made)
        toy.memory = made.memory
        if made.action is None:
            toy.now += max(made.wake_after, 0.01)
            continue
        outcome = toy.apply(made.action)
        toy.now += 0.01
        toy.memory = absorb(toy.memory, made.action, outcome, toy.now)
        report.acted(made, made.action, outcome, "", toy.now)


def test_a_failover_is_told_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    toy, metrics = serving(), Metrics()
    report = Reporter(metrics)
    report.begin()
    report.term(1)
    report.term(1)
    drive(toy, report, 20)
    toy.fail(0, "refused")
    drive(toy, report, 100)
    said = lines(caplog, "OpinionChanged")
    assert [line["reason"] for line in said][:2] == ["Steady", "MainRefuses"]
    assert said[0] | {"message": ""} == {
        "reason": "Steady", "message": "", "term": 1, "epoch": 2, "phase": "serving", "main": "m-0", "sync": 1,
    }  # fmt: skip
    assert all(one != other for one, other in itertools.pairwise(said)), "a change each"
    assert len(lines(caplog, "BecameLeader")) == 1
    (ended,) = lines(caplog, "CutEnded")
    assert (ended["kind"], ended["reason"]) == ("failover", "MainRefuses")
    assert set(ended["seconds"]) == {"detect_to_cut", "cut_to_promoted", "promoted_to_published", "total"}
    count = metrics.registry.get_sample_value
    assert count("memgraph_ha_main_changes_total", {"kind": "failover", "reason": "MainRefuses"}) == 1
    total = count("memgraph_ha_main_change_seconds_sum", {"kind": "failover", "stage": "total"})
    assert count("memgraph_ha_without_main_seconds_total") == pytest.approx(total)
    assert count("memgraph_ha_controller_decisions_total", {"reason": "MainRefuses"}) == 1


def test_a_message_that_flaps_in_its_numbers_floods_nothing(caplog: pytest.LogCaptureFixture) -> None:
    toy = serving()
    report = Reporter(Metrics())
    report.begin()
    news = [report.decided(toy.observation(), Plan(Reason.STEADY, f"{n} replicas can be read")) for n in range(50)]
    assert news.count(True) == len(lines(caplog, "OpinionChanged")) == 1
    assert report.decided(toy.observation(), Plan(Reason.UNPROTECTED, "0 replicas can be read"))


def test_a_new_leadership_says_its_opinion_again(caplog: pytest.LogCaptureFixture) -> None:
    toy, metrics = serving(), Metrics()
    report = Reporter(metrics)
    for _ in range(2):
        report.begin()
        report.term(4)
        assert report.decided(toy.observation(), Plan(Reason.STEADY, "m"))
        report.end()
    assert len(lines(caplog, "LeadershipLost")) == len(lines(caplog, "BecameLeader")) == 2
    assert metrics.registry.get_sample_value("memgraph_ha_serving") is None


def test_a_lost_compare_and_swap_is_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    toy, metrics = serving(), Metrics()
    report = Reporter(metrics)
    report.begin()
    toy.fail(0, "refused")
    made = plan(toy.observation(), toy.memory)
    report.decided(toy.observation(), made)
    assert made.action is not None
    report.acted(made, made.action, Outcome.CONFLICT, "409", toy.now)
    labels = {"action": "Publish", "outcome": "conflict"}
    assert metrics.registry.get_sample_value("memgraph_ha_controller_actions_total", labels) == 1
    assert [line["said"] for line in lines(caplog, "ActionFailed")] == ["409"]
    assert lines(caplog, "CutEnded") == []
