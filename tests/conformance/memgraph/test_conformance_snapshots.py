"""Rows with snapshots in them."""

from __future__ import annotations

import signal

import pytest
from conformance_lab import Lab
from conformance_servers import Seen, settles


@pytest.mark.row("6.2/21")
def test_6_2_21_switch_the_main_after_a_local_snapshot(lab: Lab) -> None:
    one, two = lab.cluster("SYNC").all
    one.query("UNWIND range(0, 9) AS i CREATE ({id: i})")
    settles(one.replicas, {"replica_1": Seen("sync", 2, 0, "ready")})
    one.query("CREATE SNAPSHOT")
    one.demote()
    two.promote()
    two.register(one, "replica")
    two.query("UNWIND range(10, 19) AS i CREATE ({id: i})")
    settles(two.replicas, {"replica": Seen("sync", 4, 0, "ready")})
    two.kill(signal.SIGTERM)
    two.wipe()
    one.promote()
    two.start()
    assert two.role() == "main", "the role went with the data"
    two.demote()
    one.register(two, "replica")
    settles(one.replicas, {"replica": Seen("sync", 4, 0, "ready")})
    assert one.count() == two.count() == 20


SMALL_FILES = ("--storage-wal-file-size-kib=1", "--storage-snapshot-retention-count=3")
FULL = "CREATE (:T {p: range(0, 127)})"
LITTLE = "CREATE (:T)"
SNAPSHOT = "CREATE SNAPSHOT"


@pytest.mark.row("6.2/32")
def test_6_2_32_recovery_from_snapshots(lab: Lab) -> None:
    """A replica that never had anything recovers each time.

    In order: a snapshot while every WAL file is still there; snapshots alone, when the files before them are removed;
    and with the current file, with finished files, with both.
    """
    patterns = (
        (FULL, LITTLE, FULL, SNAPSHOT),
        (LITTLE, SNAPSHOT, LITTLE, SNAPSHOT, LITTLE, SNAPSHOT),
        (LITTLE,),
        (FULL,),
        (LITTLE,),
    )
    main, *empty = lab.instances(1 + len(patterns), *SMALL_FILES)
    written = 0
    for number, (replica, queries) in enumerate(zip(empty, patterns, strict=True)):
        for query in queries:
            main.query(query)
        written += len(queries) - queries.count(SNAPSHOT)
        replica.demote()
        main.register(replica, f"empty_{number}")
        settles(lambda: {seen[2:] for seen in main.replicas().values()}, {(0, "ready")})
        assert replica.nodes() == main.nodes()
        assert replica.count() == written
    main.query(LITTLE)
    assert [replica.count() for replica in empty] == [written + 1] * len(empty)


@pytest.mark.row("6.2/32")
def test_6_2_32_restart_from_a_snapshot_and_wal_files(lab: Lab) -> None:
    """Where the main's own data come from makes no difference to a replica that is registered afterwards."""
    main, replica = lab.instances(2, *SMALL_FILES)
    for query in (FULL, SNAPSHOT, FULL, LITTLE):
        main.query(query)
    main.restart()
    assert main.count() == 3
    replica.demote()
    main.register(replica, "late")
    settles(lambda: main.replicas()["late"][2:], (0, "ready"))
    assert replica.nodes() == main.nodes()
