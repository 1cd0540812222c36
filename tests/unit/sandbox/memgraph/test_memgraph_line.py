"""The one line to a replica, and the states nobody expects: what Memgraph's source says beyond M-2.5 and M-3.6."""

from __future__ import annotations

from typing import Any

import pytest
from virtual_memgraph import BROKEN, TIMEOUT, World, refusal

from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Settings, Status
from sandbox.memgraph.core.messages import Finalize, Heartbeat, Lost, Ping, Prepare, Request
from sandbox.memgraph.core.query.interpreter import Interpreter
from sandbox.memgraph.core.storage.durability import Limits


def register(world: World, replica: str, mode: str) -> None:
    world.query("a", f"REGISTER REPLICA {replica} {mode} TO '{replica}:10000'")
    world.advance(0.1)


def shown(world: World, name: str) -> dict[str, Any]:
    info: dict[str, Any] = next(row[4] for row in world.query("a", "SHOW REPLICAS") if row[0] == name)
    inner: dict[str, Any] = info.get("memgraph", {})
    return inner


def ids(world: World, name: str) -> list[int]:
    return [row[0] for row in world.query(name, "MATCH (n:T) RETURN n.id ORDER BY n.id")]


def test_replica_that_restarted_unnoticed_fails_one_commit(world: World) -> None:
    """Its old connection is dead, and only using it tells."""
    register(world, "b", "STRICT_SYNC")
    world.kill("b")
    world.start("b", restore=True)
    assert "RPC communication error" in refusal(world, "a", "CREATE (:T {id: 1})")
    assert shown(world, "b")["status"] == "invalid"
    world.advance(2)
    world.query("a", "CREATE (:T {id: 2})")
    assert ids(world, "a") == ids(world, "b") == [2]


def test_aborted_two_phase_commit_leaves_an_async_replica_replicating(world: World) -> None:
    """Nobody corrects it, so the next commit misses that replica, and the heartbeat after it brings it back."""
    register(world, "b", "STRICT_SYNC")
    register(world, "c", "ASYNC")
    world.intercept = lambda _, target, request: BROKEN if target == "b" and isinstance(request, Prepare) else None
    refusal(world, "a", "CREATE (:T {id: 1})")
    world.intercept = lambda *_: None
    assert shown(world, "c")["status"] == "replicating"
    world.advance(5)
    assert shown(world, "c") == {"ts": 0, "behind": 0, "status": "replicating"}
    world.query("a", "CREATE (:T {id: 2})")
    assert shown(world, "c")["status"] == "invalid"
    world.advance(2)
    assert shown(world, "c")["status"] == "ready"
    assert ids(world, "c") == [2]


def test_a_failed_strict_replica_does_not_spare_the_others_the_vote(world: World) -> None:
    """M-6.2/35: the other one has prepared."""
    register(world, "b", "STRICT_SYNC")
    register(world, "c", "STRICT_SYNC")
    asked: list[tuple[str, str]] = []

    def watch(_: str, target: str, request: Request) -> Lost | None:
        asked.append((target, request.KIND))
        return BROKEN if target == "b" and isinstance(request, Prepare) else None

    world.intercept = watch
    refusal(world, "a", "CREATE (:T {id: 1})")
    assert ("c", "prepare") in asked
    assert asked.index(("c", "finalize")) > asked.index(("c", "prepare"))
    assert world.instances["c"].prepared is None
    assert ids(world, "c") == []


def test_lost_finalize_is_noted_and_shows_as_ready_but_behind(world: World) -> None:
    """P-S4's sign, for as long as the main is idle."""
    register(world, "b", "STRICT_SYNC")
    world.intercept_answer = lambda _, __, request: BROKEN if isinstance(request, Prepare) else None
    refusal(world, "a", "CREATE (:T {id: 0})")
    world.intercept_answer = lambda *_: None
    world.advance(2)
    world.intercept = lambda _, __, request: TIMEOUT if isinstance(request, Finalize) else None
    world.query("a", "CREATE (:T {id: 1})")
    world.intercept = lambda *_: None
    assert ("a", "FinalizeLost", {"replica": "b", "ts": world.instances["a"].ldt}) in world.notes
    world.advance(600)
    info = shown(world, "b")
    assert (info["status"], info["behind"] < 0) == ("ready", True)
    assert world.instances["b"].prepared is not None, "it still waits for the decision"
    assert ids(world, "b") == []


def test_finalize_that_was_executed_but_not_answered_heals_at_the_next_commit(world: World) -> None:
    register(world, "b", "STRICT_SYNC")
    world.intercept_answer = lambda _, __, request: BROKEN if isinstance(request, Finalize) else None
    world.query("a", "CREATE (:T {id: 1})")
    world.intercept_answer = lambda *_: None
    assert shown(world, "b")["behind"] < 0
    assert ids(world, "b") == [1]
    world.query("a", "CREATE (:T {id: 2})")
    assert shown(world, "b") == {"ts": world.instances["a"].ldt, "behind": 0, "status": "ready"}


def test_finalize_without_a_prepared_transaction_is_answered_yes(world: World) -> None:
    """The silent loss: the main believes that its replica has the commit. The next commit finds out."""
    register(world, "b", "STRICT_SYNC")

    def forget(_: str, target: str, request: Request) -> None:
        if isinstance(request, Finalize):
            world.instances[target].prepared = None  # as a restart between the phases does

    world.intercept = forget
    world.query("a", "CREATE (:T {id: 1})")
    world.intercept = lambda *_: None
    assert shown(world, "b") == {"ts": world.instances["a"].ldt, "behind": 0, "status": "ready"}
    assert ids(world, "b") == []
    assert [event for _, event, _ in world.notes].count("FinalizeWithoutPrepare") == 1
    assert "RPC communication error" in refusal(world, "a", "CREATE (:T {id: 2})")
    world.advance(2)
    world.query("a", "CREATE (:T {id: 3})")
    assert ids(world, "b") == [1, 3]


def test_ping_waits_for_a_commit_that_hangs(world: World) -> None:
    """So three strikes can't come together while a commit holds the line."""
    register(world, "b", "STRICT_SYNC")
    world.freeze("b")
    pending = world.begin_query("a", "CREATE (:T {id: 1})")
    world.advance(20)
    assert not pending.done
    assert world.instances["a"].replicas["b"].failures == 0
    world.thaw("b")
    world.advance(1)
    assert pending.done
    assert pending.error is None
    assert ids(world, "b") == [1]


def test_frozen_replica_executes_what_its_sockets_hold_when_it_goes_on(world: World) -> None:
    """Also what its main has given up on: the vote is withdrawn by the next commit only."""
    register(world, "b", "STRICT_SYNC")
    world.freeze("b")
    assert "RPC timeout" in refusal(world, "a", "CREATE (:T {id: 1})")
    assert world.instances["b"].prepared is None
    world.thaw("b")
    world.advance(0.01)
    assert world.instances["b"].prepared is not None
    assert ids(world, "a") == ids(world, "b") == []
    world.advance(3)
    world.query("a", "CREATE (:T {id: 2})")
    assert ids(world, "b") == [2]


def test_three_strikes_count_in_every_state(world: World) -> None:
    register(world, "b", "ASYNC")
    main = world.instances["a"]
    main.epochs.current, main.epochs.history = "other", []
    world.query("a", "CREATE (:T)")
    world.query("a", "CREATE (:T)")
    world.instances["b"].epochs.current = "alien"
    world.instances["b"].ldt += 50
    world.intercept = lambda _, __, request: BROKEN if isinstance(request, Ping) else None
    world.advance(3.5)
    world.intercept = lambda *_: None
    world.advance(1.5)
    assert shown(world, "b")["status"] == "diverged"
    world.intercept = lambda _, __, request: BROKEN if isinstance(request, Ping) else None
    world.advance(3.1)
    assert shown(world, "b")["status"] == "invalid"


def test_diverged_replica_keeps_its_shown_position(world: World) -> None:
    register(world, "b", "ASYNC")
    world.query("a", "CREATE (:T)")
    world.advance(0.1)
    before = shown(world, "b")["ts"]
    world.instances["b"].epochs.current = "alien"
    world.instances["b"].ldt += 50
    world.instances["a"].replicas["b"].status = Status.INVALID
    world.advance(1.5)
    assert shown(world, "b") == {"ts": before, "behind": 0, "status": "diverged"}


def test_replica_with_another_database_is_registered_and_stays_invalid(world: World) -> None:
    """Not diverged, not refused: its database simply isn't the main's (an empty one would have taken it over)."""
    world.query("b", "SET REPLICATION ROLE TO MAIN")
    world.query("b", "CREATE (:Foreign)")
    world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "CREATE (:T {id: 1})")
    register(world, "b", "ASYNC")
    world.advance(5)
    assert shown(world, "b")["status"] == "invalid"
    assert ids(world, "b") == []


def test_mixed_sync_replica_is_believed_up_to_date_and_gets_nothing(world: World) -> None:
    """SYNC beside STRICT_SYNC: an invalid mix that REGISTER doesn't refuse (M-2.5)."""
    register(world, "b", "STRICT_SYNC")
    register(world, "c", "SYNC")
    world.query("a", "CREATE (:T {id: 1})")
    assert shown(world, "c") == {"ts": world.instances["a"].ldt, "behind": 0, "status": "replicating"}
    assert ids(world, "c") == []
    assert "aborted on all instances" in refusal(world, "a", "CREATE (:T {id: 2})")


def test_black_holed_async_replica_costs_fifty_milliseconds_once(world: World) -> None:
    register(world, "c", "ASYNC")
    world.freeze("c")
    world.advance(1.05)  # its ping hangs, and holds the line
    before = world.now
    world.query("a", "CREATE (:T {id: 1})")
    assert 0.05 <= world.now - before < 0.06
    world.query("a", "CREATE (:T {id: 2})")
    assert world.now - before < 0.06
    assert shown(world, "c")["status"] == "invalid"


def test_without_wal_nothing_is_shipped_and_nobody_complains(world: World) -> None:
    settings = Settings(files=Limits(wal_enabled=False))
    world.wipe("a")
    world.start("a", settings=settings)
    register(world, "b", "STRICT_SYNC")
    world.query("a", "CREATE (:T {id: 1})")
    assert ids(world, "b") == []
    assert shown(world, "b")["behind"] < 0


def test_refused_heartbeat_changes_nothing(world: World) -> None:
    register(world, "b", "ASYNC")
    world.instances["b"].main_uuid = "somebody else"
    world.query("a", "CREATE (:T)")
    world.advance(5)
    before = shown(world, "b")
    assert before["status"] == "invalid"
    asked: list[Request] = []
    world.intercept = lambda _, __, request: asked.append(request)
    world.advance(5)
    assert any(isinstance(request, Heartbeat) for request in asked)
    assert shown(world, "b") == before


def test_frozen_main_answers_its_clients_when_it_goes_on(world: World) -> None:
    world.freeze("a")
    pending = world.begin_query("a", "CREATE (:T {id: 1})")
    world.advance(60)
    assert not pending.done
    world.thaw("a")
    world.advance(1)
    assert pending.done
    assert ids(world, "a") == [1]


def test_no_transaction_begins_while_a_commit_waits_for_a_replica(world: World) -> None:
    register(world, "b", "STRICT_SYNC")
    world.freeze("b")
    world.begin_query("a", "CREATE (:T {id: 1})")
    world.advance(0.1)
    read = world.begin_query("a", "MATCH (n) RETURN count(n)")
    world.advance(10)
    assert not read.done, "not even a read"
    assert world.query("a", "SHOW REPLICATION ROLE") == [["main"]]
    assert shown(world, "b")["status"] == "replicating"
    world.thaw("b")
    world.advance(1)
    assert read.result == [[1]]


def test_show_replicas_waits_while_a_commit_waits_for_the_line(world: World) -> None:
    register(world, "b", "STRICT_SYNC")
    world.freeze("b")
    world.advance(1.05)  # a ping hangs and holds the line
    world.begin_query("a", "CREATE (:T {id: 1})")
    listing = world.begin_query("a", "SHOW REPLICAS")
    world.advance(2)
    assert not listing.done
    world.advance(4)
    assert listing.done, "the ping has timed out"


def test_role_query_answers_late_if_a_commit_began_meanwhile(world: World) -> None:
    """Its own commit takes the role lock once more, and waits."""
    register(world, "b", "STRICT_SYNC")
    world.freeze("b")
    user = Interpreter(world.instances["a"])
    result = world.do("a", user.prepare("CREATE USER x", {}))
    world.begin_query("a", "CREATE (:T {id: 1})")
    world.advance(0.1)
    answer = world.begin("a", user.pull(result, -1))
    world.advance(5)
    assert not answer.done
    assert list(world.instances["a"].users) == ["x"]
    world.thaw("b")
    world.advance(1)
    assert answer.done


def test_index_alone_that_reaches_a_replica_has_a_text_of_its_own(world: World) -> None:
    session = Interpreter(world.instances["a"])
    result = world.do("a", session.prepare("CREATE INDEX ON :T", {}))
    world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    with pytest.raises(QueryError, match=r"^Queries on replica shouldn't write\.$"):
        world.do("a", session.pull(result, -1))
