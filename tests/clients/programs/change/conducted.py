"""What the programs of this folder share: an app that a conductor brings into a state and then asks to go on.

`PROGRAM STATE HOST PORT ID`: the program brings its driver into STATE, prints `{"event": "ready"}` and waits for a line
on stdin while the main changes. Then it finishes its one unit of work (a write of the node `:Change {id}`, or in state
`stream` a read) and prints `{"event": "done", ...}`. The programs in other languages say the same.

States: `idle` (a connection in the pool), `stream` (half of a result is read), `transaction` (open, one write done),
`commit` (its next word is COMMIT).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

WRITE: Final = "CREATE (:Change {id: $id})"
READ: Final = "UNWIND range(1, $rows) AS x RETURN x"
ROWS: Final = 5000
"""More than two portions of 1000 rows, which the drivers fetch at a time."""
HALF: Final = ROWS // 2


class App:
    """One unit of work: how often it was begun, what it read, and every error that the app's code saw on the way."""

    def __init__(self, unique: str) -> None:
        self.id = unique
        self.attempts = 0
        self.rows = 0
        self._errors: list[dict[str, str]] = []
        self._is_ready = False

    def ready(self) -> None:
        """In the state asked for: wait for the conductor, once."""
        if not self._is_ready:
            self._is_ready = True
            print(json.dumps({"event": "ready"}), flush=True)
            sys.stdin.readline()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around what the driver may call again."""
        self.attempts += 1
        self.rows = 0
        try:
            yield
        except Exception as error:
            self._errors.append(described(error))
            raise

    def counted(self, work: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A unit of work for a driver that calls it as often as it likes."""

        def counted(transaction: Any) -> Any:
            with self.attempt():
                return work(transaction)

        return counted

    def run(self, state: Callable[[App], None]) -> None:
        """Do it, and say what came of it."""
        failure: dict[str, str] | None = None
        try:
            state(self)
        except Exception as error:  # whatever the app sees is what is asked for
            failure = described(error)
        answer = {"failure": failure, "attempts": self.attempts, "rows": self.rows, "errors": self._errors}
        print(json.dumps({"event": "done", **answer}), flush=True)


def described(error: Any) -> dict[str, str]:
    """Class, code (if the driver gives one) and text; of a wrapper, those of what it wraps."""
    while type(error).__module__.startswith("gqlalchemy") and error.__cause__ is not None:
        error = error.__cause__
    return {"error": type(error).__name__, "code": getattr(error, "code", None) or "", "message": str(error)}
