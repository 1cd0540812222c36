"""Queries whose effect on replicas is a row of its own: edges, periodic commits, TTL, constraints, indices."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from conformance_lab import BoltLab, Lab
from conformance_servers import Cluster, Seen, Server, settles
from neo4j.exceptions import ClientError, Neo4jError

ASYNC_S = 5.0
"""What Memgraph's own tests give an ASYNC replica."""


def ready(cluster: Cluster[Any], ts: int) -> None:
    """A SYNC and an ASYNC replica hold everything, at `ts` where the cluster was fresh."""

    def seen() -> list[tuple[str, int | None, int | None, str | None]]:
        return [row._replace(ts=row.ts if cluster.fresh else ts) for row in cluster.main.replicas().values()]

    settles(seen, [Seen("sync", ts, 0, "ready"), Seen("async", ts, 0, "ready")])


@pytest.mark.row("6.2/23")
@pytest.mark.parametrize("properties", [False, True], ids=["bare", "with-properties"])
def test_6_2_23_one_of_two_edges_is_deleted(bolt: Lab | BoltLab, properties: bool) -> None:
    cluster = bolt.cluster("SYNC", "ASYNC")
    one, two = ("{p: 1, str: '1234567890'}", "{p: 2, str: '1234567890'}") if properties else ("", "")
    cluster.main.query(f"CREATE (a)-[r:X {one}]->(b) CREATE (a)-[:X {two}]->(b) DELETE r")
    ready(cluster, 2)
    left = {"p": 2, "str": "1234567890"} if properties else {}
    for instance in cluster.all:
        settles(partial(instance.query, "MATCH ()-[r]->() RETURN type(r), properties(r)"), [["X", left]])
        assert instance.count() == 2


@pytest.mark.row("6.2/24")
def test_6_2_24_periodic_commit(bolt: Lab | BoltLab) -> None:
    cluster = bolt.cluster("SYNC", "ASYNC")
    query = "USING PERIODIC COMMIT 1 UNWIND range(1, 3) AS x CREATE (:A {id: x})"
    cluster.main.query(query)
    ready(cluster, 6)
    for replica in cluster.replicas:
        assert replica.query("MATCH (n) RETURN n.id AS id ORDER BY id") == [[1], [2], [3]]
        assert "Write queries are forbidden on the replica instance." in (replica.refusal(query).message or "")


@pytest.mark.row("6.2/25")
def test_6_2_25_ttl_needs_a_licence(bolt: Lab | BoltLab) -> None:
    """Enterprise runs TTL in the background of a main. Community says no, on a replica too, and deletes nothing."""
    cluster = bolt.cluster("SYNC")
    cluster.main.query("UNWIND range(1, 3) AS d CREATE (:TTL {ttl: d})")
    for instance in cluster.all:
        for query in ('ENABLE TTL EVERY "1s"', "ENABLE TTL", "DISABLE TTL"):
            error = instance.refusal(query)
            assert isinstance(error, ClientError)
            assert error.message == "Access to TTL requires an enterprise, ai_platform, or oem license."
        assert instance.query("MATCH (n:TTL) RETURN n.ttl ORDER BY n.ttl") == [[1], [2], [3]]
        assert instance.query("SHOW INDEX INFO") == []


def constraints(instance: Server) -> list[list[Any]]:
    """SHOW CONSTRAINT INFO, by type."""
    return sorted(instance.query("SHOW CONSTRAINT INFO"), key=lambda row: str(row[0]))


@pytest.mark.row("6.2/26")
def test_6_2_26_constraints_reach_every_replica(bolt: Lab | BoltLab) -> None:
    cluster = bolt.cluster("SYNC", "ASYNC")
    main = cluster.main
    for what in ("IS UNIQUE", "IS TYPED INTEGER"):
        main.query(f"CREATE CONSTRAINT ON (n:Node) ASSERT n.id {what}")
    expected = [["data_type", "Node", "id", "INTEGER"], ["unique", "Node", ["id"], ""]]
    for instance in cluster.all:
        settles(partial(constraints, instance), expected, ASYNC_S)
    main.query("UNWIND range(0, 9) AS id CREATE (:Node {id: id})")
    for wrong in ("MATCH (n:Node {id: 1}) SET n.id = 2", "CREATE (:Node {id: 3})", "CREATE (:Node {id: 'four'})"):
        main.refusal(wrong)
    main.query("MATCH (n:Node {id: 9}) SET n.id = 10")
    for replica in cluster.replicas:
        settles(partial(replica.query, "MATCH (n:Node) RETURN n.id ORDER BY n.id"), [[id_] for id_ in (*range(9), 10)])
    for what in ("IS UNIQUE", "IS TYPED INTEGER"):
        main.query(f"DROP CONSTRAINT ON (n:Node) ASSERT n.id {what}")
    for instance in cluster.all:
        settles(partial(constraints, instance), [], ASYNC_S)


INDICES = (":Node", ":Node(id)", ":Node(id2)", ":Node2")
AUTOMATIC = (
    "--storage-automatic-label-index-creation-enabled=true",
    "--storage-automatic-edge-type-index-creation-enabled=true",
)


def indices(instance: Server) -> list[list[Any]]:
    """SHOW INDEX INFO without the counts."""
    return [row[:3] for row in instance.query("SHOW INDEX INFO")]


@pytest.mark.row("6.2/26")
def test_6_2_26_indices_reach_every_replica(lab: Lab) -> None:
    """Those that are made, and those that Memgraph makes for new labels and edge types."""
    cluster = lab.cluster("SYNC", "ASYNC", flags=AUTOMATIC)
    main = cluster.main
    for index in INDICES:
        main.query(f"CREATE INDEX ON {index}")
    main.query("CREATE (:Node_autoindex)-[:Edge_autoindex]->(:Node_autoindex)")
    expected = [
        ["edge-type", "Edge_autoindex", None],
        ["label", "Node", None],
        ["label", "Node2", None],
        ["label", "Node_autoindex", None],
        ["label+property", "Node", ["id"]],
        ["label+property", "Node", ["id2"]],
    ]
    for instance in cluster.all:
        settles(partial(indices, instance), expected, ASYNC_S)
    for index in (*INDICES, ":Node_autoindex"):
        main.query(f"DROP INDEX ON {index}")
    main.query("DROP EDGE INDEX ON :Edge_autoindex")
    for instance in cluster.all:
        settles(partial(indices, instance), [], ASYNC_S)


def rows_then_refusal(replica: Server, query: str) -> list[list[Any]]:
    """The rows of a query that a replica runs but doesn't commit.

    DELETE STATISTICS counts as a read, so a replica takes it, clears its statistics and sends the rows. Clearing is a
    change that has to be committed, though, and a replica's storage commits none: the error comes after the last row.
    """
    rows: list[list[Any]] = []
    with replica.session() as session:
        records = session.run(query)
        with pytest.raises(Neo4jError) as caught:
            rows.extend(list(record.values()) for record in records)
    assert caught.value.message == "Queries on replica shouldn't write."
    return rows


@pytest.mark.row("6.2/26")
def test_6_2_26_index_statistics_reach_every_replica(bolt: Lab | BoltLab) -> None:
    """A replica can only be asked for them by deleting them there: its rows come, then its commit is refused."""
    cluster = bolt.cluster("SYNC", "ASYNC")
    main = cluster.main
    for index in INDICES:
        main.query(f"CREATE INDEX ON {index}")
    main.query("UNWIND range(0, 9) AS id CREATE (:Node {id: id})")
    main.query("ANALYZE GRAPH")
    settles(lambda: {seen[2:] for seen in main.replicas().values()}, {(0, "ready")}, ASYNC_S)
    for replica in cluster.replicas:
        deleted = {
            (label, str(named)) for label, named in rows_then_refusal(replica, "ANALYZE GRAPH DELETE STATISTICS")
        }
        assert {label for label, _ in deleted} == {"Node", "Node2"}
        assert len(deleted) == 4
