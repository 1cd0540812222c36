"""Writes on a main: what they do on replicas that live, are down, or outlive the main."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from conformance_lab import Lab
from conformance_servers import Process, Seen, settles
from memgraph_process import eventually
from neo4j.exceptions import ClientError, DriverError, Neo4jError, TransientError

KILLED_AFTER = (5, 17, 40)
"""Memgraph's own test kills at random, twenty times; three points in a life of up to fifty writes bound it here."""


def names(instance: Process) -> list[int]:
    """The `name` of every node, in the order they are stored."""
    return [row[0] for row in instance.query("MATCH (n) RETURN n.name")]


@pytest.mark.row("6.2/14")
@pytest.mark.parametrize("writes", KILLED_AFTER)
def test_6_2_14_async_replica_of_a_killed_main_has_a_prefix(lab: Lab, writes: int) -> None:
    """The main dies while it is writing, at any moment of a commit."""
    main, replica = lab.cluster("ASYNC").all
    for number in range(5):
        main.query("CREATE (:Number {name: $name})", name=number)
    settles(lambda: main.replicas()["replica_1"].status, "ready")
    acknowledged = [0, 1, 2, 3, 4]

    def write() -> None:
        try:
            while True:
                main.query("CREATE (:Number {name: $name})", name=len(acknowledged))
                acknowledged.append(len(acknowledged))
        except (DriverError, Neo4jError, OSError):
            return

    writer = threading.Thread(target=write)
    writer.start()
    eventually(lambda: len(acknowledged) >= writes)
    main.kill()
    writer.join()
    found = sorted(names(replica))
    assert len(found) >= 5
    assert found == list(range(len(found))), "no gap"
    assert len(found) <= len(acknowledged) + 1, "nothing that was never written"


@pytest.mark.row("6.2/15")
@pytest.mark.parametrize("writes", KILLED_AFTER)
def test_6_2_15_sync_replica_of_a_killed_main_has_everything(lab: Lab, writes: int) -> None:
    main, replica = lab.cluster("SYNC").all
    for number in range(writes):
        main.query("CREATE (:Number {name: $name})", name=number)
        counted = main.count()
    main.kill()
    assert replica.count() == counted == writes
    assert sorted(names(replica)) == list(range(writes))


@pytest.mark.row("6.2/16")
def test_6_2_16_write_while_an_async_replica_is_down(lab: Lab) -> None:
    main, one, two = lab.cluster("ASYNC", "ASYNC").all
    assert main.replicas() == {f"replica_{n}": Seen("async", 0, 0, "ready") for n in (1, 2)}
    main.query("CREATE (:Number {name: 1})")
    expected = main.nodes()
    assert len(expected) == 1
    for replica in (one, two):
        settles(replica.nodes, expected)
    one.kill()
    main.query("CREATE (:Number {name: 2})")
    settles(main.replicas, {"replica_1": Seen("async", 2, -3, "invalid"), "replica_2": Seen("async", 5, 0, "ready")})
    expected = main.nodes()
    assert len(expected) == 2
    assert two.nodes() == expected


@pytest.mark.row("6.2/17")
def test_6_2_17_write_while_a_sync_replica_is_down(lab: Lab) -> None:
    main, one, two = lab.cluster("SYNC", "SYNC").all
    one.flags = ("--data-recovery-on-startup=false",)
    main.query("CREATE (:Number {name: 1})")
    assert main.nodes() == one.nodes() == two.nodes() == [(["Number"], {"name": 1})]
    one.kill()
    settles(main.replicas, {"replica_1": Seen("sync", 2, 0, "invalid"), "replica_2": Seen("sync", 2, 0, "ready")})
    main.refusal("CREATE (:Number {name: 2})")
    assert main.replicas() == {"replica_1": Seen("sync", 2, -3, "invalid"), "replica_2": Seen("sync", 5, 0, "ready")}
    expected = main.nodes()
    assert len(expected) == 2
    assert two.nodes() == expected
    one.start()
    settles(main.replicas, {f"replica_{n}": Seen("sync", 5, 0, "ready") for n in (1, 2)})
    assert one.nodes() == two.nodes() == main.nodes() == expected


def index(instance: Process) -> list[list[object]]:
    """SHOW INDEX INFO: takes no timestamp."""
    return instance.query("SHOW INDEX INFO")


@pytest.mark.row("6.2/18")
def test_6_2_18_new_index_while_an_async_replica_is_down(lab: Lab) -> None:
    main, one, two = lab.cluster("ASYNC", "ASYNC").all
    main.query("CREATE INDEX ON :Number(value)")
    assert len(index(main)) == 1
    for replica in (one, two):
        settles(partial(index, replica), index(main))
    one.kill()
    main.query("CREATE INDEX ON :Number(value2)")
    settles(main.replicas, {"replica_1": Seen("async", 2, -2, "invalid"), "replica_2": Seen("async", 4, 0, "ready")})
    assert len(index(main)) == 2
    settles(lambda: index(two), index(main))


@pytest.mark.row("6.2/18")
def test_6_2_18_new_index_while_a_sync_replica_is_down(lab: Lab) -> None:
    main, one, two = lab.cluster("SYNC", "SYNC").all
    one.flags = ("--data-recovery-on-startup=false",)
    main.query("CREATE INDEX ON :Number(value)")
    assert index(main) == index(one) == index(two)
    assert len(index(main)) == 1
    one.kill()
    settles(main.replicas, {"replica_1": Seen("sync", 2, 0, "invalid"), "replica_2": Seen("sync", 2, 0, "ready")})
    main.refusal("CREATE INDEX ON :Number(value2)")
    assert main.replicas() == {"replica_1": Seen("sync", 2, -2, "invalid"), "replica_2": Seen("sync", 4, 0, "ready")}
    assert index(two) == index(main)
    assert len(index(main)) == 2
    one.start()
    settles(main.replicas, {f"replica_{n}": Seen("sync", 4, 0, "ready") for n in (1, 2)})
    assert index(one) == index(two) == index(main)
    assert len(index(main)) == 2


@pytest.mark.row("6.2/22")
@pytest.mark.parametrize("explicit", [False, True], ids=["auto-commit", "explicit"])
def test_6_2_22_sync_replica_down_is_a_client_error(lab: Lab, explicit: bool) -> None:
    main, one, two, _ = lab.cluster("SYNC", "SYNC", "ASYNC").all
    one.kill()
    settles(lambda: main.replicas()["replica_1"].status, "invalid")
    with main.session() as session:
        if explicit:
            transaction = session.begin_transaction()
            transaction.run("CREATE (n:Down) RETURN n").consume()
            with pytest.raises(Neo4jError) as caught:
                transaction.commit()
        else:
            with pytest.raises(Neo4jError) as caught:
                session.run("CREATE (n:Down) RETURN n").consume()
    assert isinstance(caught.value, ClientError)
    assert not isinstance(caught.value, TransientError), "a driver would write it again"
    assert "Failed to replicate to SYNC replica 'replica_1'" in (caught.value.message or "")
    assert main.count() == two.count() == 1
