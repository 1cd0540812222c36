"""REGISTER and DROP: what is refused, and what must not hang."""

from __future__ import annotations

import signal
import time

import pytest
from conformance_lab import BoltLab, Lab
from conformance_servers import Seen, free_port, settles


@pytest.mark.row("6.2/28")
def test_6_2_28_name_exists(bolt: Lab | BoltLab) -> None:
    main, one, two = bolt.instances(3)
    for replica in (one, two):
        if replica.role() == "main":
            replica.demote()
    main.register(one, "replica_1")
    error = main.refusal(f"REGISTER REPLICA replica_1 ASYNC TO '{two.replication}'")
    assert error.message == "Couldn't register replica replica_1. Error: 1"
    assert [row[:3] for row in main.query("SHOW REPLICAS")] == [["replica_1", one.replication, "sync"]]


@pytest.mark.row("6.2/29")
def test_6_2_29_endpoint_exists(bolt: Lab | BoltLab) -> None:
    main, one = bolt.instances(2)
    if one.role() == "main":
        one.demote()
    main.register(one, "replica_1")
    error = main.refusal(f"REGISTER REPLICA replica_2 ASYNC TO '{one.replication}'")
    assert error.message == "Couldn't register replica replica_2. Error: 2"
    assert list(main.replicas()) == ["replica_1"]


@pytest.mark.row("6.2/30")
def test_6_2_30_nothing_listens(bolt: Lab | BoltLab) -> None:
    main = bolt.instances(1)[0]
    error = main.refusal(f"REGISTER REPLICA nobody SYNC TO '127.0.0.1:{free_port()}'")
    assert error.message == "Couldn't register replica nobody. Error: 5"
    # M-2.4: the failed registration stays as a ghost, and protects nothing.
    assert main.replicas() == {"nobody": Seen("sync", None, None, None)}
    main.query("CREATE ()")
    main.drop("nobody")
    assert main.replicas() == {}


@pytest.mark.row("6.2/33")
def test_6_2_33_manual_queries_without_coordinators(lab: Lab) -> None:
    """Community has no coordinators: the queries that a data instance of theirs refuses do their work here."""
    main, other = lab.instances(2)
    errors = [
        main.refusal(f"REGISTER REPLICA replica_1 SYNC TO '127.0.0.1:{free_port()}'"),
        main.refusal("DROP REPLICA replica_2"),
    ]
    assert [error.message for error in errors] == [
        "Couldn't register replica replica_1. Error: 5",
        "Failed to unregister the replica replica_2.",
    ]
    main.drop("replica_1")
    other.demote()
    assert other.role() == "replica"
    main.register(other, "replica_1")
    assert list(main.replicas()) == ["replica_1"]


@pytest.mark.row("6.3/F5")
def test_6_3_F5_data_info_of_healthy_replicas(bolt: Lab | BoltLab) -> None:
    cluster = bolt.cluster("SYNC", "ASYNC")
    cluster.main.query("CREATE ()")
    settles(lambda: {seen[2:] for seen in cluster.main.replicas().values()}, {(0, "ready")})
    for row in cluster.main.query("SHOW REPLICAS"):
        assert set(row[4]) == {"memgraph"}
        assert set(row[4]["memgraph"]) == {"ts", "behind", "status"}


DROP_LIMIT_S = 5.0
"""The shortest timeout of a replication RPC (M-3.6): a DROP that waits for one takes at least that long."""


@pytest.mark.row("6.3/F6")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "hung"])
def test_6_3_F6_drop_of_an_unreachable_replica(lab: Lab, number: signal.Signals) -> None:
    main, gone, other = lab.cluster("ASYNC", "SYNC").all
    if number is signal.SIGKILL:
        gone.kill()
        settles(lambda: main.replicas()["replica_1"].status, "invalid")
    else:
        gone.send(number)
        main.query("CREATE ()")
    begin = time.monotonic()
    main.drop("replica_1")
    assert time.monotonic() - begin < DROP_LIMIT_S
    assert list(main.replicas()) == ["replica_2"]
    main.query("CREATE (:After)")
    assert other.nodes() == main.nodes()
