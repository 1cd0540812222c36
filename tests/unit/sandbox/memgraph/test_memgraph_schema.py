"""Indexes and constraints: enforced at commit, listed as Memgraph lists them, replicated (M-6.2/26)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from virtual_memgraph import World, main_and_replica

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.compat import DEFAULT
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.query.interpreter import Interpreter


@pytest.fixture
def world() -> World:
    """A main with one SYNC replica."""
    return main_and_replica()


@pytest.fixture
def refusal(world: World) -> Callable[..., str]:
    """The message of a query that fails on the main."""

    def fails(query: str, name: str = "a") -> str:
        with pytest.raises(QueryError) as caught:
            world.query(name, query)
        return caught.value.message

    return fails


SCHEMA = (
    "CREATE INDEX ON :L",
    "CREATE INDEX ON :L(b)",
    "CREATE INDEX ON :L(a, b)",
    "CREATE EDGE INDEX ON :T",
    "CREATE EDGE INDEX ON :T(p)",
    "CREATE GLOBAL EDGE INDEX ON :(p)",
    "CREATE CONSTRAINT ON (n:L) ASSERT n.a, n.b IS UNIQUE",
    "CREATE CONSTRAINT ON (n:L) ASSERT EXISTS (n.a)",
)
INDEXES = [
    ["edge-property", None, "p", 1],
    ["edge-type", "T", None, 2],
    ["edge-type+property", "T", "p", 1],
    ["label", "L", None, 2],
    ["label+property", "L", ["a", "b"], 1],
    ["label+property", "L", ["b"], 1],
]
CONSTRAINTS = [["exists", "L", "a", ""], ["unique", "L", ["a", "b"], ""]]


def test_made_replicated_kept_and_dropped(world: World) -> None:
    for query in SCHEMA:
        world.query("a", query)
    world.query("a", "CREATE (a:L {a: 1, b: 1})-[:T {p: 1}]->(b:L {a: 2}), (a)-[:T]->(b)")
    world.start("c")
    world.query("c", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    assert world.instances["a"].write_snapshot()
    world.instances["a"].files.wals.clear()  # so that c can only get the snapshot
    world.query("a", "REGISTER REPLICA c ASYNC TO 'c:10000'")
    world.advance(1)
    for name in "abc":
        if name == "b":
            world.kill(name)
            world.start(name)
        assert world.query(name, "SHOW INDEX INFO") == world.query(name, "SHOW INDEXES") == INDEXES
        assert world.query(name, "SHOW CONSTRAINT INFO") == world.query(name, "SHOW CONSTRAINTS") == CONSTRAINTS
        assert world.instances[name].graph.edge_count == 2
        info = dict(world.query(name, "SHOW STORAGE INFO ON CURRENT DATABASE"))
        assert (info["edge_count"], info["average_degree"]) == (2, 2.0)
    world.kill("b")
    world.query("a", "DROP REPLICA b")
    for query in SCHEMA:
        world.query("a", query.replace("CREATE", "DROP").replace("n.a, n.b", "n.b, n.a"))
        world.advance(1)
    for name in "ac":
        assert world.query(name, "SHOW INDEX INFO") == world.query(name, "SHOW CONSTRAINT INFO") == []


def test_unique(world: World, refusal: Callable[..., str]) -> None:
    world.query("a", "CREATE CONSTRAINT ON (n:L) ASSERT n.a, n.b IS UNIQUE")
    world.query("a", "CREATE (:L {a: 1, b: 1}), (:L {a: 1}), (:L {a: 1}), (:M {a: 1, b: 1})")
    ldt = world.instances["a"].ldt
    broken = "Unable to commit due to unique constraint violation on :L(a, b)"
    assert refusal("CREATE (:L {a: 1.0, b: 1})") == broken
    assert refusal("MATCH (m:M) SET m:L") == broken
    assert refusal("CREATE (:L {a: 2, b: 1}), (:L {a: 2, b: 1})") == broken
    assert refusal("MATCH (n:L) SET n.b = 5") == broken
    assert world.instances["a"].ldt == ldt
    assert world.instances["b"].ldt == ldt
    world.query("a", "CREATE (:L {a: true, b: 1})")
    world.query("a", "MATCH (n:L {b: 1}) WHERE n.a = 1 SET n.a = 9 CREATE (:L {a: 1, b: 1})")
    world.query("a", "MATCH (n:L {a: 1, b: 1}) DELETE n CREATE (:L {a: 1, b: 1})")
    assert world.query("b", "MATCH (n:L {b: 1}) RETURN count(*)") == [[3]]


def test_exists(world: World, refusal: Callable[..., str]) -> None:
    world.query("a", "CREATE CONSTRAINT ON (n:L) ASSERT EXISTS (n.a)")
    broken = "Unable to commit due to existence constraint violation on :L(a)"
    assert refusal("CREATE (:L)") == broken
    world.query("a", "CREATE (n:L) SET n.a = 1")
    assert refusal("MATCH (n:L) REMOVE n.a") == broken
    world.query("a", "MATCH (n:L) REMOVE n:L, n.a")


def test_a_constraint_that_is_broken_already(world: World, refusal: Callable[..., str]) -> None:
    world.query("a", "CREATE (:L {a: 1}), (:L {a: 1})")
    assert refusal("CREATE CONSTRAINT ON (n:L) ASSERT n.a IS UNIQUE") == (
        "Unable to create unique constraint :L(a), because an existing node violates it."
    )
    assert refusal("CREATE CONSTRAINT ON (n:L) ASSERT EXISTS (n.b)") == (
        "Unable to create existence constraint :L(b), because an existing node violates it."
    )
    assert world.query("a", "SHOW CONSTRAINT INFO") == []


def test_two_transactions_cannot_take_the_same_value(world: World) -> None:
    world.query("a", "CREATE CONSTRAINT ON (n:L) ASSERT n.a IS UNIQUE")
    sessions = [Interpreter(world.instances["a"]) for _ in range(2)]
    for session in sessions:
        world.do("a", session.begin())
        world.do("a", session.pull(world.do("a", session.prepare("CREATE (:L {a: 1})", {})), -1))
    world.do("a", sessions[0].commit())
    with pytest.raises(QueryError, match="unique constraint violation"):
        world.do("a", sessions[1].commit())
    assert world.query("b", "MATCH (n) RETURN count(*)") == [[1]]


@pytest.mark.parametrize("query", SCHEMA)
def test_refusals(world: World, refusal: Callable[..., str], query: str) -> None:
    assert refusal(query, "b") in ("Queries on replica shouldn't write.", errors.WRITE_ON_REPLICA)
    session = Interpreter(world.instances["a"])
    world.do("a", session.begin())
    with pytest.raises(QueryError, match="manipulation is not allowed in multicommand transactions"):
        world.do("a", session.prepare(query, {}))
    writer = Interpreter(world.instances["a"])
    world.do("a", writer.begin())
    assert refusal(query) == DEFAULT.no_read_only_access


def test_notifications(world: World) -> None:
    def titles(query: str) -> list[Any]:
        session = Interpreter(world.instances["a"])
        result = world.do("a", session.prepare(query, {}))
        world.do("a", session.pull(result, -1))
        return [(note["code"], note["title"]) for note in result.notifications]

    create = "CREATE CONSTRAINT ON (n:L) ASSERT n.a IS UNIQUE"
    assert titles(create) == [("CreateConstraint", "Created UNIQUE constraint on label L on properties a.")]
    assert titles(create) == [
        ("ConstraintAlreadyExists", "Constraint UNIQUE on label L on properties a already exists.")
    ]
    assert titles("DROP INDEX ON :L(a)") == [("IndexDoesNotExist", "Index on label L on properties a doesn't exist.")]
