"""SHOW queries' rows: what Memgraph is known to answer, and what nobody expects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core import parse
from controller.core.model import Mode, Status

ROW: dict[str, Any] = {
    "name": "memgraph_1_t3_0",
    "socket_address": "m-1:10000",
    "sync_mode": "strict_sync",
    "system_info": None,
    "data_info": {"memgraph": {"ts": 4, "behind": -2, "status": "recovery"}},
}


def test_a_row_of_show_replicas() -> None:
    """M-1.3."""
    (row,) = parse.registrations([ROW])
    assert (row.name, row.mode, row.status, row.ts, row.behind) == (
        "memgraph_1_t3_0",
        Mode.STRICT_SYNC,
        Status.RECOVERY,
        4,
        -2,
    )
    assert not row.streams


@pytest.mark.parametrize(
    ("info", "status"),
    [
        ({}, Status.GHOST),
        (None, Status.UNKNOWN),
        ({"other": {}}, Status.UNKNOWN),
        ({"memgraph": {"status": "levitating"}}, Status.UNKNOWN),
        ({"memgraph": {"status": "diverged", "ts": 1, "behind": 0}}, Status.DIVERGED),
    ],
)
def test_what_is_no_proof_of_health(info: object, status: Status) -> None:
    """A ghost registration has an empty data_info (M-2.4); anything else is unknown, never healthy (O-F20, O-L6)."""
    (row,) = parse.registrations([{**ROW, "data_info": info}])
    assert row.status is status
    assert not row.caught_up


def test_markers_are_told_from_users_indexes() -> None:
    """P-M1: the highest epoch counts, and probe labels are no markers."""
    rows = [{"label": "__memgraph_ha_4"}, {"label": "__memgraph_ha_12"}, {"label": "__memgraph_ha_probe"}]
    assert parse.marker(rows) == 12
    assert parse.markers(rows) == [4, 12]
    assert not parse.user_indexes(rows)
    assert parse.user_indexes([*rows, {"label": "Person"}])
    assert parse.marker([]) is None


def test_storage_mode() -> None:
    """P-S1: an analytical main replicates nothing; old versions name the key differently."""
    assert parse.transactional({})
    assert not parse.transactional({"storage_mode": "IN_MEMORY_ANALYTICAL"})
    assert not parse.transactional({"global_storage_mode": "IN_MEMORY_ANALYTICAL"})


@given(st.dictionaries(st.sampled_from([*ROW]), st.recursive(st.none() | st.text() | st.integers(), st.lists)))
def test_no_row_raises(row: dict[str, Any]) -> None:
    """Garbage becomes a registration nobody trusts (O-F20)."""
    (parsed,) = parse.registrations([row])
    assert not parsed.caught_up
