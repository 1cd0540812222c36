"""What a main and its replicas still know after they died, and how a replica gets what it missed."""

from __future__ import annotations

import pytest
from conformance_lab import Lab
from conformance_servers import Seen, noticed, settles

LOSES_DATA = "--data-recovery-on-startup=false"
MODES = ("SYNC", "SYNC", "ASYNC", "ASYNC")


def ready(ts: int, *left_out: int) -> dict[str, Seen]:
    """SHOW REPLICAS of four replicas in `MODES` that all stand at `ts`."""
    return {
        f"replica_{number}": Seen(mode.lower(), ts, 0, "ready")
        for number, mode in enumerate(MODES, 1)
        if number not in left_out
    }


@pytest.mark.row("6.2/6")
@pytest.mark.parametrize("recovers", [(), (LOSES_DATA,)], ids=["recovers", "loses-data"])
def test_6_2_6_restarted_main_keeps_role_and_replicas(lab: Lab, recovers: tuple[str, ...]) -> None:
    main, *others = cluster = lab.cluster(*MODES, flags=recovers).all
    main.flags = ()
    settles(main.replicas, ready(0))
    main.restart()
    assert [each.role() for each in cluster] == ["main", *["replica"] * 4]
    settles(main.replicas, ready(0))
    main.query("CREATE (:Number {name: 'Magic', value: 42})")
    settles(main.replicas, ready(2))
    main.restart()
    assert [each.role() for each in cluster] == ["main", *["replica"] * 4]
    settles(main.replicas, ready(2))
    assert [each.count() for each in cluster] == [1] * 5
    others[2].kill()
    noticed(main, "replica_3")
    others[2].start()
    settles(main.replicas, ready(2))
    assert others[2].count() == 1


@pytest.mark.row("6.2/7")
def test_6_2_7_dropped_replica_stays_dropped(lab: Lab) -> None:
    main, one, two, three, four = lab.cluster(*MODES).all
    main.drop("replica_2")
    main.query("CREATE (:Number {name: 'Magic', value: 42})")
    main.restart()
    settles(main.replicas, ready(2, 2))
    assert list(main.replicas()) == ["replica_1", "replica_3", "replica_4"], "in the order of registration"
    for replica in (one, three, four):
        assert replica.nodes() == main.nodes() == [(["Number"], {"name": "Magic", "value": 42})]
    assert two.count() == 0
    assert two.role() == "replica"


@pytest.mark.row("6.2/8")
@pytest.mark.parametrize("recovers", [(), (LOSES_DATA,)], ids=["recovers", "loses-data"])
def test_6_2_8_killed_async_replica_catches_up(lab: Lab, recovers: tuple[str, ...]) -> None:
    main, _, _, three, _ = lab.cluster(*MODES).all
    three.flags = recovers
    main.query("CREATE (:Number {name: 'Magic', value: 42})")
    settles(main.replicas, ready(2))
    three.kill()
    main.query("CREATE (:Number {name: 'Magic_again', value: 43})")
    assert main.count() == 2
    three.start()
    assert three.role() == "replica"
    settles(main.replicas, ready(4))
    assert three.nodes() == main.nodes()


@pytest.mark.row("6.2/9")
def test_6_2_9_dropped_replica_is_registered_again(lab: Lab) -> None:
    main, _, two, three, _ = lab.cluster(*MODES).all
    main.drop("replica_2")
    main.query("CREATE (:Number {name: 'Magic', value: 42})")
    main.restart()
    settles(main.replicas, ready(2, 2))
    assert main.count() == 1
    three.kill()
    main.query("CREATE (:Number {name: 'Magic_again', value: 43})")
    main.register(two, "replica_2", "SYNC")
    three.start()
    settles(main.replicas, ready(6))
    assert two.nodes() == three.nodes() == main.nodes()
    assert len(main.nodes()) == 2


@pytest.mark.row("6.2/10")
def test_6_2_10_killed_sync_replica(lab: Lab) -> None:
    main, one, two, three, four = lab.cluster(*MODES).all
    one.flags = (LOSES_DATA,)
    main.query("CREATE (:Number {name: 'Magic', value: 42})")
    settles(main.replicas, ready(2))
    assert main.count() == 1
    one.kill()
    settles(main.replicas, ready(2) | {"replica_1": Seen("sync", 2, 0, "invalid")})
    error = main.refusal("CREATE (:Number {name: 'Magic_again', value: 43})")
    assert "SYNC" in (error.message or "")
    # Behind by three: the read before the write took one timestamp, the write two.
    settles(main.replicas, ready(5) | {"replica_1": Seen("sync", 2, -3, "invalid")})
    expected = main.nodes()
    assert len(expected) == 2
    for replica in (two, three, four):
        assert replica.nodes() == expected
    one.start()
    settles(main.replicas, ready(5))
    assert one.nodes() == expected
    main.query("CREATE (:Number {name: 'Magic_again_again', value: 44})")
    settles(main.replicas, ready(8))
    assert [each.count() for each in (main, one, two, three, four)] == [3] * 5


@pytest.mark.row("6.2/11")
def test_6_2_11_roles_are_restored(lab: Lab) -> None:
    main, replica = cluster = lab.cluster("SYNC").all
    replica.flags = (LOSES_DATA,)
    healthy = {"replica_1": Seen("sync", 0, 0, "ready")}
    assert main.replicas() == healthy
    main.restart()
    assert [each.role() for each in cluster] == ["main", "replica"]
    settles(main.replicas, healthy)
    replica.kill()
    noticed(main, "replica_1")
    assert main.replicas() == {"replica_1": Seen("sync", 0, 0, "invalid")}
    replica.start()
    assert [each.role() for each in cluster] == ["main", "replica"]
    settles(main.replicas, healthy)
    replica.kill()
    main.refusal("CREATE (:First)")
    replica.start()
    assert [each.role() for each in cluster] == ["main", "replica"]
    settles(main.replicas, {"replica_1": Seen("sync", 2, 0, "ready")})
    assert replica.nodes() == main.nodes() == [(["First"], {})]


@pytest.mark.row("6.2/31")
@pytest.mark.parametrize("dropped", [(), (0,)], ids=["both", "one-dropped"])
def test_6_2_31_registrations_are_restored(lab: Lab, dropped: tuple[int, ...]) -> None:
    cluster = lab.cluster("SYNC", "SYNC")
    main = cluster.main

    def registered() -> list[list[str]]:
        return [row[:3] for row in main.query("SHOW REPLICAS")]

    expected = [[f"replica_{n}", replica.replication, "sync"] for n, replica in enumerate(cluster.replicas, 1)]
    assert registered() == expected
    for index in dropped:
        main.drop(expected.pop(index)[0])
    assert registered() == expected
    main.restart()
    assert registered() == expected


SMALL_FILES = ("--storage-wal-file-size-kib=1", "--storage-snapshot-retention-count=1")
FULL = "CREATE (:T {p: range(0, 127)})"
"""More than a kibibyte: ends the WAL file it is written to."""
LITTLE = "CREATE (:T)"


@pytest.mark.row("6.2/32")
def test_6_2_32_recovery_from_wal_files(lab: Lab) -> None:
    """Which files are sent can't be seen by Bolt: that what they hold arrives, and that it is exactly that, can.

    In order: nothing, the current file, one finished file, several, several and the current one.
    """
    main, behind, empty = lab.instances(3, *SMALL_FILES)
    behind.demote()
    written = 0
    for queries in ((), (LITTLE,), (FULL,), (FULL, FULL, FULL), (FULL, LITTLE)):
        for query in queries:
            main.query(query)
        written += len(queries)
        main.register(behind, "behind")
        settles(main.replicas, {"behind": Seen("sync", 2 * written, 0, "ready")})
        main.drop("behind")
    assert behind.count() == written
    empty.demote()
    main.register(empty, "empty")
    main.register(behind, "behind")
    settles(main.replicas, {name: Seen("sync", 2 * written, 0, "ready") for name in ("empty", "behind")})
    assert empty.nodes() == behind.nodes() == main.nodes()
    main.query(LITTLE)
    assert empty.count() == behind.count() == written + 1
