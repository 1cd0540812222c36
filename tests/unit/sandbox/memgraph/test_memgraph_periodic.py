"""USING PERIODIC COMMIT: one commit for every so many rows (M-6.2/24)."""

from __future__ import annotations

import pytest
from virtual_memgraph import World

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.messages import Lost, Prepare
from sandbox.memgraph.core.query.interpreter import Interpreter

CREATE = "USING PERIODIC COMMIT 1 UNWIND range(1, 3) AS x CREATE (:A {id: x})"


def cell(mode: str) -> World:
    """A main and a replica."""
    world = World()
    for name in "ab":
        world.start(name)
    world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", f"REGISTER REPLICA b {mode} TO 'b:10000'")
    world.advance(0.1)
    return world


def ids(world: World, name: str) -> list[int]:
    return [row[0] for row in world.query(name, "MATCH (n:A) RETURN n.id ORDER BY n.id")]


@pytest.mark.parametrize("mode", ["SYNC", "ASYNC", "STRICT_SYNC"])
def test_commits_row_by_row_and_reaches_the_replica(mode: str) -> None:
    world = cell(mode)
    world.query("a", CREATE)
    world.advance(5)
    assert world.instances["a"].ldt == 6
    assert ids(world, "b") == [1, 2, 3]
    with pytest.raises(QueryError) as caught:
        world.query("b", CREATE)
    assert caught.value.message == errors.WRITE_ON_REPLICA


@pytest.mark.parametrize(("every", "commits"), [(0, 5), (1, 5), (2, 3), (5, 1), (7, 1)])
def test_how_many_commits(every: int, commits: int) -> None:
    world = cell("SYNC")
    session = Interpreter(world.instances["a"])
    query = f"USING PERIODIC COMMIT {every} UNWIND range(1, 5) AS x CREATE (n:A {{id: x}}) RETURN sum(n.id) AS total"
    result = world.do("a", session.prepare(query, {}))
    assert world.do("a", session.pull(result, -1)) == ([[15]], False)
    assert result.stats is not None
    assert result.stats["nodes-created"] == 5
    assert world.instances["a"].files.held == commits
    assert world.instances["a"].write_access == set()
    assert world.instances["a"].graph.readers == {}


def test_a_failing_row_undoes_only_its_own_part() -> None:
    world = cell("SYNC")
    with pytest.raises(QueryError, match="Division by zero"):
        world.query("a", "USING PERIODIC COMMIT 2 UNWIND [1, 2, 3, 0] AS x CREATE (:A {id: 6 / x})")
    assert ids(world, "a") == [3, 6]
    world.query("a", "CREATE CONSTRAINT ON (n:A) ASSERT n.id IS UNIQUE")
    with pytest.raises(QueryError) as caught:
        world.query("a", "USING PERIODIC COMMIT 1 UNWIND [1, 3, 4] AS x CREATE (:A {id: x})")
    assert caught.value.message == "PeriodicCommit failed: Unable to commit due to constraint violation."
    assert ids(world, "a") == ids(world, "b") == [1, 3, 6]


def test_lost_replicas() -> None:
    """A SYNC replica's failure is only logged by Memgraph, a STRICT_SYNC one's ends the query."""
    for mode in ("SYNC", "STRICT_SYNC"):
        world = cell(mode)
        world.intercept = lambda _, target, request: Lost() if isinstance(request, Prepare) else None
        if mode == "SYNC":
            world.query("a", CREATE)
            assert ids(world, "a") == [1, 2, 3]
        else:
            with pytest.raises(QueryError, match=r"^PeriodicCommit failed: .* was aborted on all instances"):
                world.query("a", CREATE)
            assert ids(world, "a") == []


def test_inside_an_explicit_transaction_it_commits_all_the_same() -> None:
    world = cell("SYNC")
    session = Interpreter(world.instances["a"])
    world.do("a", session.begin())
    for query in ("CREATE (:A {id: 0})", CREATE, "CREATE (:A {id: 9})"):
        world.do("a", session.pull(world.do("a", session.prepare(query, {})), -1))
    assert ids(world, "b") == [0, 1, 2, 3]
    session.rollback()
    assert ids(world, "a") == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("USING PERIODIC COMMIT 1.5 CREATE ()", "Periodic commit should be an integer."),
        ("USING PERIODIC COMMIT 'x' CREATE ()", "Periodic commit should be a number variable."),
        ("USING PERIODIC COMMIT $n CREATE ()", "Error on line 1"),
        ("USING PERIODIC COMMIT 1", "Error on line 1"),
        ("USING HOPS LIMIT 1 RETURN 1", "Error on line 1"),
        ("USING PERIODIC COMMIT 1 CREATE (n) WITH n RETURN n", "isn't supported"),
    ],
)
def test_refusals(query: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        cell("SYNC").query("a", query)
    assert message in caught.value.message
