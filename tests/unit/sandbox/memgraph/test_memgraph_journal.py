"""The data directory: everything written comes back, a torn tail costs only itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.memgraph.core.instance import (
    CommitRecord,
    IdentityRecord,
    ReplaceRecord,
    RoleRecord,
    Trigger,
    TriggersRecord,
    UsersRecord,
)
from sandbox.memgraph.core.messages import Commit
from sandbox.memgraph.journal import LOG, DirectoryInUse, Journal

RECORDS: list[CommitRecord | ReplaceRecord | IdentityRecord] = [
    IdentityRecord("db"),
    *(CommitRecord(Commit(ts, "E", [["n", ts, ["L"], {"x": "ä"}]])) for ts in (2, 4, 6)),
]
TRIGGER = Trigger("t", "CREATE (:A {x: $x})", "() CREATE", before=True, invoker=True, parameters={"x": [1]})


def write(path: Path, *, keep_role: bool = True) -> None:
    journal = Journal(path, 1, keep_role=keep_role)
    journal.write([*RECORDS, RoleRecord({"role": "main"}), UsersRecord({"u": "hash"}), TriggersRecord([TRIGGER])])
    journal.close()


def test_round_trip(tmp_path: Path) -> None:
    write(tmp_path)
    journal = Journal(tmp_path, 1, keep_role=True)
    assert journal.read() == (RECORDS, 0)
    assert journal.read_role() == {"role": "main"}
    assert journal.read_users() == {"u": "hash"}
    assert journal.read_triggers() == {"t": TRIGGER}
    journal.close()


def test_role_is_kept_only_if_asked(tmp_path: Path) -> None:
    write(tmp_path, keep_role=False)
    journal = Journal(tmp_path, 1, keep_role=True)
    assert journal.read_role() is None
    journal.close()


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_torn_tail_is_cut_off_and_writing_goes_on(tmp_path: Path, cut: int) -> None:
    write(tmp_path)
    log = tmp_path / LOG
    log.write_bytes(log.read_bytes()[:-cut])
    journal = Journal(tmp_path, 1, keep_role=True)
    records, lost = journal.read()
    assert records == RECORDS[:-1]
    assert lost > 0
    journal.write([RECORDS[-1]])
    assert journal.read() == (RECORDS, 0)
    journal.close()


def test_flipped_byte_is_noticed(tmp_path: Path) -> None:
    write(tmp_path)
    log = tmp_path / LOG
    log.write_bytes(log.read_bytes().replace(b'"L"', b'"M"', 1))
    journal = Journal(tmp_path, 1, keep_role=True)
    assert journal.read()[0] == RECORDS[:1]
    journal.close()


def test_snapshot_replaces_the_log_and_keeps_the_old_one(tmp_path: Path) -> None:
    write(tmp_path)
    journal = Journal(tmp_path, 1, keep_role=True)
    snapshot = ReplaceRecord({"ldt": 9})
    later = CommitRecord(Commit(11, "E", []))
    journal.write([RECORDS[1], snapshot, later])
    assert journal.read() == ([snapshot, later], 0)
    assert (tmp_path / (LOG + ".old")).exists()
    journal.close()


def test_directory_has_one_owner(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1, keep_role=True)
    with pytest.raises(DirectoryInUse, match="in use by another process"):
        Journal(tmp_path, 1, keep_role=True)
    journal.close()
