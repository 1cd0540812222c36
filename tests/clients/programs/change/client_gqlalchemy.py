"""GQLAlchemy: every query is a transaction of its own, unless BEGIN and COMMIT are written out: see conducted.py."""

from __future__ import annotations

import sys
from typing import Any, Final

import gqlalchemy
from conducted import HALF, READ, ROWS, WRITE, App


def idle(database: Any, app: App) -> None:
    database.execute(WRITE, {"id": f"{app.id} before"})
    app.ready()
    with app.attempt():
        database.execute(WRITE, {"id": app.id})


def stream(database: Any, app: App) -> None:
    with app.attempt():
        for _ in database.execute_and_fetch(READ, {"rows": ROWS}):
            app.rows += 1
            if app.rows == HALF:
                app.ready()


def transaction(database: Any, app: App) -> None:
    with app.attempt():
        database.execute("BEGIN")
        database.execute(WRITE, {"id": app.id})
        app.ready()
        database.execute("COMMIT")


def commit(database: Any, app: App) -> None:
    database.execute("RETURN 1")
    app.ready()
    with app.attempt():
        database.execute(WRITE, {"id": app.id})


STATES: Final = {"idle": idle, "stream": stream, "transaction": transaction, "commit": commit}


def main() -> None:
    state, host, port, unique = sys.argv[1:]
    database = gqlalchemy.Memgraph(host=host, port=int(port))
    App(unique).run(lambda app: STATES[state](database, app))


if __name__ == "__main__":
    main()
