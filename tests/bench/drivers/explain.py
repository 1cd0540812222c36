"""Why a cell is not simply 'the app saw nothing, the write is there once': the rule behind it. Pure.

Each note says of which drivers, states and events it speaks and what the app saw there. What no note fits is
unexplained, and `make drivers` fails: either a driver has changed, or we have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from drivers.cells import NOTHING, Cell

NEO4J_PYTHON: Final = ("neo4j-5", "neo4j-6")
MGCLIENT: Final = ("pymgclient", "gqlalchemy")
TRIES_AGAIN: Final = ("neo4j_javascript", "neo4j_java", "pymgclient-routed", "gqlalchemy-routed")
"""Whatever became of their COMMIT."""
COMMITS: Final = ("commit", "commit-undecided")
_TRANSIENT: Final = "Neo.TransientError.General.DatabaseUnavailable"


@dataclass(frozen=True, slots=True)
class Note:
    """`seen`: what the app saw, in any of these words. `applied`: how often the write is there, by state (else 0)."""

    drivers: tuple[str, ...]
    states: tuple[str, ...]
    events: tuple[str, ...]
    seen: tuple[str, ...]
    text: str
    applied: Mapping[str, int] = field(default_factory=dict)

    def fits(self, cell: Cell) -> bool:
        """Whether it explains this cell."""
        return (
            cell.driver in self.drivers
            and cell.state in self.states
            and cell.event in self.events
            and cell.seen in self.seen
            and cell.applied == self.applied.get(cell.state, 0)
        )


_BOTH: Final = ("planned", "kill")
NOTES: Final = (
    Note(
        (*NEO4J_PYTHON, "neo4j_go", "neo4rs"), COMMITS, ("kill",),
        ("IncompleteCommit", "ConnectivityError", "IOError"),
        "A COMMIT without an answer has an unknown outcome: after a failover the sidecar forwards nothing more of the "
        "old main (P-C1), and does not make up an answer. The driver says so and leaves the rest to the app: the write "
        "is there if the partner was told of the decision (`commit`), and is not if it was not (`commit-undecided`).",
        applied={"commit": 1},
    ),
    Note(
        MGCLIENT, COMMITS, ("kill",), ("TransientError",),
        "The same unknown outcome (P-C1), under a name that promises more: mgclient calls every lost connection a "
        "TransientError, before a COMMIT and after it. An app that tries again by that name writes twice in the column "
        "`commit`.",
        applied={"commit": 1},
    ),
    Note(
        TRIES_AGAIN, ("commit",), ("kill",), (NOTHING,),
        "The same unknown outcome (P-C1), but this driver takes a lost COMMIT for a failed attempt and runs the "
        "managed transaction again. That is right for `commit-undecided`; here the first one had reached the partner, "
        "so the write is there twice. No proxy can know better; a write that must not happen twice carries a key of "
        "its own: `MERGE`, or a constraint.",
        applied={"commit": 2},
    ),
    Note(
        MGCLIENT, ("idle",), _BOTH, ("TransientError",),
        "There is one connection and no pool: that it ended is noticed when it is used. Nothing reached a database. "
        "The app connects again; that connection is held until the new main is published.",
    ),
    Note(
        MGCLIENT, ("transaction",), _BOTH, ("TransientError",),
        "mgclient sends BEGIN and COMMIT as queries, so the sidecar sees no transaction in which it could answer, and "
        "only ends the connection. Nothing was committed; the app connects and begins its transaction again.",
    ),
    Note(
        ("pymgclient",), ("stream",), _BOTH, ("TransientError",),
        "An auto-commit read between two portions of its rows (mgclient asks for one row at a time): the sidecar ends "
        "the connection, the app connects and reads again from the start.",
    ),
    Note(
        ("neo4rs",), ("transaction",), _BOTH, (f"Neo4j ({_TRANSIENT})",),
        "neo4rs retries `Graph::run` and `Graph::execute` by itself, and no transaction. What it was told is true and "
        "retriable: nothing was committed; the app begins its transaction again.",
    ),
    Note(
        ("neo4rs",), ("stream",), _BOTH, ("UnexpectedMessage",),
        f"neo4rs expects no FAILURE to PULL and wraps the one it got, whose code is `{_TRANSIENT}`. Nothing was "
        "committed; the app begins its transaction again.",
    ),
)  # fmt: skip


def is_usual(cell: Cell) -> bool:
    """The app saw nothing and its write is there once: what everybody wants, and needs no words."""
    return cell.seen == NOTHING and cell.applied == (0 if cell.state == "stream" else 1)


def note(cell: Cell) -> int | None:
    """The number of the note that explains an unusual cell, from 1; None if there is none, or none is needed."""
    if is_usual(cell):
        return None
    return next((number for number, one in enumerate(NOTES, start=1) if one.fits(cell)), None)


def unexplained(cell: Cell) -> str | None:
    """A sentence about a cell that is unusual and that no note fits."""
    if is_usual(cell) or note(cell) is not None:
        return None
    return (
        f"{cell.driver} {cell.state} {cell.event}: unexplained: saw {cell.seen} ({cell.message}), "
        f"applied {cell.applied} times"
    )
