"""Cases that operators met (M-6.3), as the version under test behaves."""

from __future__ import annotations

import shutil

import pytest
from conformance_lab import Lab
from conformance_servers import Process, Seen, noticed, settles

GHOST = Seen("sync", None, None, None)


def register(main: Process, replica: Process) -> str:
    """REGISTER REPLICA r SYNC."""
    return f"REGISTER REPLICA r SYNC TO '{replica.replication}'"


@pytest.mark.row("6.3/F1")
def test_6_3_F1_replaced_main_with_commits_of_its_own(lab: Lab) -> None:
    old, new = lab.cluster("ASYNC").all
    old.query("CREATE (:Both)")
    settles(lambda: old.replicas()["replica_1"][1:], (2, 0, "ready"))
    new.kill()
    for number in range(21):
        old.query("CREATE (:Mine {id: $id})", id=number)
    old.kill()
    new.start()
    new.promote()
    new.query("CREATE (:Theirs)")
    old.start()
    assert (old.role(), new.role()) == ("main", "main"), "nothing but the role of its last life"
    old.demote()
    assert new.refusal(register(new, old)).message == "Couldn't register replica r. Error: 3"
    assert new.refusal(register(new, old)).message == "Couldn't register replica r. Error: 1"
    for _ in range(10):
        new.query("CREATE (:Theirs)")
        assert new.replicas() == {"r": GHOST}
    new.drop("r")
    assert new.refusal(register(new, old)).message == "Couldn't register replica r. Error: 3", "it never heals"
    assert old.count() == 22


def keep(instance: Process) -> None:
    """Kill an instance and keep a copy of its data."""
    instance.kill()
    shutil.copytree(instance.data, instance.directory / "kept")


def put_back(instance: Process) -> None:
    """Start a killed instance from the copy."""
    instance.wipe()
    shutil.copytree(instance.directory / "kept", instance.data)
    instance.start()


@pytest.mark.row("6.3/F2")
def test_6_3_F2_replica_restarts_from_an_old_state_of_its_history(lab: Lab) -> None:
    """The same history, only less of it: it recovers."""
    main, replica = lab.cluster("SYNC").all
    main.query("CREATE (:T {id: 1})")
    keep(replica)
    noticed(main, "replica_1")
    replica.start()
    settles(lambda: main.replicas()["replica_1"], Seen("sync", 2, 0, "ready"))
    main.query("CREATE (:T {id: 2})")
    replica.kill()
    noticed(main, "replica_1")
    put_back(replica)
    settles(lambda: main.replicas()["replica_1"][2:], (0, "ready"))
    settles(replica.nodes, main.nodes())


@pytest.mark.row("6.3/F2")
def test_6_3_F2_replica_restarts_from_another_history(lab: Lab) -> None:
    """The state that is put back has commits its main never had: invalid, then diverged, further behind by each write.

    What `ts` shows differs: up to 3.6 what the replica reports, so it falls; in 3.12 it stays at what was known.
    """
    replica, main = lab.cluster("SYNC").all
    replica.query("CREATE (:T {id: 1})")
    replica.drop("replica_1")
    replica.query("CREATE (:T {id: 2})")
    main.promote()
    main.query("CREATE (:T {id: 3})")
    replica.demote()
    main.refusal(register(main, replica))
    keep(replica)
    main.drop("r")
    replica.wipe()
    replica.start()
    replica.demote()
    main.register(replica, "r")
    settles(lambda: main.replicas()["r"][2:], (0, "ready"))
    for number in range(4, 8):
        main.query("CREATE (:T {id: $id})", id=number)
    known = main.replicas()["r"].ts
    assert known is not None
    replica.kill()
    noticed(main, "r")
    put_back(replica)
    settles(lambda: main.replicas()["r"].status, "diverged")
    behind = main.replicas()["r"].behind
    assert behind is not None
    for number in range(8, 11):
        main.refusal("CREATE (:T {id: $id})", id=number)
        seen = main.replicas()["r"]
        assert seen.status == "diverged"
        assert seen.ts is not None
        assert seen.ts <= known
        assert seen.behind is not None
        assert seen.behind < behind
        behind = seen.behind
    assert replica.nodes() == [(["T"], {"id": 1}), (["T"], {"id": 2})]


@pytest.mark.row("6.3/F3")
def test_6_3_F3_failover_then_a_restart_of_the_replica(lab: Lab) -> None:
    """False divergence up to 3.5; since 3.6 the replica is ready again."""
    old, new, replica = lab.cluster("SYNC", "SYNC").all
    old.query("CREATE (:T {id: 1})")
    old.kill()
    new.promote()
    new.query("CREATE (:T {id: 2})")
    new.register(replica, "r")
    settles(lambda: new.replicas()["r"][2:], (0, "ready"))
    new.query("CREATE (:T {id: 3})")
    replica.kill()
    noticed(new, "r")
    replica.start()
    settles(lambda: new.replicas()["r"][2:], (0, "ready"))
    new.query("CREATE (:T {id: 4})")
    assert replica.nodes() == new.nodes()
    new.drop("r")
    new.query("CREATE (:T {id: 5})")
    new.register(replica, "r")
    settles(lambda: new.replicas()["r"][2:], (0, "ready"))
    assert replica.nodes() == new.nodes()


@pytest.mark.row("6.3/F7")
def test_6_3_F7_replica_restarted_within_its_epoch_is_promoted(lab: Lab) -> None:
    """M-3.4: its restart is in its history as the end of the epoch, and whoever holds more of that is refused."""
    old, new, other = lab.cluster("SYNC", "SYNC").all
    old.query("CREATE (:T {id: 1})")
    new.kill()
    noticed(old, "replica_1")
    new.start()
    settles(lambda: old.replicas()["replica_1"], Seen("sync", 2, 0, "ready"))
    old.query("CREATE (:T {id: 2})")
    assert new.nodes() == other.nodes() == old.nodes()
    old.kill()
    new.promote()
    new.query("CREATE (:T {id: 3})")
    old.start()
    old.demote()
    for name, instance in (("other", other), ("old", old)):
        error = new.refusal(f"REGISTER REPLICA {name} SYNC TO '{instance.replication}'")
        assert error.message == f"Couldn't register replica {name}. Error: 3"
        assert new.replicas()[name] == GHOST


@pytest.mark.row("6.3/F7")
def test_6_3_F7_replica_not_restarted_is_promoted(lab: Lab) -> None:
    """The same without the restart: everybody may follow."""
    old, new, other = lab.cluster("SYNC", "SYNC").all
    old.query("CREATE (:T {id: 1})")
    old.query("CREATE (:T {id: 2})")
    old.kill()
    new.promote()
    new.query("CREATE (:T {id: 3})")
    old.start()
    old.demote()
    for name, instance in (("other", other), ("old", old)):
        new.register(instance, name)
    settles(lambda: {seen[2:] for seen in new.replicas().values()}, {(0, "ready")})
    assert old.nodes() == new.nodes() == other.nodes()


@pytest.mark.row("6.3/F8")
@pytest.mark.parametrize("committed", [False, True], ids=["killed-before-a-commit", "killed-after-a-commit"])
def test_6_3_F8_promoted_main_dies_before_a_commit(lab: Lab, committed: bool) -> None:
    """An epoch lasts from its first commit on. Without one, two mains share one, and their split is not seen."""
    old, new = lab.cluster("SYNC").all
    old.query("CREATE (:T {id: 1})")
    new.promote()
    if committed:
        new.query("CREATE (:T {id: 2})")
    new.restart()
    assert new.role() == "main"
    new.query("CREATE (:T {id: 3})")
    old.drop("replica_1")
    for number in (4, 5):
        old.query("CREATE (:T {id: $id})", id=number)
    new.demote()
    if committed:
        assert old.refusal(register(old, new)).message == "Couldn't register replica r. Error: 3"
    else:
        old.query(register(old, new))
        settles(lambda: old.replicas()["r"][2:], (0, "ready"))
    assert (["T"], {"id": 3}) in new.nodes()
    assert (["T"], {"id": 3}) not in old.nodes()
