"""ANALYZE GRAPH: what it counts, that it is replicated, and what a replica answers (M-6.2/26)."""

from __future__ import annotations

from math import isnan
from typing import Any

import pytest
from bolt_client import Client
from virtual_memgraph import World, main_and_replica, refusal

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt.messages import BEGIN, FAILURE, PULL, RECORD

DELETE = "ANALYZE GRAPH DELETE STATISTICS"
ALL = [["A", ""], ["B", ""], ["A", ["p"]], ["A", ["p", "q"]]]


@pytest.fixture
def world() -> World:
    """A main with a SYNC replica b, some indexes and data."""
    world = main_and_replica()
    world.start("c")
    world.query("c", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    for index in (":B", ":A", ":A(p, q)"):
        world.query("a", f"CREATE INDEX ON {index}")
    world.query("a", "CREATE (a:A {p: 1, q: 1})-[:T]->(:A {p: 1, q: 2})-[:T]->(:A {p: 2}), (:A {q: 1}), (:A)")
    world.query("a", "MATCH (n:A {p: 2}) CREATE (n)-[:T]->(n)")
    return world


def test_figures(world: World) -> None:
    assert world.query("a", "ANALYZE GRAPH") == [
        ["A", None, 5, None, None, None, 6 / 5],
        ["B", None, 0, None, None, None, 0.0],
        ["A", ["p"], 3, 2, 1.5, pytest.approx(1 / 3), 2.0],
        ["A", ["p", "q"], 4, 4, 1.0, 0.0, 1.5],
    ]


def test_an_index_over_nothing(world: World) -> None:
    world.query("a", "CREATE INDEX ON :C(p)")
    (row,) = world.query("a", "ANALYZE GRAPH ON LABELS :C")
    assert row[:4] == ["C", ["p"], 0, 0]
    assert row[5:] == [0.0, 0.0]
    assert isnan(row[4])


def test_some_labels(world: World) -> None:
    world.query("a", "ANALYZE GRAPH ON LABELS *")
    assert world.query("a", "ANALYZE GRAPH ON LABELS :B, :Unknown DELETE STATISTICS") == [["B", ""]]
    assert world.query("a", DELETE) == [row for row in ALL if row != ["B", ""]]
    assert world.query("a", DELETE) == []


def test_a_dropped_index_takes_along_what_no_other_has(world: World) -> None:
    world.query("a", "CREATE INDEX ON :A(p)")
    world.query("a", "ANALYZE GRAPH")
    for index in (":A(p, q)", ":B"):
        world.query("a", f"DROP INDEX ON {index}")
    for name in "ab":
        assert kept(world, name) == {("A", ()), ("B", ()), ("A", ("p",))}
    assert world.query("a", DELETE) == [["A", ""], ["A", ["p"]]]


def kept(world: World, name: str) -> set[Any]:
    return set(world.instances[name].graph.statistics)


def test_replicated_recovered_and_deleted(world: World) -> None:
    world.query("a", "ANALYZE GRAPH")
    assert world.instances["a"].write_snapshot()
    world.instances["a"].files.wals.clear()  # so that c can only get the snapshot
    world.query("a", "REGISTER REPLICA c ASYNC TO 'c:10000'")
    world.advance(1)
    world.kill("b")
    world.start("b")
    for name in "abc":
        assert kept(world, name) == {("A", ()), ("B", ()), ("A", ("p",)), ("A", ("p", "q"))}
    before = world.instances["a"].ldt
    world.query("a", "DROP REPLICA b")
    for _ in range(2):  # the second one finds nothing, and is a commit nevertheless
        world.query("a", DELETE)
        world.advance(1)
    assert kept(world, "a") == kept(world, "c") == set()
    assert world.instances["a"].ldt == world.instances["c"].ldt > before + 2


def test_a_replica_sends_its_rows_and_fails_to_commit() -> None:
    client = Client()
    for query in ("CREATE INDEX ON :A", "CREATE INDEX ON :A(p)", "ANALYZE GRAPH"):
        client.world.query("a", query)
    client.world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    client.run(DELETE)
    answers = client.say(PULL, {"n": -1})
    assert [answer.tag for answer in answers] == [RECORD, RECORD, FAILURE]
    assert [answer.fields[0] for answer in answers[:2]] == [["A", ""], ["A", ["p"]]]
    assert answers[2].fields[0]["message"] == errors.REPLICA_SHOULD_NOT_WRITE
    assert kept(client.world, "a") == set(), "they stay deleted"
    assert refusal(client.world, "a", "ANALYZE GRAPH") == errors.REPLICA_SHOULD_NOT_WRITE


def test_a_replica_without_indexes_has_nothing_to_commit(world: World) -> None:
    assert world.query("c", "ANALYZE GRAPH") == world.query("c", DELETE) == []


def test_not_in_an_explicit_transaction() -> None:
    client = Client()
    client.say(BEGIN, {})
    message = client.run("ANALYZE GRAPH")[0].fields[0]["message"]
    assert message.startswith("Analyzing graph is not allowed in multicommand transactions.")


def test_rows_come_before_any_commit_that_fails() -> None:
    client = Client()
    for query in ("CREATE CONSTRAINT ON (n:A) ASSERT EXISTS (n.p)", "CREATE (:A {p: 1})"):
        client.world.query("a", query)
    client.run("MATCH (n:A) SET n.p = null RETURN 7")
    answers = client.say(PULL, {"n": -1})
    assert [answer.tag for answer in answers] == [RECORD, FAILURE]
    assert answers[0].fields[0] == [7]
    assert client.world.query("a", "MATCH (n) RETURN n.p") == [[1]]
