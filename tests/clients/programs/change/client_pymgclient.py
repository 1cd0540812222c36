"""pymgclient: explicit transactions, and lazy auto-commit for what is streamed: see conducted.py."""

from __future__ import annotations

import sys
from typing import Any, Final

import mgclient
from conducted import HALF, READ, ROWS, WRITE, App


def idle(connection: Any, app: App) -> None:
    _write(connection, f"{app.id} before")
    connection.commit()
    app.ready()
    with app.attempt():
        _write(connection, app.id)
        connection.commit()


def stream(connection: Any, app: App) -> None:
    with app.attempt():
        cursor = connection.cursor()
        cursor.execute(READ, {"rows": ROWS})
        while cursor.fetchone() is not None:
            app.rows += 1
            if app.rows == HALF:
                app.ready()


def transaction(connection: Any, app: App) -> None:
    with app.attempt():
        _write(connection, app.id)
        app.ready()
        connection.commit()


def _write(connection: Any, unique: str) -> None:
    connection.cursor().execute(WRITE, {"id": unique})


STATES: Final = {"idle": idle, "stream": stream, "transaction": transaction, "commit": transaction}


def main() -> None:
    state, host, port, unique = sys.argv[1:]
    lazy = state == "stream"  # which implies auto-commit; eager ones have read everything when execute returns
    connection = mgclient.connect(host=host, port=int(port), lazy=lazy)
    App(unique).run(lambda app: STATES[state](connection, app))


if __name__ == "__main__":
    main()
