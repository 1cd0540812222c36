"""Triggers before and after a commit (M-6.2/19), and the statements that Community refuses (M-6.2/25)."""

from __future__ import annotations

from typing import Any

import pytest
from virtual_memgraph import World, main_and_replica, refusal

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.messages import Lost, Prepare
from sandbox.memgraph.core.query.interpreter import Interpreter


@pytest.fixture
def world() -> World:
    """A main with one SYNC replica."""
    return main_and_replica()


def names(world: World, name: str) -> list[Any]:
    world.advance(1)
    return [row[0] for row in world.query(name, "MATCH (n) RETURN n.name ORDER BY n.name")]


def test_before_and_after_commit_reach_the_replica(world: World) -> None:
    world.query("a", "CREATE TRIGGER first ON CREATE BEFORE COMMIT EXECUTE\n  CREATE (:P {name: 'before'}) ;")
    world.query("a", "CREATE TRIGGER second ON () CREATE AFTER COMMIT EXECUTE CREATE (:P {name: $n});", n="after")
    world.query("a", "CREATE (:P {name: 'own'})")
    assert names(world, "a") == names(world, "b") == ["after", "before", "own"]
    assert world.query("a", "SHOW TRIGGERS") == [
        ["first", "CREATE (:P {name: 'before'})", "DEFINER", "CREATE", "BEFORE COMMIT", None],
        ["second", "CREATE (:P {name: $n})", "DEFINER", "() CREATE", "AFTER COMMIT", None],
    ]
    assert world.query("b", "SHOW TRIGGER INFO") == [], "triggers aren't replicated"
    world.query("a", "DROP TRIGGER first")
    world.query("a", "DROP TRIGGER second")
    world.query("a", "CREATE (:P {name: 'alone'})")
    assert names(world, "a") == ["after", "alone", "before", "own"]


@pytest.mark.parametrize("mode", ["SYNC", "STRICT_SYNC"])
def test_with_an_offline_replica(world: World, mode: str) -> None:
    """The client gets an error, and yet with SYNC everything is there, of both triggers; with STRICT_SYNC nothing."""
    world.query("a", "DROP REPLICA b")
    world.query("a", f"REGISTER REPLICA b {mode} TO 'b:10000'")
    world.advance(0.1)
    world.query("a", "CREATE TRIGGER t1 ON CREATE BEFORE COMMIT EXECUTE CREATE (:P {name: 'before'})")
    world.query("a", "CREATE TRIGGER t2 ON CREATE AFTER COMMIT EXECUTE CREATE (:P {name: 'after'})")
    world.intercept = lambda _, target, request: Lost() if isinstance(request, Prepare) else None
    assert "Replication Exception" in refusal(world, "a", "CREATE (:P {name: 'own'})")
    assert names(world, "a") == (["after", "before", "own"] if mode == "SYNC" else [])
    world.intercept = lambda *_: None
    world.advance(5)
    assert names(world, "a") == names(world, "b")


EVENTS = {
    "CREATE": ["CREATE (:X)", "MATCH (a:A), (b:B) CREATE (a)-[:NEW]->(b)"],
    "() CREATE": ["CREATE (:X)"],
    "--> CREATE": ["MATCH (a:A), (b:B) CREATE (a)-[:NEW]->(b)"],
    "() UPDATE": ["MATCH (a:A) SET a.x = 2", "MATCH (a:A) REMOVE a.x", "MATCH (a:A) SET a:C"],
    "--> UPDATE": ["MATCH ()-[r]->() SET r.x = 2"],
    "DELETE": ["MATCH ()-[r]->() DELETE r", "MATCH (a:A) DETACH DELETE a", "MATCH (b:Alone) DELETE b"],
    "() DELETE": ["MATCH (a:A) DETACH DELETE a", "MATCH (b:Alone) DELETE b"],
    "--> DELETE": ["MATCH ()-[r]->() DELETE r", "MATCH (a:A) DETACH DELETE a"],
}
EVENTS["UPDATE"] = EVENTS["() UPDATE"] + EVENTS["--> UPDATE"]
EVENTS["ANY"] = sorted({query for queries in EVENTS.values() for query in queries})
NOTHING = ["MATCH (n) RETURN n", "CREATE (n:X) DELETE n", "MATCH (a:A) SET a.x = 1", "CREATE INDEX ON :A"]


@pytest.mark.parametrize("phase", ["BEFORE", "AFTER"])
@pytest.mark.parametrize("event", EVENTS)
def test_what_fires_a_trigger(event: str, phase: str) -> None:
    for query in [*EVENTS["ANY"], *NOTHING]:
        world = World()
        world.start("a")
        world.query("a", "CREATE (:A {x: 1})-[:R {x: 1}]->(:B), (:Alone)")
        on = "" if event == "ANY" else f"ON {event}"
        world.query("a", f"CREATE TRIGGER t {on} {phase} COMMIT EXECUTE MERGE (:Fired)")
        world.query("a", query)
        world.advance(1)
        fired = world.query("a", "MATCH (f:Fired) RETURN count(*)") == [[1]]
        assert fired is (query in EVENTS[event]), query
        assert world.instances["a"].write_access == set()
        assert world.instances["a"].graph.readers == {}


@pytest.mark.parametrize(
    ("phase", "query", "statement", "seen"),
    [
        ("BEFORE", "CREATE (:X {i: 1}), (:X {i: 2})", "UNWIND createdVertices AS v CREATE (:Seen {i: v.i})", [1, 2]),
        ("AFTER", "CREATE (:X {i: 1})", "UNWIND createdVertices AS v CREATE (:Seen {i: v.i})", [1]),
        ("AFTER", "MATCH (a:A) CREATE (a)-[:R {i: 5}]->(:B)", "UNWIND createdEdges AS e CREATE (:Seen {i: e.i})", [5]),
        ("BEFORE", "MATCH (a:A) DELETE a", "UNWIND deletedVertices AS v CREATE (:Seen {i: v.i})", [0]),
        ("BEFORE", "MATCH (a:A) SET a.i = 3, a.j = 4",
         "UNWIND setVertexProperties AS s WITH s.new AS new, s.vertex AS v CREATE (:Seen {i: new + v.i})", [6, 7]),
        ("AFTER", "MATCH (a:A) REMOVE a.i",
         "UNWIND removedVertexProperties AS s WITH s WHERE s.key = 'i' CREATE (:Seen {i: s.old})", [0]),
    ],
)  # fmt: skip
def test_predefined_variables(world: World, phase: str, query: str, statement: str, seen: list[int]) -> None:
    world.query("a", "CREATE (:A {i: 0})")
    world.query("a", f"CREATE TRIGGER t {phase} COMMIT EXECUTE {statement}")
    world.query("a", query)
    world.advance(1)
    assert world.query("a", "MATCH (s:Seen) RETURN s.i ORDER BY s.i") == [[i] for i in seen]


def test_a_failing_trigger(world: World) -> None:
    """Before the commit it ends the transaction, after it nobody hears of it."""
    world.query("a", "CREATE TRIGGER after AFTER COMMIT EXECUTE CREATE (:P {name: 1 / 0})")
    world.query("a", "CREATE (:P {name: 'kept'})")
    assert names(world, "a") == ["kept"]
    world.query("a", "CREATE TRIGGER before BEFORE COMMIT EXECUTE CREATE (:P {name: 1 / 0})")
    message = "Trigger 'before' caused the transaction to fail.\nException: Division by zero."
    assert refusal(world, "a", "CREATE (:P {name: 'lost'})") == message
    session = Interpreter(world.instances["a"])
    world.do("a", session.begin())
    world.do("a", session.pull(world.do("a", session.prepare("CREATE (:P {name: 'lost'})", {})), -1))
    with pytest.raises(QueryError, match="caused the transaction to fail"):
        world.do("a", session.commit())
    session.abort()
    assert names(world, "a") == ["kept"]
    assert world.instances["a"].write_access == set()
    assert world.instances["a"].graph.readers == {}


def test_once_for_a_whole_periodic_commit(world: World) -> None:
    world.query("a", "CREATE TRIGGER t ON CREATE BEFORE COMMIT EXECUTE CREATE (:Seen {n: size(createdVertices)})")
    world.query("a", "USING PERIODIC COMMIT 2 UNWIND range(1, 5) AS i CREATE (:P {i: i})")
    assert world.query("a", "MATCH (s:Seen) RETURN s.n") == [[5]]


def test_refusals(world: World) -> None:
    create = "CREATE TRIGGER t ON () CREATE AFTER COMMIT EXECUTE "
    wrong = refusal(world, "a", create + "UNWIND createdEdges AS e CREATE ()")
    assert wrong.startswith("Failed creating the trigger.\nError message: 'Unbound variable: createdEdges.'\n")
    assert "Allowed variables for event '() CREATE' are: createdVertices" in wrong
    for statement in ("SHOW REPLICAS", "CREATE (", "USING PERIODIC COMMIT 1 CREATE ()"):
        assert "Failed creating the trigger." in refusal(world, "a", create + statement)
    assert world.query("a", "SHOW TRIGGERS") == []
    world.query("a", create + "CREATE ()")
    assert refusal(world, "a", create + "CREATE ()") == "Trigger with the same name already exists."
    assert refusal(world, "a", "DROP TRIGGER x") == "Trigger with name 'x' doesn't exist"
    session = Interpreter(world.instances["a"])
    world.do("a", session.begin())
    for query in ("SHOW TRIGGERS", "DROP TRIGGER t"):
        with pytest.raises(QueryError, match="Managing triggers is not allowed in multicommand"):
            world.do("a", session.prepare(query, {}))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("ENABLE TTL", "Access to TTL requires an enterprise, ai_platform, or oem license."),
        ("ENABLE TTL EVERY '1d' AT '00:00:00';", "Access to TTL requires"),
        ("STOP TTL", "Access to TTL requires"),
        ("CREATE DATABASE x", "Access to multi-tenancy requires"),
        ("DROP DATABASE x FORCE", "Access to multi-tenancy requires"),
        ("SHOW DATABASES", "Access to multi-tenancy requires"),
        ("USE DATABASE memgraph", "Trying to use enterprise feature without a valid license."),
        ("SHOW DATABASE", "Trying to use enterprise feature without a valid license."),
        ("GRANT MATCH, MERGE TO u", "To use advanced authentication features please set it"),
        ("ADD COORDINATOR 1 WITH CONFIG {}", errors.NOT_A_COORDINATOR),
        ("SET INSTANCE i TO MAIN", errors.NOT_A_COORDINATOR),
    ],
)
def test_what_community_answers_to_enterprise_statements(world: World, query: str, message: str) -> None:
    assert message in refusal(world, "a", query)


def test_a_trigger_nested_too_deeply_is_an_error_and_no_crash(world: World) -> None:
    deep = "RETURN " + "1 + " * 20_000 + "1"
    world.query("a", f"CREATE TRIGGER t BEFORE COMMIT EXECUTE CREATE () WITH 1 AS one {deep} AS x")
    assert "nested too deeply" in refusal(world, "a", "CREATE ()")
