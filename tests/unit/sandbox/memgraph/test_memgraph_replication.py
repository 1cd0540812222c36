"""Replication between simulated instances, under virtual time: what M-2.4, 2.5, 3.2 to 3.6 say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from virtual_memgraph import World, refusal

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Role
from sandbox.memgraph.core.messages import Finalize, Loss, Lost, Prepare, Request
from sandbox.memgraph.core.query.interpreter import Interpreter


def register(world: World, main: str, replica: str, mode: str) -> None:
    world.query(main, f"REGISTER REPLICA {replica} {mode} TO '{replica}:10000'")
    world.advance(0.1)


def shown(world: World, main: str) -> dict[str, Any]:
    return {row[0]: row[4].get("memgraph", {}) for row in world.query(main, "SHOW REPLICAS")}


def ids(world: World, name: str) -> list[int]:
    return [row[0] for row in world.query(name, "MATCH (n:T) RETURN n.id ORDER BY n.id")]


def lose(kind: type[Request], to: str, *, timed_out: bool = False) -> Callable[[str, str, Request], Lost | None]:
    return lambda _, target, request: (
        Lost(Loss.TIMEOUT if timed_out else Loss.UNREACHABLE) if isinstance(request, kind) and target == to else None
    )


def test_first_write_has_timestamp_two_and_a_read_shifts_the_next(world: World) -> None:
    fresh = World()
    fresh.start("x")
    fresh.query("x", "CREATE (:T)")
    assert fresh.instances["x"].ldt == 2
    fresh.query("x", "MATCH (n) RETURN n")
    fresh.query("x", "CREATE (:T)")
    assert fresh.instances["x"].ldt == 5


def test_writes_reach_every_mode(world: World) -> None:
    register(world, "a", "b", "STRICT_SYNC")
    register(world, "a", "c", "ASYNC")
    world.query("a", "CREATE (:T {id: 1})")
    assert ids(world, "b") == [1], "a strict replica has it when the client is told"
    world.advance(0.1)
    assert ids(world, "c") == [1]
    assert all(info["status"] == "ready" and info["behind"] == 0 for info in shown(world, "a").values())


def test_strict_replica_down_aborts_everywhere(world: World) -> None:
    register(world, "a", "b", "STRICT_SYNC")
    register(world, "a", "c", "STRICT_SYNC")
    world.kill("c")
    world.advance(1.5)  # a ping has found out
    message = refusal(world, "a", "CREATE (:T {id: 1})")
    assert message == (
        "Replication Exception: Failed to replicate to STRICT_SYNC replica 'c': replica is not reachable or not in "
        "sync with the main. Replica will be recovered automatically. Transaction was aborted on all instances. Check "
        "the status of the replicas using 'SHOW REPLICAS' query."
    )
    assert ids(world, "a") == ids(world, "b") == []
    assert world.instances["b"].prepared is None, "its vote was withdrawn"
    assert world.instances["a"].ldt == 0


def test_both_strict_replicas_down_are_named(world: World) -> None:
    register(world, "a", "b", "STRICT_SYNC")
    register(world, "a", "c", "STRICT_SYNC")
    world.kill("b")
    world.kill("c")
    world.advance(1.5)
    assert "STRICT_SYNC replicas 'b' and 'c': replicas are not reachable" in refusal(world, "a", "CREATE (:T)")


def test_strict_replica_back_up_works_again(world: World) -> None:
    register(world, "a", "b", "STRICT_SYNC")
    world.intercept = lose(Prepare, "b")
    refusal(world, "a", "CREATE (:T {id: 1})")
    world.intercept = lambda *_: None
    world.advance(1.5)
    world.query("a", "CREATE (:T {id: 2})")
    assert ids(world, "a") == ids(world, "b") == [2]


def test_hung_strict_replica_costs_thirty_seconds_and_locks_the_role(world: World) -> None:
    register(world, "a", "b", "STRICT_SYNC")
    world.intercept = lose(Prepare, "b", timed_out=True)
    interpreter = Interpreter(world.instances["a"])
    result = world.do("a", interpreter.prepare("CREATE (:T)", {}))
    before = world.now
    pending = world.begin("a", interpreter.pull(result, -1))
    world.advance(1)
    assert refusal(world, "a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000") == errors.CANNOT_DEMOTE
    assert refusal(world, "a", "DROP REPLICA b") == errors.DROP_LOCKED
    assert refusal(world, "a", "REGISTER REPLICA c ASYNC TO 'c'") == "Couldn't register replica c. Error: 6"
    while not pending.done:
        world.advance(1)
    assert 30 <= world.now - before < 32
    assert pending.error is not None
    assert "RPC timeout while replicating. Replica" in pending.error.message


def test_sync_failure_is_an_error_but_committed(world: World) -> None:
    register(world, "a", "b", "SYNC")
    register(world, "a", "c", "SYNC")
    world.kill("c")
    assert "Transaction is still committed on the main" in refusal(world, "a", "CREATE (:T {id: 1})")
    assert ids(world, "a") == ids(world, "b") == [1]


def test_lost_finalize_is_not_reported_and_leaves_ready_but_behind(world: World) -> None:
    """The sign that P-S4 looks for."""
    register(world, "a", "b", "STRICT_SYNC")
    world.intercept = lose(Finalize, "b")
    world.query("a", "CREATE (:T {id: 1})")
    world.intercept = lambda *_: None
    world.advance(10)
    info = shown(world, "a")["b"]
    assert info["status"] == "ready"
    assert info["behind"] < 0
    assert ids(world, "b") == []
    refusal(world, "a", "CREATE (:T {id: 2})")
    world.advance(2)
    world.query("a", "CREATE (:T {id: 3})")
    assert ids(world, "b") == [1, 3], "the next write finds the gap, and recovery closes it"


def test_prepared_transaction_is_aborted_by_promotion(world: World) -> None:
    register(world, "a", "b", "STRICT_SYNC")
    world.intercept = lose(Finalize, "b")
    world.query("a", "CREATE (:T {id: 1})")
    world.intercept = lambda *_: None
    assert world.instances["b"].prepared is not None
    world.query("b", "SET REPLICATION ROLE TO MAIN")
    assert world.instances["b"].prepared is None
    assert ids(world, "b") == []


def test_async_never_delays_and_catches_up(world: World) -> None:
    register(world, "a", "c", "ASYNC")
    world.intercept = lose(Prepare, "c", timed_out=True)
    before = world.now
    for number in range(3):
        world.query("a", "CREATE (:T {id: $id})", id=number)
    assert world.now == before
    assert shown(world, "a")["c"]["status"] == "invalid", "it missed one"
    world.intercept = lambda *_: None
    world.advance(3)
    assert ids(world, "c") == [0, 1, 2]
    assert shown(world, "a")["c"] == {"ts": world.instances["a"].ldt, "behind": 0, "status": "ready"}


def test_three_strikes_make_a_replica_invalid(world: World) -> None:
    register(world, "a", "b", "ASYNC")
    world.kill("b")
    world.advance(2.5)
    assert shown(world, "a")["b"]["status"] == "ready"
    world.advance(1)
    assert shown(world, "a")["b"]["status"] == "invalid"


def test_restarted_replica_refuses_the_main_until_registered_again(world: World) -> None:
    """P-N2: without restored state it has another main UUID."""
    register(world, "a", "b", "ASYNC")
    world.kill("b")
    world.start("b")
    world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "CREATE (:T {id: 1})")
    world.advance(5)
    assert shown(world, "a")["b"]["status"] == "invalid"
    world.query("a", "DROP REPLICA b")
    register(world, "a", "b", "STRICT_SYNC")
    assert ids(world, "b") == [1]


def test_takeover_fences_the_old_main(world: World) -> None:
    register(world, "a", "b", "STRICT_SYNC")
    register(world, "a", "c", "STRICT_SYNC")
    world.query("a", "CREATE (:T {id: 1})")
    world.query("b", "SET REPLICATION ROLE TO MAIN")
    world.query("b", "CREATE (:T {id: 2})")
    register(world, "b", "c", "STRICT_SYNC")
    assert "aborted on all instances" in refusal(world, "a", "CREATE (:T {id: 3})")
    world.advance(5)
    assert shown(world, "a")["c"]["status"] == "invalid"
    assert ids(world, "c") == [1, 2]


def test_registration_deletes_nothing_but_demotion_does(world: World) -> None:
    register(world, "a", "b", "ASYNC")
    world.query("a", "CREATE (:T {id: 1})")
    world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    assert world.instances["a"].replicas == {}
    assert ids(world, "a") == [1], "data stays"
    assert refusal(world, "a", "SHOW REPLICAS") == errors.SHOW_REPLICAS_ON_REPLICA


def test_planned_switch_loses_nothing_and_is_no_divergence(world: World) -> None:
    register(world, "a", "b", "STRICT_SYNC")
    world.query("a", "CREATE (:T {id: 1})")
    world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("b", "SET REPLICATION ROLE TO MAIN")
    world.query("b", "CREATE (:T {id: 2})")
    register(world, "b", "a", "STRICT_SYNC")
    assert ids(world, "a") == [1, 2]


def test_two_failovers_behind_still_recovers(world: World) -> None:
    register(world, "a", "b", "STRICT_SYNC")
    register(world, "a", "c", "ASYNC")
    world.query("a", "CREATE (:T {id: 1})")
    world.advance(0.1)
    world.kill("c")
    world.query("a", "CREATE (:T {id: 2})")
    world.query("b", "SET REPLICATION ROLE TO MAIN")
    world.query("b", "CREATE (:T {id: 3})")
    world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("b", "SET REPLICATION ROLE TO MAIN")
    world.query("b", "CREATE (:T {id: 4})")
    world.start("c")
    world.query("c", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    register(world, "b", "c", "STRICT_SYNC")
    assert ids(world, "c") == [1, 2, 3, 4]


def test_main_with_a_commit_of_its_own_becomes_a_ghost(world: World) -> None:
    register(world, "a", "b", "STRICT_SYNC")
    world.query("a", "CREATE (:T {id: 1})")
    world.query("a", "DROP REPLICA b")
    world.query("a", "CREATE (:T {id: 2})")
    world.query("b", "SET REPLICATION ROLE TO MAIN")
    world.query("b", "CREATE (:T {id: 3})")
    world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    register_a = "REGISTER REPLICA a STRICT_SYNC TO 'a:10000'"
    assert refusal(world, "b", register_a) == "Couldn't register replica a. Error: 3"
    assert world.query("b", "SHOW REPLICAS") == [["a", "a:10000", "strict_sync", None, {}]]
    assert refusal(world, "b", register_a) == "Couldn't register replica a. Error: 1"
    assert "Error: 2" in refusal(world, "b", "REGISTER REPLICA other ASYNC TO 'a:10000'")
    world.query("b", "CREATE (:T {id: 4})")
    world.advance(5)
    assert ids(world, "a") == [1, 2], "a ghost gets nothing and holds nothing up"


def test_registering_a_main_or_nobody_is_error_five_and_a_ghost(world: World) -> None:
    world.query("b", "SET REPLICATION ROLE TO MAIN")
    for name in "bx":
        assert "Error: 5" in refusal(world, "a", f"REGISTER REPLICA {name} SYNC TO '{name}:10000'")
    assert shown(world, "a") == {"b": {}, "x": {}}
    world.query("a", "CREATE (:T)")
    world.query("a", "DROP REPLICA x")
    assert list(shown(world, "a")) == ["b"]


def test_black_holed_registration_holds_up_commits_and_shows(world: World) -> None:
    world.intercept = lambda source, target, request: Lost(Loss.TIMEOUT) if target == "b" else None
    pending = Interpreter(world.instances["a"])
    result = world.do("a", pending.prepare("REGISTER REPLICA b SYNC TO 'b'", {}))
    registering = world.begin("a", pending.pull(result, -1))
    before = world.now
    world.query("a", "CREATE (:T)")
    assert world.now - before >= 10
    assert registering.error is not None


def test_commit_after_demotion_is_refused(world: World) -> None:
    interpreter = Interpreter(world.instances["a"])
    world.do("a", interpreter.begin())
    world.do("a", interpreter.pull(world.do("a", interpreter.prepare("CREATE (:T)", {})), -1))
    world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    with pytest.raises(QueryError, match=r"^Cannot commit because instance is not main anymore\.$"):
        world.do("a", interpreter.commit())
    assert ids(world, "a") == []


def test_main_restarts_with_its_data_and_its_epoch(world: World) -> None:
    world.query("a", "CREATE (:T {id: 1})")
    before = world.instances["a"]
    world.kill("a")
    after = world.start("a")
    assert (after.ldt, after.epochs.current, after.database_uuid) == (
        before.ldt,
        before.epochs.current,
        before.database_uuid,
    )
    assert ids(world, "a") == [1]
    assert after.role is Role.MAIN


def test_epoch_without_a_commit_is_forgotten(world: World) -> None:
    """M-6.3/F8."""
    register(world, "a", "b", "STRICT_SYNC")
    world.query("a", "CREATE (:T {id: 1})")
    old = world.instances["b"].epochs.current
    world.query("b", "SET REPLICATION ROLE TO MAIN")
    assert world.instances["b"].epochs.current != old
    world.kill("b")
    assert world.start("b").epochs.current == old


@pytest.mark.parametrize("stale", [True, False])
def test_false_divergence_after_a_restart_within_an_epoch(stale: bool) -> None:
    """M-6.3/F7: equal data, yet Error 3 (O-F43)."""
    world = World()
    for name in "abc":
        world.start(name, stale_history=stale)
        world.query(name, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "SET REPLICATION ROLE TO MAIN")
    register(world, "a", "b", "STRICT_SYNC")
    register(world, "a", "c", "SYNC")
    world.query("a", "DROP REPLICA c")
    register(world, "a", "c", "STRICT_SYNC")
    world.query("a", "CREATE (:T {id: 1})")
    world.kill("b")
    world.start("b", stale_history=stale)
    world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "DROP REPLICA b")
    register(world, "a", "b", "STRICT_SYNC")
    world.query("a", "CREATE (:T {id: 2})")
    world.query("b", "SET REPLICATION ROLE TO MAIN")
    assert ids(world, "b") == ids(world, "c")
    if stale:
        assert "Error: 3" in refusal(world, "b", "REGISTER REPLICA c ASYNC TO 'c'")
    else:
        register(world, "b", "c", "ASYNC")
        assert shown(world, "b")["c"]["status"] == "ready"


def test_promoting_a_main_and_demoting_a_replica_fail(world: World) -> None:
    assert refusal(world, "a", "SET REPLICATION ROLE TO MAIN") == errors.CANNOT_PROMOTE
    assert refusal(world, "b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000") == errors.CANNOT_DEMOTE
    assert refusal(world, "b", "REGISTER REPLICA c ASYNC TO 'c'") == errors.REGISTER_ON_REPLICA
    assert refusal(world, "b", "DROP REPLICA c") == errors.DROP_ON_REPLICA
    assert refusal(world, "a", "DROP REPLICA c") == "Failed to unregister the replica c."
    assert refusal(world, "b", "CREATE (:T)") == errors.WRITE_ON_REPLICA
    assert refusal(world, "b", "CREATE INDEX ON :T") == errors.WRITE_ON_REPLICA
    assert refusal(world, "b", "CREATE USER x IDENTIFIED BY 'y'") == errors.USERS_ON_REPLICA


def test_busy_lock_knob_fails_so_many_calls(world: World) -> None:
    world.instances["a"].busy_calls = 2
    assert refusal(world, "a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000") == errors.CANNOT_DEMOTE
    assert "Error: 6" in refusal(world, "a", "REGISTER REPLICA b ASYNC TO 'b'")
    register(world, "a", "b", "ASYNC")
    assert shown(world, "a")["b"]["status"] == "ready"


def test_index_changes_are_replicated_commits(world: World) -> None:
    register(world, "a", "b", "STRICT_SYNC")
    world.query("a", "CREATE INDEX ON :__memgraph_ha_7")
    world.query("a", "CREATE INDEX ON :T(id)")
    assert world.query("b", "SHOW INDEX INFO") == [
        ["label", "__memgraph_ha_7", None, 0],
        ["label+property", "T", ["id"], 0],
    ]
    world.query("a", "DROP INDEX ON :__memgraph_ha_7")
    assert len(world.query("b", "SHOW INDEX INFO")) == 1
    position = world.instances["a"].ldt
    world.query("a", "CREATE INDEX ON :T(id)")
    assert world.instances["a"].ldt == position, "an index that exists is no commit"


def test_index_waits_a_second_for_writers_and_gives_up(world: World) -> None:
    writer = Interpreter(world.instances["a"])
    world.do("a", writer.begin())
    with pytest.raises(QueryError) as caught:
        world.query("a", "CREATE INDEX ON :T")
    assert caught.value.code == errors.TRANSIENT
    writer.abort()
    world.query("a", "CREATE INDEX ON :T")
