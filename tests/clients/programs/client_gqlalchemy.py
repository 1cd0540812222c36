"""GQLAlchemy: `client_gqlalchemy.py SCENARIO HOST PORT GIVEN`, GIVEN and the one line printed being JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import gqlalchemy


class Client(gqlalchemy.Node):  # type: ignore[misc]
    """Mapped: the class's name is the label."""

    run: str
    id: int


def write(database: Any, given: dict[str, Any]) -> Any:
    database.execute("CREATE (:Client {run: $run, id: $id})", {"run": given["run"], "id": 1})
    saved = database.save_node(Client(run=given["run"], id=2))
    gqlalchemy.merge(connection=database).node(labels="Client", run=given["run"], id=3).execute()
    return [1, int(saved.id == 2), 1]


def read(database: Any, given: dict[str, Any]) -> Any:
    query = "UNWIND range(1, $count) AS x RETURN x"
    rows = [row["x"] for row in database.execute_and_fetch(query, given)]
    again = len(list(database.execute_and_fetch(query, given)))
    return [len(rows), sum(rows), again, next(database.execute_and_fetch(query, given))["x"]]


def parameters(database: Any, given: dict[str, Any]) -> Any:
    return next(database.execute_and_fetch("RETURN $value AS value", given))["value"]


def node(database: Any, given: dict[str, Any]) -> Any:
    created = next(database.execute_and_fetch("CREATE (n:Client:Named {run: $run, id: 1}) RETURN n", given))["n"]
    properties = {key: value for key, value in created.model_dump().items() if key == "run"}
    return {"labels": sorted(created._labels), "properties": properties}


def error(database: Any, given: dict[str, Any]) -> Any:
    try:
        database.execute(given["query"])
    except Exception as failure:
        after = next(database.execute_and_fetch("RETURN 1 AS x"))["x"]
        return {"message": str(failure), "after": after}
    return None


def rollback(database: Any, given: dict[str, Any]) -> Any:
    counts = []
    for end in ("ROLLBACK", "COMMIT"):
        database.execute("BEGIN")
        database.execute("CREATE (:Client {run: $run, id: 0})", given)
        database.execute(end)
        query = "MATCH (n:Client {run: $run}) RETURN count(n) AS c"
        counts.append(next(database.execute_and_fetch(query, given))["c"])
    return counts


def login(database: Any, given: dict[str, Any]) -> Any:
    try:
        database.execute("RETURN 1")
    except Exception as failure:  # tried again for five seconds, whatever it is, and then wrapped without its text
        cause: BaseException = failure
        while cause.__cause__ is not None:
            cause = cause.__cause__
        return {"message": str(cause)}
    return "in"


def main() -> None:
    scenario, host, port, text = sys.argv[1:]
    given = json.loads(text)
    options = dict(zip(("username", "password"), given.pop("auth", ()), strict=False))
    database = gqlalchemy.Memgraph(host=host, port=int(port), encrypted=given.pop("tls", False), **options)
    print(json.dumps(globals()[scenario](database, given)))


if __name__ == "__main__":
    main()
