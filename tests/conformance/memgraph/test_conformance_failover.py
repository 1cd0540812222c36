"""Another main: who may follow it, and who is refused. The moves are made by hand, as a controller makes them."""

from __future__ import annotations

import pytest
from conformance_lab import Lab
from conformance_servers import Process, Seen, settles

SYNC_DOWN = "Failed to replicate to SYNC replica"
DIVERGED = "Couldn't register replica {}. Error: 3"
"""CONNECTION_FAILED, by which Memgraph means diverged (M-2.4)."""
GHOST = Seen("sync", None, None, None)
RECOVERY = pytest.mark.parametrize("data_recovery", ["true", "false"])


def follow(main: Process, replica: Process, name: str) -> None:
    """Make `replica`, a main or not, a replica of `main`, and wait until it holds everything."""
    if replica.role() == "main":
        replica.demote()
    main.register(replica, name)
    settles(lambda: main.replicas()[name][2:], (0, "ready"))


def refused(main: Process, replica: Process, name: str) -> None:
    """`replica` has a history of its own: registering it leaves a ghost."""
    if replica.role() == "main":
        replica.demote()
    error = main.refusal(f"REGISTER REPLICA {name} SYNC TO '{replica.replication}'")
    assert error.message == DIVERGED.format(name)
    assert main.replicas()[name] == GHOST


@pytest.mark.row("6.2/27")
def test_6_2_27_two_mains_in_one_history(lab: Lab) -> None:
    main, one, two = lab.cluster("SYNC", "SYNC").all
    main.query("CREATE (:V {id: 1})")
    assert one.nodes() == two.nodes() == main.nodes()
    main.drop("replica_1")
    main.drop("replica_2")
    one.promote()
    follow(one, two, "replica_2")
    main.query("CREATE (:V {id: 2})")
    one.query("CREATE (:V {id: 3})")
    assert two.nodes() == one.nodes() == [(["V"], {"id": 1}), (["V"], {"id": 3})]
    one.demote()
    refused(main, one, "replica_1")
    main.query("CREATE (:V {id: 4})")
    assert one.nodes() == [(["V"], {"id": 1}), (["V"], {"id": 3})]


@RECOVERY
@pytest.mark.row("6.2/38")
def test_6_2_38_replica_missed_a_commit_and_an_epoch(lab: Lab, data_recovery: str) -> None:
    old, one, two = cluster = lab.cluster("SYNC", "SYNC", flags=(f"--data-recovery-on-startup={data_recovery}",)).all
    old.query("CREATE (:Epoch1 {prop: 1})")
    assert one.count() == two.count() == 1
    one.kill()
    assert SYNC_DOWN in (old.refusal("CREATE (:Epoch1 {prop: 2})").message or "")
    assert two.count() == 2
    old.kill()
    two.promote()
    two.query("CREATE (:Epoch2 {prop: 3})")
    one.start()
    follow(two, one, "one")
    assert one.count() == 3
    old.start()
    assert old.role() == "main"
    follow(two, old, "old")
    assert old.nodes() == one.nodes() == two.nodes()
    two.query("CREATE (:Epoch2 {prop: 4})")
    assert [instance.count() for instance in cluster] == [4, 4, 4]


@RECOVERY
@pytest.mark.row("6.2/39")
def test_6_2_39_replica_missed_two_epochs(lab: Lab, data_recovery: str) -> None:
    flags = (f"--data-recovery-on-startup={data_recovery}",)
    three, one, two, four = cluster = lab.cluster("SYNC", "SYNC", "SYNC", flags=flags).all
    three.query("CREATE (:Epoch1 {prop: 1})")
    three.query("CREATE (:Epoch1 {prop: 2})")
    assert one.count() == two.count() == four.count() == 2
    two.kill()
    assert SYNC_DOWN in (three.refusal("CREATE (:Epoch1 {prop: 3})").message or "")
    assert one.count() == four.count() == 3
    three.kill()
    one.promote()
    follow(one, four, "four")
    one.query("CREATE (:Epoch2 {prop: 1})")
    assert four.count() == 4
    one.kill()
    four.promote()
    four.query("CREATE (:Epoch3 {prop: 1})")
    two.start()
    follow(four, two, "two")
    assert two.count() == 5
    for name, instance in (("one", one), ("three", three)):
        instance.start()
        follow(four, instance, name)
    assert one.nodes() == two.nodes() == three.nodes() == four.nodes()
    four.query("CREATE (:Epoch3 {prop: 2})")
    assert [instance.count() for instance in cluster] == [6, 6, 6, 6]


@pytest.mark.row("6.2/40")
def test_6_2_40_stale_instance_is_promoted(lab: Lab) -> None:
    """Coordinators force the others back; community has none, and refuses them for ever."""
    three, one, two, four = lab.cluster("SYNC", "SYNC", "SYNC").all
    three.query("CREATE (:Epoch1 {prop: 1})")
    three.query("CREATE (:Epoch1 {prop: 2})")
    one.kill()
    three.kill()
    two.promote()
    follow(two, four, "four")
    two.query("CREATE (:Epoch2 {prop: 1})")
    assert two.count() == four.count() == 3
    two.kill()
    four.kill()
    one.start()
    one.promote()
    for name, instance in (("two", two), ("four", four)):
        instance.start()
        refused(one, instance, name)
    one.query("CREATE (:Epoch3 {prop: 1})")
    assert one.count() == 3
    assert set(one.replicas().values()) == {GHOST}
    for instance in (two, four):
        assert (["Epoch2"], {"prop": 1}) in instance.nodes()
        assert (["Epoch3"], {"prop": 1}) not in instance.nodes()


@pytest.mark.row("6.2/41")
@pytest.mark.parametrize("modes", [("SYNC", "SYNC"), ("SYNC", "ASYNC"), ("STRICT_SYNC", "STRICT_SYNC")], ids=":".join)
def test_6_2_41_old_main_with_commits_of_its_own(lab: Lab, modes: tuple[str, str]) -> None:
    old, new, other = lab.cluster(*modes).all
    strict = modes[0] == "STRICT_SYNC"
    old.query("CREATE ()")
    settles(lambda: {seen[1:] for seen in old.replicas().values()}, {(2, 0, "ready")})
    new.kill()
    other.kill()
    for _ in range(2):
        old.refusal("CREATE ()")
    assert old.count() == (1 if strict else 3)
    old.kill()
    new.start()
    new.promote()
    old.start()
    if strict:
        follow(new, old, "old")
        assert new.replicas()["old"] == Seen("sync", 2, 0, "ready"), "never behind for ever, never ahead"
    else:
        refused(new, old, "old")
    assert new.count() == 1


@pytest.mark.row("6.2/42")
def test_6_2_42_restarted_main_is_writable_at_once(lab: Lab) -> None:
    main, replica = lab.cluster("SYNC").all
    main.query("CREATE (:Before)")
    main.restart()
    main.query("CREATE (:After)")
    assert main.role() == "main"
    assert replica.nodes() == main.nodes() == [(["After"], {}), (["Before"], {})]


@pytest.mark.row("6.2/43")
def test_6_2_43_demote_and_promote_with_one_down(lab: Lab) -> None:
    three, one, two = lab.cluster("SYNC", "SYNC").all
    three.query("CREATE (:Before)")
    two.kill()
    three.demote()
    one.promote()
    follow(one, three, "three")
    assert (one.role(), three.role()) == ("main", "replica")
    one.query("CREATE (:After)")
    assert three.nodes() == one.nodes() == [(["After"], {}), (["Before"], {})]
    assert "Write queries are forbidden on the replica instance." in (three.refusal("CREATE ()").message or "")
    two.start()
    follow(one, two, "two")
    assert two.nodes() == one.nodes()
