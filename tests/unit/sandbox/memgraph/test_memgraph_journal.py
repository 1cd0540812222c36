"""The data directory: everything written comes back, a torn tail costs only itself, power takes what wasn't synced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.memgraph.core.storage.changes import Commit
from sandbox.memgraph.core.storage.durability import (
    AppendCommit,
    DeleteFiles,
    FinishWal,
    IdentityRecord,
    OpenWal,
    Record,
    RoleRecord,
    Snapshot,
    Trigger,
    TriggersRecord,
    UsersRecord,
    Wal,
    WriteSnapshot,
)
from sandbox.memgraph.journal import WALS, DirectoryInUse, Journal

COMMITS = [Commit(ts, "E", [["n", ts, ["L"], {"x": "ä"}]]) for ts in (2, 4, 6)]
TRIGGER = Trigger("t", "CREATE (:X)", "ANY", before=True, parameters={"p": [1]})
SNAPSHOT = Snapshot(4, "E", [("D", 1)], "db", [9, 0], [["n", 2, ["L"], {}]])


@contextmanager
def opened(path: Path, *, keep_role: bool = True) -> Iterator[Journal]:
    journal = Journal(path, keep_role=keep_role)
    try:
        yield journal
    finally:
        journal.close()


def begin(*, sync: bool = False) -> list[Record]:
    return [OpenWal(Wal(0, "E", "db")), *(AppendCommit(commit, sync) for commit in COMMITS)]


def contents(path: Path) -> list[list[Commit]]:
    with opened(path) as journal:
        return [wal.commits for wal in journal.read()[1]]


def test_round_trip(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write([IdentityRecord("db"), *begin(), FinishWal(), OpenWal(Wal(1, "F", "db"))])
        journal.write(
            [AppendCommit(Commit(8, "F", []), True), RoleRecord({"role": "main"}), UsersRecord({"u": "hash"})]
        )
        journal.write([TriggersRecord([TRIGGER])])
    with opened(tmp_path) as journal:
        snapshots, wals, lost = journal.read()
        assert (snapshots, lost) == ([], 0)
        assert [(wal.seq, wal.epoch, wal.database_uuid, wal.first, wal.last) for wal in wals] == [
            (0, "E", "db", 2, 6),
            (1, "F", "db", 8, 8),
        ]
        assert wals[0].commits == COMMITS
        assert journal.read_identity() == "db"
        assert journal.read_role() == {"role": "main"}
        assert journal.read_users() == {"u": "hash"}
        assert journal.read_triggers() == {"t": TRIGGER}


def test_role_is_kept_only_if_asked(tmp_path: Path) -> None:
    with opened(tmp_path, keep_role=False) as journal:
        journal.write([RoleRecord({"role": "main"})])
    with opened(tmp_path) as journal:
        assert journal.read_role() is None


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_torn_tail_is_cut_off(tmp_path: Path, cut: int) -> None:
    with opened(tmp_path) as journal:
        journal.write(begin())
    (file,) = (tmp_path / WALS).iterdir()
    file.write_bytes(file.read_bytes()[:-cut])
    with opened(tmp_path) as journal:
        _, wals, lost = journal.read()
        assert wals[0].commits == COMMITS[:-1]
        assert lost > 0
        assert journal.read()[2] == 0, "it was cut off on the disk, too"


def test_flipped_byte_is_noticed(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write(begin())
    (file,) = (tmp_path / WALS).iterdir()
    file.write_bytes(file.read_bytes().replace(b'"L"', b'"M"', 1))
    assert contents(tmp_path) == [[]]


def test_snapshots_come_back_in_order_and_are_deleted(tmp_path: Path) -> None:
    later = Snapshot(1000, "E", [], "db", [9, 0], [])
    with opened(tmp_path) as journal:
        journal.write([WriteSnapshot(later), WriteSnapshot(SNAPSHOT)])
        assert journal.read()[0] == [SNAPSHOT, later]
        journal.write([DeleteFiles((), (4,))])
        assert journal.read()[0] == [later]


def test_received_snapshot_replaces_everything_and_one_copy_is_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write([*begin(), WriteSnapshot(Snapshot(2, "E", [], "db", [0, 0], []))])
        journal.write([WriteSnapshot(SNAPSHOT, replaces=True), OpenWal(Wal(0, "E", "db"))])
        journal.write([AppendCommit(COMMITS[2], False)])
    with opened(tmp_path) as journal:
        snapshots, wals, _ = journal.read()
        assert snapshots == [SNAPSHOT]
        assert [wal.commits for wal in wals] == [[COMMITS[2]]]
    assert list((tmp_path / (WALS + ".old")).iterdir())


def test_set_aside_data_is_not_found(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write(begin())
        journal.write([FinishWal()])
        journal.set_aside()
        assert journal.read() == ([], [], 0)
    assert list((tmp_path / (WALS + ".backup")).iterdir())


@pytest.mark.parametrize(("asked", "left"), [(None, 1), (1, 2), (9, 1), (0, 3)])
def test_power_failure_takes_commits_that_were_not_synced(tmp_path: Path, asked: int | None, left: int) -> None:
    with opened(tmp_path) as journal:
        journal.write([OpenWal(Wal(0, "E", "db")), AppendCommit(COMMITS[0], True)])
        journal.write([AppendCommit(COMMITS[1], False), AppendCommit(COMMITS[2], False)])
        assert journal.lose_power(asked) == 3 - left
    assert contents(tmp_path) == [COMMITS[:left]]


def test_power_failure_spares_a_finished_file(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write([*begin(), FinishWal()])
        assert journal.lose_power() == 0
    assert contents(tmp_path) == [COMMITS]


def test_wiped_directory_is_empty(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write([*begin(), UsersRecord({"u": "hash"})])
        journal.wipe()
    assert list(tmp_path.iterdir()) == []


def test_directory_has_one_owner(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(DirectoryInUse, match="in use by another process"):
        Journal(tmp_path, keep_role=True)
