"""Relationships: patterns, what a driver gets, deletion, isolation and conflicts."""

from __future__ import annotations

from typing import Any

import pytest
from memgraph_database import Database, run
from virtual_memgraph import World

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage.graph import Graph, Relationship
from sandbox.memgraph.core.storage.transaction import STILL_CONNECTED

FAMILY = "CREATE (a:P {i: 1})-[:KNOWS {since: 1}]->(b:P {i: 2})<-[:LIKES]-(c:P {i: 3}), (c)-[:KNOWS {since: 2}]->(c)"


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("MATCH (a)-[r]->(b) RETURN a.i, type(r), b.i", [[1, "KNOWS", 2], [3, "KNOWS", 3], [3, "LIKES", 2]]),
        ("MATCH (a)<-[r:KNOWS]-(b) RETURN a.i, b.i", [[2, 1], [3, 3]]),
        ("MATCH (a)-[r:KNOWS|LIKES]-(b) RETURN a.i, b.i", [[1, 2], [2, 1], [2, 3], [3, 2], [3, 3]]),
        ("MATCH (a)-[r:KNOWS|:LIKES]-(b {i: 2}) RETURN a.i, b.i", [[1, 2], [3, 2]]),
        ("MATCH (a)--(b {i: 1}) RETURN a.i", [[2]]),
        ("MATCH (a)-->(b)<--(c) RETURN a.i, b.i, c.i", [[1, 2, 3], [3, 2, 1]]),
        ("MATCH (a {i: 1})-->(b)<-[l:LIKES]-(c)-[k]->(c) RETURN b.i, c.i, k.since", [[2, 3, 2]]),
        ("MATCH (a)-[r {since: 2}]->(a) RETURN a.i", [[3]]),
        ("MATCH (a)-[r $props]->(b) RETURN b.i", [[2]]),
        ("MATCH (a)-[r]->(b) WHERE r.since = a.i RETURN b.i", [[2]]),
        ("MATCH (a {i: 1}), (b {i: 2}) MATCH (a)-[r]-(b) RETURN type(r)", [["KNOWS"]]),
        ("MATCH (a)-[r]->(b), (b)<-[s]-(c) RETURN a.i, c.i", [[1, 3], [3, 1]]),
        ("MATCH (b:P {i: 2}) OPTIONAL MATCH (b)-[r]->(x) RETURN r, x, type(r)", [[None, None, None]]),
        ("MATCH ()-[r:LIKES]->() RETURN startNode(r).i, endNode(r).i, properties(r), id(r)", [[3, 2, {}, 1]]),
        ("MATCH (a {i: b.i})-->(b) RETURN a.i", [[3]]),
        ("MATCH (a:P {i: r.since})-[r]->(b:P {i: a.i + 1}) RETURN a.i, b.i", [[1, 2]]),
        ("MATCH (a {i: c.i}), (c {i: 3}) RETURN a.i", [[3]]),
        ("MATCH (a)-[:NONE]->(b) RETURN a", []),
        ("MATCH (a)-[r]->(b) RETURN type(r) AS t, count(*) AS c", [["KNOWS", 2], ["LIKES", 1]]),
    ],
)
@pytest.mark.parametrize("index", [False, True])
def test_matching(query: str, rows: list[list[Any]], index: bool) -> None:
    database = Database(*(("CREATE INDEX ON :P(i)",) if index else ()), FAMILY)
    assert sorted(database.run(query, props={"since": 1}), key=repr) == rows


def test_creating_from_bound_nodes_and_changing() -> None:
    database = Database("CREATE (:A), (:B)")
    (row,) = database.run(
        "MATCH (a:A), (b:B) CREATE (a)-[r:R {x: 1}]->(b)-[:S]->(:C) SET r.y = 2, r += {z: 3} RETURN r"
    )
    assert row == [Relationship(0, "R", 0, 1, {"x": 1, "y": 2, "z": 3})]
    database.run("MATCH ()-[r:R]->() SET r = {only: 1} REMOVE r.nothing")
    assert database.run("MATCH ()-[r]->() RETURN type(r), properties(r) ORDER BY id(r)") == [
        ["R", {"only": 1}],
        ["S", {}],
    ]
    assert database.graph.edge_count == 2


def test_merge_of_a_path() -> None:
    database = Database("CREATE (:A), (:B)")
    merge = "MATCH (a:A), (b:B) MERGE (a)-[r:R {k: $k}]->(b) ON CREATE SET r.made = true ON MATCH SET r.found = true"
    for k in (1, 1, 2):
        database.run(merge, k=k)
    assert database.run("MATCH (:A)-[r:R]->(:B) RETURN r.k, r.made, r.found ORDER BY r.k") == [
        [1, True, True],
        [2, True, None],
    ]
    for _ in range(2):
        database.run("MERGE (x:X)-[:T]->(y:Y {i: 1})<-[:U]-(z:Z)")
    assert database.run("MATCH (n) RETURN count(*)") == [[5]]
    database.run("MATCH (x:X), (z:Z) MERGE (x)-[:V]-(z) MERGE (z)-[:V]-(x)")
    assert database.run("MATCH ()-[v:V]->() RETURN count(*)") == [[1]]
    with pytest.raises(QueryError, match="null"):
        database.run("MERGE (:X)-[:T {a: NULL}]->(:Y)")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("MATCH (a)-[r]->(b)-[r]->(c) RETURN a", "Redeclaring variable: r."),
        ("MATCH (a)-[r]->(b) CREATE (a)-[r:R]->(b)", "Redeclaring variable: r."),
        ("MATCH (a) CREATE (a:L)-[:R]->(b)", "Cannot create node 'a' with labels or properties"),
        ("MATCH ()-[r]->() SET r:L", "Only nodes have labels."),
        ("MATCH ()-[r]->() RETURN labels(r)", "must be a node"),
        ("MATCH (n) RETURN type(n)", "must be a relationship"),
        ("OPTIONAL MATCH (n:None) CREATE (n)-[:R]->(:X)", "Expected n to be a node"),
        ("OPTIONAL MATCH (n:None) MATCH (n) RETURN n", "isn't supported"),
        ("MATCH ()-[r]->() MATCH (r) RETURN r", "already defined as edge, expected node"),
        ("MATCH (a)-[r]->(b) CREATE (:X {r: r})", "can't be used as a property value"),
        ("MATCH (a {i: 1}) DETACH DELETE a CREATE (a)-[:R]->(:X)", "Trying to create an edge on a deleted node."),
        ("MATCH (a)-[r:LIKES]->(b) DELETE r SET r.x = 1", "Trying to set properties on a deleted object."),
    ],
)
def test_errors(query: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        Database(FAMILY).run(query)
    assert message in caught.value.message


def test_deleting() -> None:
    database = Database(FAMILY)
    with pytest.raises(QueryError) as caught:
        database.run("MATCH (a {i: 1}) DELETE a")
    assert caught.value.message == STILL_CONNECTED
    database.run("MATCH (a {i: 1})-[r]->() DELETE a, r")
    database.run("MATCH (c {i: 3}) DETACH DELETE c")
    assert database.run("MATCH (n) OPTIONAL MATCH (n)-[r]-() RETURN n.i, r") == [[2, None]]
    assert database.graph.edge_count == 0
    assert database.graph.dump() == [["n", 1, ["P"], {"i": 2}]]


def test_make_two_and_delete_one_in_one_query() -> None:
    """M-6.2/23: what was made and deleted in one transaction leaves nothing behind."""
    database = Database("CREATE (a)-[r:X {p: 1}]->(b) CREATE (a)-[:X {p: 2}]->(b) DELETE r")
    assert database.graph.dump() == [["n", 0, [], {}], ["n", 1, [], {}], ["r", 1, "X", 0, 1, {"p": 2}]]


def test_old_readers_see_old_relationships() -> None:
    database = Database(FAMILY)
    count = "MATCH ()-[r]->() RETURN count(*), sum(r.since)"
    with database.transaction() as reader:
        database.run("MATCH ()-[r:KNOWS]->() SET r.since = 10")
        database.run("MATCH (n {i: 3}) DETACH DELETE n")
        database.run("MATCH (a {i: 1}), (b {i: 2}) CREATE (b)-[:KNOWS {since: 7}]->(a)")
        assert run(reader, count) == [[3, 3]]
        assert run(reader, "MATCH (n {i: 3})--(m {i: 2}) RETURN m.i") == [[2]]
    assert database.run(count) == [[2, 17]]
    assert database.graph.all_edges.hidden() == ()


WRITES = {
    "link": "MATCH (a {i: 1}), (c {i: 3}) CREATE (a)-[:NEW]->(c)",
    "property": "MATCH (a {i: 1}) SET a.x = 1",
    "edge property": "MATCH ({i: 1})-[r]->() SET r.x = 1",
    "unlink": "MATCH ({i: 1})-[r]->() DELETE r",
    "delete": "MATCH (a {i: 1}) DETACH DELETE a",
}
PEACEFUL = {("link", "link"), ("link", "edge property"), ("property", "edge property")}


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("first", WRITES)
@pytest.mark.parametrize("second", WRITES)
def test_conflicts(first: str, second: str, committed: bool) -> None:
    """Two new relationships at one node are no conflict, nor is a node with its relationship's properties."""
    database = Database(FAMILY)
    with database.transaction() as early, database.transaction() as late:
        run(early, WRITES[first])
        if committed:
            database.graph.apply(early.ops())
            early.finish()
        if {(first, second), (second, first)} & PEACEFUL:
            run(late, WRITES[second])
        else:
            with pytest.raises(QueryError) as caught:
                run(late, WRITES[second])
            assert caught.value.code == errors.TRANSIENT
    assert not database.graph.all_nodes.writers
    assert not database.graph.linkers


def test_rollback_leaves_nothing() -> None:
    database = Database(FAMILY)
    before = database.graph.dump()
    with database.transaction() as transaction:
        run(transaction, "MATCH (a {i: 1}) CREATE (a)-[:R]->(:New) SET a.i = 7")
        run(transaction, "MATCH (n {i: 3}) DETACH DELETE n")
        assert run(transaction, "MATCH (n)-[r]->(m) RETURN n.i, type(r) ORDER BY type(r)") == [[7, "KNOWS"], [7, "R"]]
    assert database.graph.dump() == before
    copy = Graph()
    copy.apply(before)
    assert copy.dump() == before


@pytest.mark.parametrize("properties", ["", " {p: 1, str: '1234567890'}"])
def test_deleting_an_edge_in_the_query_that_made_it_is_replicated(properties: str) -> None:
    """M-6.2/23: both replicas are ready at timestamp 2, with equal data."""
    world = World()
    for name in "abc":
        world.start(name)
    for name, mode in (("b", "SYNC"), ("c", "ASYNC")):
        world.query(name, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
        world.query("a", f"REGISTER REPLICA {name} {mode} TO '{name}:10000'")
    world.advance(0.1)
    world.query("a", f"CREATE (a)-[r:X{properties}]->(b) CREATE (a)-[:X]->(b) DELETE r;")
    world.advance(1)
    for row in world.query("a", "SHOW REPLICAS"):
        assert row[4]["memgraph"] == {"ts": 2, "behind": 0, "status": "ready"}
    dumps = [world.instances[name].graph.dump() for name in "abc"]
    assert dumps[0] == dumps[1] == dumps[2] == [["n", 0, [], {}], ["n", 1, [], {}], ["r", 1, "X", 0, 1, {}]]
