"""The history's format, and what an error says about a write."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.demo import app, history
from sandbox.demo.history import Kind, Record

STRICT_ABORT = (
    "Replication Exception: Failed to replicate to STRICT_SYNC replica 'x': RPC communication error. Replica will be "
    "recovered automatically. Transaction was aborted on all instances. Check the status of the replicas using "
    "'SHOW REPLICAS' query."
)
SYNC_ERROR = (
    "Replication Exception: Failed to replicate to SYNC replica 'x': RPC communication error. Replica will be "
    "recovered automatically. Transaction is still committed on the main instance and other alive replicas."
)
FORBIDDEN = "Write queries are forbidden on the replica instance. Replica instances accept only read queries, ..."

records = st.builds(
    Record,
    kind=st.sampled_from([Kind.OK, Kind.FAIL, Kind.INFO]),
    app=st.text(min_size=1),
    id=st.text(min_size=1),
    ts=st.integers(0, 10**10).map(lambda n: n / 64),
    duration_s=st.integers(0, 10**6).map(lambda n: n / 64),
    retries=st.integers(0, 9),
    error=st.text(min_size=1),
    message=st.text(),
    forbidden=st.booleans(),
)


@given(record=records)
def test_a_record_survives_its_line(record: Record) -> None:
    line = history.encode(record)
    assert "\n" not in line
    assert history.decode(line) == record


def test_half_a_line_is_counted_and_costs_no_other_record() -> None:
    whole = history.encode(Record(Kind.OK, "app-0", "app-0-1", 5.0))
    found, unreadable = history.decode_all([whole, whole[:20], "", "[]", '{"type": "none"}', whole])
    assert [record.id for record in found] == ["app-0-1", "app-0-1"]
    assert unreadable == 3


@pytest.mark.parametrize(
    ("reached_commit", "answered", "message", "kind"),
    [
        (False, True, FORBIDDEN, Kind.FAIL),
        (False, False, "Couldn't connect to localhost:7687", Kind.FAIL),
        (True, True, STRICT_ABORT, Kind.FAIL),
        (True, True, "Cannot commit because instance is not main anymore.", Kind.FAIL),
        (True, True, SYNC_ERROR, Kind.INFO),
        (True, False, "failed to read from connection", Kind.INFO),
        (True, False, STRICT_ABORT, Kind.INFO),
    ],
)
def test_only_a_write_that_is_certainly_nowhere_failed(
    reached_commit: bool, answered: bool, message: str, kind: Kind
) -> None:
    assert history.outcome(reached_commit=reached_commit, answered=answered, message=message) is kind


def test_ids_go_on_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "app-0.jsonl"
    assert app.next_number(file) == 0
    lines = [history.encode(Record(Kind.INVOKE, "app-0", f"app-0-{n}", 1.0)) for n in (8, 9, 11, 10)]
    file.write_text("\n".join(lines) + '\n{"type": "invo')
    assert app.next_number(file) == 12


def test_the_app_names_every_setting_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main({"APP_NAME": "app-0", "APP_MODE": "fast"}) == 2
    said = capsys.readouterr().err
    assert "MEMGRAPH_URI is not set" in said
    assert "HISTORY is not set" in said
    assert "APP_MODE is 'fast': set it to managed or fixed" in said
