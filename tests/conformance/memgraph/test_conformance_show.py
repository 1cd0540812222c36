"""SHOW REPLICATION ROLE and SHOW REPLICAS: what they say of instances that live, are dropped and die."""

from __future__ import annotations

import signal

import pytest
from conformance_lab import BoltLab, Lab
from conformance_servers import Seen, settles


@pytest.mark.row("6.2/1")
def test_6_2_1_show_replication_role(bolt: Lab | BoltLab) -> None:
    cluster = bolt.cluster("SYNC", "SYNC", "ASYNC")
    assert cluster.main.run("SHOW REPLICATION ROLE") == (["replication role"], [["main"]])
    for replica in cluster.replicas:
        assert replica.run("SHOW REPLICATION ROLE") == (["replication role"], [["replica"]])


@pytest.mark.row("6.2/2")
def test_6_2_2_show_replicas(bolt: Lab | BoltLab) -> None:
    cluster = bolt.cluster("SYNC", "SYNC", "ASYNC")
    columns, rows = cluster.main.run("SHOW REPLICAS")
    assert columns == ["name", "socket_address", "sync_mode", "system_info", "data_info"]
    ts = 0 if cluster.fresh else rows[0][4]["memgraph"]["ts"]
    info = {"memgraph": {"ts": ts, "behind": 0, "status": "ready"}}
    assert rows == [
        [f"replica_{number}", replica.replication, mode, None, info]
        for number, (replica, mode) in enumerate(zip(cluster.replicas, ("sync", "sync", "async"), strict=True), 1)
    ]


@pytest.mark.row("6.2/3")
def test_6_2_3_show_replicas_while_inserting_data(bolt: Lab | BoltLab) -> None:
    cluster = bolt.cluster("SYNC", "SYNC", "ASYNC")
    main = cluster.main
    before = main.replicas()["replica_1"].ts
    assert before is not None
    main.query("CREATE (:Number {name: 'forty_two', value: 42})")
    ts = main.replicas()["replica_1"].ts
    assert ts is not None
    assert ts > before
    assert not cluster.fresh or ts == 2, "start and commit of the first transaction after that of the start"
    expected = {
        "replica_1": Seen("sync", ts, 0, "ready"),
        "replica_2": Seen("sync", ts, 0, "ready"),
        "replica_3": Seen("async", ts, 0, "ready"),
    }
    settles(main.replicas, expected)
    assert main.count() == 1
    assert main.replicas() == expected, "a read is nothing to them"


@pytest.mark.row("6.2/4")
def test_6_2_4_show_replicas_of_dropped_killed_and_stopped_ones(lab: Lab) -> None:
    cluster = lab.cluster("SYNC", "SYNC", "ASYNC", "ASYNC")
    cluster.main.drop("replica_2")
    ready = {name: Seen(mode, 0, 0, "ready") for name, mode in (("replica_1", "sync"), ("replica_3", "async"))}
    ready["replica_4"] = Seen("async", 0, 0, "ready")
    assert cluster.main.replicas() == ready
    one, _, three, four = cluster.replicas
    one.kill()
    three.kill()
    four.kill(signal.SIGTERM)
    settles(cluster.main.replicas, {name: seen._replace(status="invalid") for name, seen in ready.items()})


@pytest.mark.row("6.2/5")
def test_6_2_5_drop_dead_replicas_and_register_them_again(lab: Lab) -> None:
    modes = ("SYNC", "SYNC", "ASYNC", "ASYNC")
    cluster = lab.cluster(*modes)
    main = cluster.main
    expected = {f"replica_{number}": Seen(mode.lower(), 0, 0, "ready") for number, mode in enumerate(modes, 1)}
    ready = dict(expected)
    for number, end in ((3, signal.SIGKILL), (4, signal.SIGTERM), (1, signal.SIGKILL), (2, signal.SIGTERM)):
        name = f"replica_{number}"
        cluster.replicas[number - 1].kill(end)
        settles(main.replicas, {**expected, name: expected[name]._replace(status="invalid")})
        main.drop(name)
        del expected[name]
        assert main.replicas() == expected
    for replica in cluster.replicas:
        replica.launch()
    for number, (replica, mode) in enumerate(zip(cluster.replicas, modes, strict=True), 1):
        replica.ready()
        assert replica.role() == "replica"
        main.register(replica, f"replica_{number}", mode)
    settles(main.replicas, ready)
    for name in ready:
        main.drop(name)
    assert main.replicas() == {}


@pytest.mark.row("6.2/12")
def test_6_2_12_two_fresh_instances_are_mains(lab: Lab) -> None:
    one, two = lab.instances(2)
    assert (one.role(), two.role()) == ("main", "main")


@pytest.mark.row("6.2/13")
def test_6_2_13_main_starts_while_a_replica_is_gone(lab: Lab) -> None:
    cluster = lab.cluster("SYNC", "SYNC")
    assert set(cluster.main.replicas().values()) == {Seen("sync", 0, 0, "ready")}
    cluster.main.kill()
    cluster.replicas[1].kill()
    cluster.main.start()
    assert cluster.main.replicas() == {
        "replica_1": Seen("sync", 0, 0, "ready"),
        "replica_2": Seen("sync", 0, 0, "invalid"),
    }, "at once: replicas are contacted before Bolt opens"
    assert cluster.main.role() == "main"
    assert cluster.replicas[0].role() == "replica"


@pytest.mark.row("6.2/20")
def test_6_2_20_show_index_info_moves_no_timestamp(bolt: Lab | BoltLab) -> None:
    cluster = bolt.cluster("SYNC")
    (replica,) = cluster.replicas
    before = cluster.main.replicas()["replica_1"].ts or 0
    for _ in range(20):
        replica.query("SHOW INDEX INFO")
    cluster.main.query("CREATE ()")
    seen = cluster.main.replicas()["replica_1"]
    assert seen._replace(ts=None) == Seen("sync", None, 0, "ready")
    assert seen.ts == 2 if cluster.fresh else (seen.ts or 0) > before
    assert replica.count() == 1
