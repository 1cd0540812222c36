"""mgclient's managed transactions, for pymgclient's Router and for GQLAlchemy: see conducted.py.

Both first ask by ROUTE where the main is, which the sidecar answers with itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from conducted import HALF, READ, ROWS, WRITE, App

Rows = Callable[[Any, str, dict[str, Any]], Any]
"""A transaction, a query and its parameters: the rows, one by one."""


def idle(write: Callable[[Any], Any], rows: Rows, app: App) -> None:
    write(lambda tx: tx.execute(WRITE, {"id": f"{app.id} before"}))
    app.ready()
    write(app.counted(lambda tx: tx.execute(WRITE, {"id": app.id})))


def stream(write: Callable[[Any], Any], rows: Rows, app: App) -> None:
    def read(tx: Any) -> None:
        for _ in rows(tx, READ, {"rows": ROWS}):
            app.rows += 1
            if app.rows == HALF:
                app.ready()

    write(app.counted(read))  # a managed read would go to a replica


def transaction(write: Callable[[Any], Any], rows: Rows, app: App) -> None:
    def work(tx: Any) -> None:
        tx.execute(WRITE, {"id": app.id})
        app.ready()
        tx.execute("RETURN 1", {})

    write(app.counted(work))


def commit(write: Callable[[Any], Any], rows: Rows, app: App) -> None:
    def work(tx: Any) -> None:
        tx.execute(WRITE, {"id": app.id})
        app.ready()

    write(app.counted(work))


STATES: Final = {"idle": idle, "stream": stream, "transaction": transaction, "commit": commit}
