"""Memgraph's own pymgclient: `client_pymgclient.py SCENARIO HOST PORT GIVEN`, GIVEN and the line printed being JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import mgclient


def write(connection: Any, given: dict[str, Any]) -> Any:
    cursor = connection.cursor()
    query = "CREATE (:Client {run: $run, id: $id})"
    connection.autocommit = True
    cursor.execute(query, {"run": given["run"], "id": 1})
    connection.autocommit = False
    cursor.execute(query, {"run": given["run"], "id": 2})
    cursor.execute("MERGE (n:Client {run: $run, id: $id})", {"run": given["run"], "id": 3})
    connection.commit()
    return [1, 1, 1]


def read(connection: Any, given: dict[str, Any]) -> Any:
    query = "UNWIND range(1, $count) AS x RETURN x"
    cursor = connection.cursor()
    cursor.execute(query, given)
    rows = [row[0] for row in cursor.fetchall()]
    connection.rollback()
    cursor.execute(query, given)
    managed = len(cursor.fetchall())
    cursor.execute(query, given)
    return [len(rows), sum(rows), managed, cursor.fetchone()[0]]


def parameters(connection: Any, given: dict[str, Any]) -> Any:
    cursor = connection.cursor()
    cursor.execute("RETURN $value AS value", given)
    return cursor.fetchone()[0]


def node(connection: Any, given: dict[str, Any]) -> Any:
    cursor = connection.cursor()
    cursor.execute("CREATE (n:Client:Named {run: $run}) RETURN n", given)
    (created,) = cursor.fetchone()
    connection.commit()
    return {"labels": sorted(created.labels), "properties": created.properties}


def error(connection: Any, given: dict[str, Any]) -> Any:
    cursor = connection.cursor()
    try:
        cursor.execute(given["query"])
    except mgclient.DatabaseError as failure:
        connection.rollback()
        cursor.execute("RETURN 1 AS x")
        return {"message": str(failure), "after": cursor.fetchone()[0]}
    return None


def rollback(connection: Any, given: dict[str, Any]) -> Any:
    counts = []
    cursor = connection.cursor()
    for commit in (False, True):
        cursor.execute("CREATE (:Client {run: $run})", given)
        connection.commit() if commit else connection.rollback()
        cursor.execute("MATCH (n:Client {run: $run}) RETURN count(n) AS c", given)
        counts.append(cursor.fetchone()[0])
        connection.commit()
    return counts


def connect(host: str, port: str, given: dict[str, Any]) -> Any:
    options = dict(zip(("username", "password"), given.pop("auth", ()), strict=False))
    if given.pop("tls", False):
        options["sslmode"] = mgclient.MG_SSLMODE_REQUIRE
    return mgclient.connect(host=host, port=int(port), **options)


def main() -> None:
    scenario, host, port, text = sys.argv[1:]
    given = json.loads(text)
    try:
        connection = connect(host, port, given)
    except mgclient.OperationalError as failure:
        print(json.dumps({"message": str(failure)}))
        return
    try:
        print(json.dumps("in" if scenario == "login" else globals()[scenario](connection, given)))
    finally:
        connection.close()


if __name__ == "__main__":
    main()
