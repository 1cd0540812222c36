"""GQLAlchemy with `routing=True`: see routed.py."""

from __future__ import annotations

import sys

import gqlalchemy
from conducted import App
from routed import STATES


def main() -> None:
    state, host, port, unique = sys.argv[1:]
    database = gqlalchemy.Memgraph(host=host, port=int(port), routing=True)
    App(unique).run(
        lambda app: STATES[state](
            database.execute_write, lambda tx, query, given: tx.execute_and_fetch(query, given), app
        )
    )


if __name__ == "__main__":
    main()
