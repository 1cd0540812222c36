"""CREATE SNAPSHOT, SHOW SNAPSHOTS and STORAGE MODE."""

from __future__ import annotations

import pytest
from virtual_memgraph import World, main_and_replica

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.compat import COMPAT
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.query.interpreter import Interpreter


@pytest.fixture
def world() -> World:
    """A main and its replica."""
    return main_and_replica()


def refusal(world: World, name: str, query: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        world.query(name, query)
    return caught.value


def test_a_snapshot_tells_the_position_of_a_replica(world: World) -> None:
    """No other query does: its own last durable timestamp."""
    world.query("a", "CREATE (:T)")
    ldt = world.instances["a"].ldt
    assert world.query("b", "SHOW SNAPSHOTS") == []
    assert world.query("b", "CREATE SNAPSHOT") == [[f"snapshots/{ldt:020}.snapshot"]]
    assert world.query("b", "CREATE SNAPSHOT") == [[f"snapshots/{ldt:020}.snapshot"]], "a second one is no error"
    assert [row[1] for row in world.query("b", "SHOW SNAPSHOTS")] == [ldt]
    world.query("a", "CREATE (:T)")
    world.query("b", "CREATE SNAPSHOT")
    assert [row[1] for row in world.query("b", "SHOW SNAPSHOTS")] == [ldt, world.instances["a"].ldt]


def test_old_replicas_take_none() -> None:
    world = World()
    world.start("a", compat=COMPAT["3.6"])
    world.query("a", "CREATE SNAPSHOT")
    world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    error = refusal(world, "a", "CREATE SNAPSHOT")
    assert (error.message, error.code) == (errors.NO_REPLICA_SNAPSHOT, errors.TRANSIENT)


@pytest.mark.parametrize("query", ["CREATE SNAPSHOT", "SHOW SNAPSHOTS", "STORAGE MODE IN_MEMORY_ANALYTICAL"])
def test_not_inside_a_transaction(world: World, query: str) -> None:
    session = Interpreter(world.instances["a"])
    world.do("a", session.begin())
    with pytest.raises(QueryError, match="not allowed in multicommand transactions"):
        world.do("a", session.prepare(query, {}))


def test_analytical_mode_replicates_nothing_and_says_nothing(world: World) -> None:
    """P-S1 asks for the mode: SHOW REPLICAS shows an empty map, which looks like a ghost."""
    world.query("a", "CREATE (:T {id: 1})")
    world.query("a", "STORAGE MODE IN_MEMORY_ANALYTICAL")
    info = dict(map(tuple, world.query("a", "SHOW STORAGE INFO ON CURRENT DATABASE")))
    assert info["storage_mode"] == "IN_MEMORY_ANALYTICAL"
    world.query("a", "CREATE (:T {id: 2})")
    assert world.query("a", "SHOW REPLICAS") == [["b", "b:10000", "sync", None, {}]]
    for query in ("DROP REPLICA b", "SET REPLICATION ROLE TO REPLICA WITH PORT 1", "REGISTER REPLICA c ASYNC TO 'c'"):
        assert refusal(world, "a", query).message == errors.ANALYTICAL
    assert world.query("b", "MATCH (n:T) RETURN count(n)") == [[1]]
    world.kill("a")
    world.start("a")
    assert world.query("a", "MATCH (n:T) RETURN count(n)") == [[1]], "what was written in it was never logged"


def test_back_to_transactional_mode_a_snapshot_carries_what_was_written(world: World) -> None:
    world.query("a", "STORAGE MODE IN_MEMORY_ANALYTICAL")
    world.query("a", "CREATE (:T {id: 1})")
    world.query("a", "STORAGE MODE IN_MEMORY_TRANSACTIONAL")
    world.kill("a")
    world.start("a")
    assert world.query("a", "MATCH (n:T) RETURN n.id") == [[1]]


def test_constraints_and_open_transactions_stand_against_it(world: World) -> None:
    world.query("a", "CREATE CONSTRAINT ON (n:T) ASSERT EXISTS (n.id)")
    error = refusal(world, "a", "STORAGE MODE IN_MEMORY_ANALYTICAL")
    assert (error.message, error.code) == (errors.CONSTRAINTS_IN_ANALYTICAL, errors.TRANSIENT)
    world.query("a", "DROP CONSTRAINT ON (n:T) ASSERT EXISTS (n.id)")
    reader = Interpreter(world.instances["a"])
    world.do("a", reader.begin(read_only=True))
    waiting = world.begin_query("a", "STORAGE MODE IN_MEMORY_ANALYTICAL")
    world.advance(5)
    assert not waiting.done
    reader.abort()
    world.query("a", "RETURN 1")
    assert waiting.done


def test_other_modes_are_unknown(world: World) -> None:
    assert (
        "mismatched input 'ON_DISK_TRANSACTIONAL'" in refusal(world, "a", "STORAGE MODE ON_DISK_TRANSACTIONAL").message
    )
