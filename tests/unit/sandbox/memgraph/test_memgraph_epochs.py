"""Divergence (M-3.4): the rule itself, and that it never accuses an instance that only ever followed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_memgraph import World

from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage.epochs import Epochs, Verdict


@pytest.mark.parametrize(
    ("epoch", "ldt", "verdict"),
    [
        ("E2", 9, Verdict.READY),
        ("E2", 7, Verdict.BEHIND),
        ("E2", 11, Verdict.READY),
        ("E1", 5, Verdict.BEHIND),
        ("E1", 3, Verdict.BEHIND),
        ("E1", 6, Verdict.DIVERGED),
        ("E9", 1, Verdict.DIVERGED),
        ("E9", 0, Verdict.BEHIND),
    ],
)
def test_judgement(epoch: str, ldt: int, verdict: Verdict) -> None:
    """The main is in E2 at 9; E1 ended at 5."""
    assert Epochs("E2", [("E0", 2), ("E1", 5)]).judge(9, epoch, ldt) is verdict


def test_a_promotion_without_a_commit_is_not_reported_as_an_epoch() -> None:
    epochs = Epochs("E1")
    epochs.promote("E2", 5)
    assert epochs.of(5) == "E1"
    assert epochs.of(6) == "E2"


def test_a_second_replay_mends_the_entry() -> None:
    epochs = Epochs("E1")
    epochs.replayed("E1", 5)
    epochs.replayed("E1", 8)
    assert epochs.history == [("E1", 8)]


def test_stale_entry_is_found_first() -> None:
    epochs = Epochs("E1")
    epochs.replayed("E1", 5)
    epochs.promote("E2", 8)
    assert epochs.history == [("E1", 5), ("E1", 8)]
    assert epochs.judge(8, "E1", 8) is Verdict.DIVERGED


STEPS = st.lists(
    st.sampled_from(["write", "switch to a", "switch to b", "switch to c", "restart laggard"]), max_size=12
)


@given(STEPS)
def test_planned_switches_never_diverge(steps: list[str]) -> None:
    """Whatever the order of writes and planned switches, everybody ends up with everything."""
    world = World()
    for name in "abc":
        world.start(name, stale_history=False)
        world.query(name, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    main, written, generation = "", 0, 0
    for step in ["switch to a", *steps, "switch to b"]:
        if step == "write":
            written += 1
            world.query(main, "CREATE (:T {id: $id})", id=written)
        elif step == "restart laggard":
            name = next(name for name in "cb" if name != main)
            world.kill(name)
            world.start(name, stale_history=False)
            world.query(name, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
            for row in world.query(main, "SHOW REPLICAS"):
                if row[1] == f"{name}:10000":
                    world.query(main, f"DROP REPLICA {row[0]}")
            generation += 1
            world.query(main, f"REGISTER REPLICA r{generation} STRICT_SYNC TO '{name}'")
            world.advance(0.1)
        elif step[-1] != main:
            if main:
                world.query(main, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
            main = step[-1]
            world.query(main, "SET REPLICATION ROLE TO MAIN")
            for name in set("abc") - {main}:
                generation += 1
                world.query(main, f"REGISTER REPLICA r{generation} STRICT_SYNC TO '{name}'")
            world.advance(0.1)
    for name in "abc":
        assert world.query(name, "MATCH (n:T) RETURN count(n)") == [[written]]


@given(st.integers(1, 4), st.integers(1, 4))
def test_two_mains_that_both_wrote_always_diverge(own: int, others: int) -> None:
    world = World()
    for name in "ab":
        world.start(name)
        world.query(name, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "SET REPLICATION ROLE TO MAIN")
    world.query("a", "REGISTER REPLICA b STRICT_SYNC TO 'b'")
    world.query("a", "CREATE (:T)")
    world.query("b", "SET REPLICATION ROLE TO MAIN")
    world.query("a", "DROP REPLICA b")
    for _ in range(own):
        world.query("a", "CREATE (:Own)")
    for _ in range(others):
        world.query("b", "CREATE (:Other)")
    world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    with pytest.raises(QueryError, match="Error: 3"):
        world.query("b", "REGISTER REPLICA a ASYNC TO 'a'")
