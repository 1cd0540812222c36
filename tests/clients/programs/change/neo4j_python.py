"""The neo4j Python driver, with managed transactions: see conducted.py."""

from __future__ import annotations

import sys
from typing import Final

import neo4j
from conducted import HALF, READ, ROWS, WRITE, App


def idle(session: neo4j.Session, app: App) -> None:
    session.execute_write(lambda tx: tx.run(WRITE, id=f"{app.id} before").consume())
    app.ready()
    session.execute_write(app.counted(lambda tx: tx.run(WRITE, id=app.id).consume()))


def stream(session: neo4j.Session, app: App) -> None:
    def read(tx: neo4j.ManagedTransaction) -> None:
        for _ in tx.run(READ, rows=ROWS):
            app.rows += 1
            if app.rows == HALF:
                app.ready()

    session.execute_read(app.counted(read))


def transaction(session: neo4j.Session, app: App) -> None:
    def write(tx: neo4j.ManagedTransaction) -> None:
        tx.run(WRITE, id=app.id).consume()
        app.ready()
        tx.run("RETURN 1").consume()

    session.execute_write(app.counted(write))


def commit(session: neo4j.Session, app: App) -> None:
    def write(tx: neo4j.ManagedTransaction) -> None:
        tx.run(WRITE, id=app.id).consume()
        app.ready()

    session.execute_write(app.counted(write))


STATES: Final = {"idle": idle, "stream": stream, "transaction": transaction, "commit": commit}


def main() -> None:
    state, host, port, unique = sys.argv[1:]
    with neo4j.GraphDatabase.driver(f"bolt://{host}:{port}") as driver, driver.session() as session:
        App(unique).run(lambda app: STATES[state](session, app))


if __name__ == "__main__":
    main()
