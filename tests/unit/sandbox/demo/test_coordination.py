"""From log lines to epochs, mains and cut times."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.demo.coordination import Led, Written, coordinate, parse, parse_all, reigns

T0 = datetime(2030, 1, 1, tzinfo=UTC).timestamp()


def line(at: float, event: str, **fields: Any) -> str:
    ts = datetime.fromtimestamp(T0 + at, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"ts": ts, "level": "info", "program": "x", "event": event, **fields})


def written(at: float, epoch: int, phase: str, pod: str, **more: Any) -> str:
    fields = {
        "epoch": epoch,
        "term": 1,
        "phase": phase,
        "cut_kind": "failover" if phase == "cut" else None,
        "master_index": 0,
        "main_pod": pod,
        "main_address": "127.0.0.1:7687",
        "reason": "MainRefuses",
        "message": "why",
    }
    return line(at, "DocumentWritten", **(fields | more))


def routed(at: float, old: int, new: int, phase: str, cut: int = 0) -> str:
    return line(
        at,
        "RouteChanged",
        old_epoch=old,
        new_epoch=new,
        phase=phase,
        cut_kind="failover",
        old_main="127.0.0.1:7687",
        main="127.0.0.2:7687",
        connections_cut=cut,
        duration_ms=1.5,
    )


FAILOVER = {
    "controller-a": [
        line(0.5, "BecameLeader", term=1),
        written(1.0, 2, "serving", "memgraph-ha-0"),
        written(10.0, 3, "cut", "memgraph-ha-0"),
        written(10.6, 4, "serving", "memgraph-ha-1"),
        written(11.0, 4, "serving", "memgraph-ha-1", reason="PartnerRecorded"),
    ],
    "app-0": [routed(1.1, 1, 2, "serving"), routed(10.004, 2, 3, "cut", cut=4), routed(10.61, 3, 4, "serving")],
    "app-1": [routed(10.012, 2, 3, "cut", cut=2), routed(10.7, 3, 4, "serving")],
}


def test_a_failover_is_told_by_its_epochs_mains_and_cut_times() -> None:
    told = coordinate(parse_all(FAILOVER), T0 + 9.0, T0 + 12.0, ["app-0", "app-1"])
    assert (told.epoch_before, told.epoch) == (2, 4)
    assert (told.main_before, told.main_after) == ("memgraph-ha-0", "memgraph-ha-1")
    assert told.cut_ms == {"app-0": pytest.approx(4.0), "app-1": pytest.approx(12.0)}
    assert told.cut_ms_max == pytest.approx(12.0)
    assert told.connections_cut == 6
    assert told.missing == ()


def test_a_sidecar_that_saw_only_the_later_epoch_is_measured_by_it() -> None:
    logs = FAILOVER | {"app-1": [routed(10.7, 2, 4, "serving", cut=2)]}
    told = coordinate(parse_all(logs), T0 + 9.0, T0 + 12.0, ["app-0", "app-1"])
    assert told.cut_ms["app-1"] == pytest.approx(700.0)


def test_a_sidecar_that_never_acted_is_named() -> None:
    logs = {"controller-a": FAILOVER["controller-a"], "app-0": FAILOVER["app-0"]}
    told = coordinate(parse_all(logs), T0 + 9.0, T0 + 12.0, ["app-0", "app-1"])
    assert told.missing == ("app-1",)
    assert told.cut_ms_max == pytest.approx(4.0)


def test_a_sidecar_faster_than_the_controllers_log_counts_as_zero() -> None:
    logs = {"controller-a": FAILOVER["controller-a"], "app-0": [routed(9.998, 2, 3, "cut")]}
    assert coordinate(parse_all(logs), T0 + 9.0, T0 + 12.0, ["app-0"]).cut_ms == {"app-0": 0.0}


def test_a_new_leader_changes_neither_epoch_nor_connections() -> None:
    logs = FAILOVER | {
        "controller-b": [
            line(20.0, "BecameLeader", term=2),
            written(20.1, 4, "serving", "memgraph-ha-1", term=2, reason="TermBegun"),
        ]
    }
    told = coordinate(parse_all(logs), T0 + 15.0, T0 + 25.0, ["app-0", "app-1"])
    assert told.new_leader == "controller-b"
    assert (told.epoch_before, told.epoch) == (4, 4)
    assert (told.cut_ms, told.missing, told.connections_cut, told.cut_ms_max) == ({}, (), 0, 0.0)


def test_two_cuts_in_one_event_count_with_the_slower() -> None:
    logs = {
        "c": [
            written(1.0, 2, "serving", "memgraph-ha-0"),
            written(10.0, 3, "cut", "memgraph-ha-0"),
            written(10.5, 4, "cut", "memgraph-ha-0"),
            written(11.0, 5, "serving", "memgraph-ha-1"),
        ],
        "app-0": [routed(10.002, 2, 3, "cut"), routed(10.520, 3, 4, "cut"), routed(11.1, 4, 5, "serving")],
    }
    told = coordinate(parse_all(logs), T0 + 9.0, T0 + 12.0, ["app-0"])
    assert told.cut_ms == {"app-0": pytest.approx(20.0)}


def test_an_event_that_never_ended_shows_its_open_cut() -> None:
    logs = {"c": FAILOVER["controller-a"][:3], "app-0": FAILOVER["app-0"][:2]}
    told = coordinate(parse_all(logs), T0 + 9.0, T0 + 12.0, ["app-0"])
    assert (told.epoch, told.main_after) == (3, "memgraph-ha-0")


def test_no_lines_at_all_are_no_error() -> None:
    told = coordinate([], T0, T0 + 1, ["app-0"])
    assert (told.epoch_before, told.epoch, told.main_after, told.new_leader) == (0, 0, "", "")


def test_reigns_are_what_was_published_as_serving() -> None:
    found = reigns(parse_all(FAILOVER))
    assert [(round(r.ts - T0, 3), r.epoch, r.pod) for r in found] == [
        (1.0, 2, "memgraph-ha-0"),
        (10.6, 4, "memgraph-ha-1"),
        (11.0, 4, "memgraph-ha-1"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[1]",
        '"DocumentWritten"',
        line(1.0, "Library", message="x"),
        line(1.0, "BecameLeader"),
        line(1.0, "BecameLeader", term=1)[:-5],
        '{"event": "BecameLeader", "term": 1, "ts": "yesterday"}',
    ],
)
def test_other_lines_are_passed_over(text: str) -> None:
    assert parse(text, "pod") is None


def test_a_line_keeps_who_wrote_it() -> None:
    assert parse(line(1.0, "BecameLeader", term=7), "controller-b") == Led(T0 + 1.0, "controller-b", 7)
    found = parse(written(2.0, 3, "cut", "memgraph-ha-0"), "controller-a")
    assert isinstance(found, Written)
    assert (found.controller, found.cut_kind, found.reason) == ("controller-a", "failover", "MainRefuses")
