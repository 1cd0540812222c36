"""STRICT_SYNC: everywhere or nowhere."""

from __future__ import annotations

import pytest
from conformance_lab import Lab
from conformance_servers import Seen, settles
from neo4j.exceptions import ClientError

ABORTED = "Failed to replicate to STRICT_SYNC replica 'replica_1'"


@pytest.mark.row("6.2/34")
def test_6_2_34_replica_down_before_the_commit(lab: Lab) -> None:
    main, one, two = cluster = lab.cluster("STRICT_SYNC", "STRICT_SYNC").all
    one.kill()
    assert ABORTED in (main.refusal("CREATE (:Node)").message or "")
    assert main.count() == two.count() == 0
    one.start()
    assert one.count() == 0
    settles(lambda: [seen.status for seen in main.replicas().values()], ["ready", "ready"])
    for instance in cluster:
        instance.restart()
    assert [instance.count() for instance in cluster] == [0, 0, 0]


@pytest.mark.row("6.2/35")
def test_6_2_35_aborted_commit_stays_away_after_a_restart(lab: Lab) -> None:
    main, one, two = lab.cluster("STRICT_SYNC", "STRICT_SYNC").all
    one.kill()
    assert ABORTED in (main.refusal("CREATE (:Node)").message or "")
    assert two.count() == 0
    two.restart()
    assert two.count() == 0
    assert two.role() == "replica"


@pytest.mark.row("6.2/36")
def test_6_2_36_down_aborts_up_commits(lab: Lab) -> None:
    main, one, two = cluster = lab.cluster("STRICT_SYNC", "STRICT_SYNC").all
    one.kill()
    assert ABORTED in (main.refusal("CREATE (:Node)").message or "")
    one.start()
    settles(lambda: main.replicas()["replica_1"].status, "ready")
    main.query("CREATE (:Node)")
    assert [instance.count() for instance in cluster] == [1, 1, 1]
    two.restart()
    main.restart()
    assert [instance.count() for instance in cluster] == [1, 1, 1]
    settles(lambda: {seen.status for seen in main.replicas().values()}, {"ready"})
    main.query("CREATE (:Node)")
    assert [instance.count() for instance in cluster] == [2, 2, 2]


@pytest.mark.row("6.2/37")
def test_6_2_37_async_replica_down(lab: Lab) -> None:
    main, strict, lazy = lab.cluster("STRICT_SYNC", "ASYNC").all
    lazy.kill()
    main.query("CREATE (:Node)")
    main.query("CREATE (:Node)")
    assert main.count() == strict.count() == 2
    lazy.start()
    settles(lazy.count, 2)
    settles(lambda: {seen[1:] for seen in main.replicas().values()}, {(4, 0, "ready")})


@pytest.mark.row("6.3/F4")
def test_6_3_F4_replica_down_refuses_writes_and_not_reads(lab: Lab) -> None:
    main, one, two = lab.cluster("STRICT_SYNC", "ASYNC").all
    main.query("CREATE (:Node {id: 1})")
    one.kill()
    for number in range(2, 5):
        error = main.refusal("CREATE (:Node {id: $id})", id=number)
        assert isinstance(error, ClientError)
        assert ABORTED in (error.message or "")
        assert "Transaction was aborted on all instances." in (error.message or "")
    assert main.nodes() == [(["Node"], {"id": 1})]
    settles(two.nodes, main.nodes())
    assert main.replicas()["replica_1"] == Seen("strict_sync", 2, 0, "invalid")
    # It recovers by itself: 6.2/36.
    one.start()
    settles(lambda: main.replicas()["replica_1"].status, "ready")
    main.query("CREATE (:Node {id: 5})")
    assert one.nodes() == main.nodes()
    assert len(one.nodes()) == 2
