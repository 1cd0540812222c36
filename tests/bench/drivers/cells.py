"""What is asked of each driver, and what is known afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sandbox.demo.history import FORBIDDEN

STATES: Final = {
    "idle": "a connection is in the pool, or just open; the app's next write comes during the cut",
    "stream": "half of a result is read",
    "transaction": "a transaction is open that has written; its next query comes during the cut",
    "commit-undecided": "COMMIT is sent; the partner has prepared the write, and the main has not heard of it",
    "commit": "COMMIT is sent; main and partner hold the write, the answer is not out yet",
}
EVENTS: Final = {"planned": "a planned switchover", "kill": "kill -9 of the main"}
NOTHING: Final = "nothing"
ROWS: Final = 5000
"""Of the result that is streamed (conducted.py)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One driver in one state at one event.

    `seen`: the class (and the code, if it has one) of the error that the unit of work ended with, or NOTHING.
    `retried`: the driver began it again by itself. `elapsed_ms`: from the event to its end. `duplicates`: how many
    times its write is on the main beyond the first. `applied`: how many times in all. `forbidden`: errors that speak of
    a write on a replica, those inside a retried unit of work included.
    """

    driver: str
    state: str
    event: str
    seen: str
    retried: bool
    elapsed_ms: int
    duplicates: int
    forbidden: int
    applied: int
    attempts: int
    message: str
    rows: int
    inside: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As `make drivers JSON=path` writes it."""
        return asdict(self) | {"inside": list(self.inside)}


def cell(driver: str, state: str, event: str, *, done: Mapping[str, Any], elapsed_s: float, applied: int) -> Cell:
    """From the program's last line, and from how many times its write is there."""
    failure = done["failure"]
    errors = [*done["errors"], *([failure] if failure else [])]
    return Cell(
        driver=driver,
        state=state,
        event=event,
        seen=_named(failure) if failure else NOTHING,
        retried=done["attempts"] > 1,
        elapsed_ms=round(elapsed_s * 1000),
        duplicates=max(0, applied - 1),
        forbidden=sum(FORBIDDEN in error["message"] for error in errors),
        applied=applied,
        attempts=done["attempts"],
        message=failure["message"] if failure else "",
        rows=done["rows"],
        inside=tuple(dict.fromkeys(_named(error) for error in done["errors"])),
    )


def wrong(cell: Cell) -> str | None:
    """What no explanation can make right: a promise that was broken."""
    where = f"{cell.driver} {cell.state} {cell.event}"
    if cell.forbidden:
        return f"{where}: the app was told that {FORBIDDEN.lower()}"
    if cell.state == "stream":
        if cell.seen == NOTHING and cell.rows != ROWS:
            return f"{where}: {cell.rows} of {ROWS} rows, and no error"
        return None
    if cell.seen == NOTHING and not cell.applied:
        return f"{where}: LOST: the write was acknowledged and is not there"
    return None


def _named(error: Mapping[str, str]) -> str:
    kind, code = error["error"], error["code"]
    return f"{kind} ({code})" if code and code != kind else kind
