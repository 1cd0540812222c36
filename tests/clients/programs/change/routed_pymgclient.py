"""pymgclient's Router: see routed.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import mgclient
from conducted import App
from routed import STATES


def rows(cursor: Any, query: str, given: dict[str, Any]) -> Iterator[Any]:
    cursor.execute(query, given)
    while (row := cursor.fetchone()) is not None:
        yield row


def main() -> None:
    state, host, port, unique = sys.argv[1:]
    router = mgclient.Router(host=host, port=int(port))
    App(unique).run(lambda app: STATES[state](router.execute_write, rows, app))


if __name__ == "__main__":
    main()
