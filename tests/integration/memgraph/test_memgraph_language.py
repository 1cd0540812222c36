"""The query language through the neo4j driver, and what a killed instance still knows."""

from __future__ import annotations

from pathlib import Path

import neo4j
import pytest
from memgraph_process import Memgraph, eventually, memgraphs
from neo4j.exceptions import ClientError

from sandbox.memgraph.core.storage.transaction import STILL_CONNECTED


def count(instance: Memgraph, label: str) -> int:
    number: int = instance.query(f"MATCH (n:{label}) RETURN count(*)")[0][0]
    return number


def test_relationships_reach_the_driver(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1, born_replica=False) as (instance,):
        assert instance.driver is not None
        instance.driver.verify_connectivity()
        instance.query("CREATE (:A {x: 1})-[:R {y: [1, 2]}]->(:B)")
        ((edge, start),) = instance.query("MATCH (a:A)-[r]->(:B) RETURN r, startNode(r)")
        assert isinstance(edge, neo4j.graph.Relationship)
        assert (edge.type, dict(edge), edge.start_node, edge.element_id) == ("R", {"y": [1, 2]}, start, "0")
        with instance.driver.session() as session, pytest.raises(ClientError) as caught:
            session.execute_write(lambda tx: tx.run("MATCH (a:A) DELETE a").consume())
        assert caught.value.message == STILL_CONNECTED
        with instance.driver.session() as session:
            summary = session.run("MATCH (a:A) DETACH DELETE a").consume()
        assert (summary.counters.nodes_deleted, summary.counters.relationships_deleted) == (1, 1)


def test_killed_and_started_again_it_still_has_everything(tmp_path: Path) -> None:
    """Data, constraints and triggers; what the trigger makes reaches the replica."""
    with memgraphs(tmp_path, 2, born_replica=False) as (main, replica):
        replica.query(f"SET REPLICATION ROLE TO REPLICA WITH PORT {replica.replication}")
        main.query(f"REGISTER REPLICA r SYNC TO '{replica.address}'")
        main.query("CREATE CONSTRAINT ON (n:A) ASSERT n.x IS UNIQUE")
        main.query("CREATE EDGE INDEX ON :R")
        main.query("CREATE TRIGGER t ON () CREATE AFTER COMMIT EXECUTE UNWIND createdVertices AS n CREATE (:Seen)")
        main.query("USING PERIODIC COMMIT 2 UNWIND range(1, 3) AS x CREATE (:A {x: x})-[:R]->(:B)")
        eventually(lambda: count(replica, "Seen") == 6)
        main.stop()
        main.start(born_replica=False)
        assert main.query("SHOW TRIGGERS")[0][:2] == ["t", "UNWIND createdVertices AS n CREATE (:Seen)"]
        assert main.query("SHOW INDEX INFO") == replica.query("SHOW INDEX INFO") == [["edge-type", "R", None, 3]]
        assert main.query("MATCH (a:A)-[:R]->(:B) RETURN a.x ORDER BY a.x") == [[1], [2], [3]]
        with pytest.raises(ClientError, match=r"unique constraint violation on :A\(x\)"):
            main.query("CREATE (:A {x: 3})")
        eventually(lambda: main.status()["r"]["status"] == "ready")
        main.query("CREATE (:C)")
        eventually(lambda: count(replica, "Seen") == 7)
