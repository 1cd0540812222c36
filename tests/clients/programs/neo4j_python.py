"""The neo4j Python driver: `neo4j_python.py SCENARIO HOST PORT GIVEN`, GIVEN and the one line printed being JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import neo4j


def write(driver: neo4j.Driver, given: dict[str, Any]) -> Any:
    with driver.session() as session:
        query = "CREATE (:Client {run: $run, id: $id})"
        auto = session.run(query, run=given["run"], id=1).consume().counters.nodes_created
        managed = session.execute_write(lambda tx: tx.run(query, run=given["run"], id=2).consume())
        merged = driver.execute_query("MERGE (n:Client {run: $run, id: $id})", run=given["run"], id=3).summary
        return [auto, managed.counters.nodes_created, merged.counters.nodes_created]


def read(driver: neo4j.Driver, given: dict[str, Any]) -> Any:
    query = "UNWIND range(1, $count) AS x RETURN x"
    with driver.session(default_access_mode=neo4j.READ_ACCESS) as session:
        rows = [record["x"] for record in session.run(query, count=given["count"])]
        managed = session.execute_read(lambda tx: len(list(tx.run(query, count=given["count"]))))
        abandoned = session.run(query, count=given["count"])
        first = abandoned.peek()
        assert first is not None
        abandoned.consume()
    return [len(rows), sum(rows), managed, first["x"]]


def parameters(driver: neo4j.Driver, given: dict[str, Any]) -> Any:
    with driver.session() as session:
        record = session.run("RETURN $value AS value", value=given["value"]).single(strict=True)
    return record["value"]


def node(driver: neo4j.Driver, given: dict[str, Any]) -> Any:
    with driver.session() as session:
        record = session.run("CREATE (n:Client:Named {run: $run}) RETURN n", run=given["run"]).single(strict=True)
    return {"labels": sorted(record["n"].labels), "properties": dict(record["n"].items())}


def error(driver: neo4j.Driver, given: dict[str, Any]) -> Any:
    with driver.session() as session:
        try:
            session.run(given["query"]).consume()
        except neo4j.exceptions.Neo4jError as failure:
            after = session.run("RETURN 1 AS x").single(strict=True)["x"]
            return {"code": failure.code, "message": failure.message, "after": after}
    return None


def rollback(driver: neo4j.Driver, given: dict[str, Any]) -> Any:
    counts = []
    with driver.session() as session:
        for commit in (False, True):
            transaction = session.begin_transaction()
            transaction.run("CREATE (:Client {run: $run})", run=given["run"])
            transaction.commit() if commit else transaction.rollback()
            result = session.run("MATCH (n:Client {run: $run}) RETURN count(n) AS c", run=given["run"])
            counts.append(result.single(strict=True)["c"])
    return counts


def login(driver: neo4j.Driver, given: dict[str, Any]) -> Any:
    try:
        driver.verify_connectivity()
    except neo4j.exceptions.Neo4jError as failure:
        return {"code": failure.code, "message": failure.message}
    return "in"


def main() -> None:
    scenario, host, port, text = sys.argv[1:]
    given = json.loads(text)
    scheme = given.pop("scheme", "bolt") + ("+ssc" if given.pop("tls", False) else "")
    auth = tuple(given.pop("auth", ())) or None
    with neo4j.GraphDatabase.driver(f"{scheme}://{host}:{port}", auth=auth) as driver:
        print(json.dumps(globals()[scenario](driver, given)))


if __name__ == "__main__":
    main()
