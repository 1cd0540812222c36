"""What the tests on real pods make of their ledgers and figures: pure, and wrong figures would be believed."""

from __future__ import annotations

from e2e import page, timing
from e2e.installation import samples
from e2e.ledgers import Book, acknowledged_after
from e2e.publications import Publication

from sandbox.demo.history import Kind, Record
from sidecar.contract.state import CutKind, Document, Phase

_SERVING = Document(
    term=1, epoch=4, phase=Phase.SERVING, cut_kind=None, master_index=1, main_pod="m-1", main_uid="u",
    main_address="h:1", main_volume="v", database_uuid="d", sync=None, read_addresses=(),
    reason="", message="", writer="", updated_at="",
)  # fmt: skip
_CUT = Document(
    term=1, epoch=3, phase=Phase.CUT, cut_kind=CutKind.FAILOVER, master_index=0, main_pod="m-0", main_uid="t",
    main_address="h:0", main_volume="v", database_uuid="d", sync=None, read_addresses=(), reason="", message="",
    writer="", updated_at="",
)  # fmt: skip


def _acks(*times: float) -> list[Record]:
    return [Record(Kind.OK, "app", f"app-{ts}", ts, duration_s=0.5) for ts in times]


def test_a_stall_and_a_recovery_are_told_for_each_app() -> None:
    books = [
        Book("a", "ua", "node-1", _acks(99.5, 99.9, 102.0, 102.4)),
        Book("b", "ub", "node-2", _acks(99.8, 100.1, 107.0)),
        Book("late", "uc", "node-1", _acks(101.5, 102.0)),
    ]
    heard = [Publication(100.6, _CUT), Publication(101.0, _SERVING)]
    found = timing.entry("kill", books, heard, 100.0, 110.0, None, "node-2")

    assert [(app["pod"], app["stall_ms"], app["recovery_ms"], app["cut_off"]) for app in found["apps"]] == [
        ("a", 2100.0, 2000.0, False), ("b", 6900.0, 7000.0, True),
    ]  # fmt: skip
    assert (found["main_changes"], found["acked"], found["settled_ms"]) == (1, 6, 10_000)


def test_a_write_counts_as_new_if_it_was_begun_after_the_moment() -> None:
    assert acknowledged_after(_acks(10.6), 10.0)
    assert not acknowledged_after(_acks(10.4), 10.0), "it was under way already"


def test_samples_are_read_by_name_and_labels() -> None:
    found = samples('# HELP x y\nx 3\ny{kind="planned"} 2.5\n')
    assert found == {"x": 3.0, 'y{kind="planned"}': 2.5}


def test_the_page_leaves_out_apps_that_were_cut_off() -> None:
    stages = {"detect": 300.0, "promote": 20.0, "protect": 80.0, "publish": 400.0}
    apps = [
        {"pod": "a", "node": "n", "cut_off": False, "stall_ms": 410.0, "recovery_ms": 420.0},
        {"pod": "b", "node": "o", "cut_off": True, "stall_ms": 9000.0, "recovery_ms": 9100.0},
    ]
    entry = {
        "fault": "kill",
        "stages_ms": stages,
        "main_changes": 1,
        "apps": apps,
        "acked": 9,
        "refused": 0,
        "unknown": 2,
    }
    campaign = {
        "rollouts": 3, "acked": 7, "lost": 0, "forbidden": 0, "diverged": 0, "stall_ms": {"p50": 120.0, "p99": 250.0},
    }  # fmt: skip
    text = page.text({"faults": [entry], "campaign": campaign})
    assert "| 300 | 20 | 400 | 410 / 410 | 420 / 420 | 1 | 9 | 0 | 2 | 0 |" in text
    assert "| 3 | 7 | 0 | 0 | 0 | 120 | 250 |" in text
