"""The driver matrix's pure parts: what a cell says, what is wrong with it, what explains it, how it is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from client_environments import DRIVERS
from drivers.cells import EVENTS, NOTHING, ROWS, STATES, Cell, cell, wrong
from drivers.explain import NOTES, is_usual, note, unexplained
from drivers.page import BEGIN, END, replaced, shown, tables
from drivers.versions import version

USUAL = Cell("neo4j-6", "commit", "planned", NOTHING, False, 80, 0, 0, 1, 1, "", 0, ())
LOST_ANSWER = replace(USUAL, event="kill", seen="IncompleteCommit", elapsed_ms=8)
UNDECIDED = replace(LOST_ANSWER, state="commit-undecided", applied=0)
TWICE = replace(USUAL, driver="neo4j_java", event="kill", retried=True, attempts=2, applied=2, duplicates=1)
STREAM = replace(USUAL, state="stream", applied=0, rows=ROWS)


def done(**changes: Any) -> dict[str, Any]:
    return {"failure": None, "attempts": 1, "rows": 0, "errors": [], **changes}


def failure(message: str = "gone", **changes: str) -> dict[str, str]:
    return {"error": "TransientError", "code": "", "message": message, **changes}


def made(applied: int = 1, **changes: Any) -> Cell:
    return cell("neo4j-6", "idle", "kill", done=done(**changes), elapsed_s=0.0804, applied=applied)


def test_a_cell_counts_what_the_program_said() -> None:
    found = made(attempts=2, errors=[failure(), failure()])
    assert (found.seen, found.retried, found.elapsed_ms, found.duplicates) == (NOTHING, True, 80, 0)
    assert found.inside == ("TransientError",)


def test_an_error_is_named_by_its_class_and_code() -> None:
    assert made(failure=failure(code="Neo.X")).seen == "TransientError (Neo.X)"
    assert made(failure=failure(code="TransientError")).seen == "TransientError"
    assert made(failure=failure()).message == "gone"


def test_a_refused_write_counts_also_inside_a_transaction_that_was_retried() -> None:
    refused = failure("Write queries are forbidden on the replica instance.")
    assert made(errors=[refused]).forbidden == 1
    assert wrong(made(errors=[refused])) == "neo4j-6 idle kill: the app was told that write queries are forbidden"


def test_what_is_wrong_whatever_explains_it() -> None:
    assert wrong(USUAL) is None
    assert wrong(TWICE) is None
    assert "LOST" in str(wrong(replace(USUAL, applied=0)))
    assert "4999 of 5000 rows" in str(wrong(replace(STREAM, rows=4999)))
    assert wrong(STREAM) is None


@pytest.mark.parametrize("one", [USUAL, STREAM])
def test_a_usual_cell_needs_no_note(one: Cell) -> None:
    assert is_usual(one)
    assert note(one) is None
    assert unexplained(one) is None


@pytest.mark.parametrize("one", [LOST_ANSWER, UNDECIDED, TWICE])
def test_an_unusual_cell_has_one(one: Cell) -> None:
    assert not is_usual(one)
    number = note(one)
    assert number is not None
    assert NOTES[number - 1].fits(one)
    assert unexplained(one) is None


def test_a_note_explains_no_more_than_it_says() -> None:
    for other in (
        replace(LOST_ANSWER, event="planned"),
        replace(LOST_ANSWER, seen="ServiceUnavailable"),
        replace(LOST_ANSWER, state="commit-undecided"),
        replace(LOST_ANSWER, applied=2, duplicates=1),
        replace(TWICE, driver="neo4j-6"),
        replace(TWICE, applied=3, duplicates=2),
    ):
        assert "unexplained" in str(unexplained(other))


def test_cells_as_text() -> None:
    assert shown(USUAL) == "nothing, 80 ms"
    assert shown(LOST_ANSWER) == f"`IncompleteCommit`, 8 ms [{note(LOST_ANSWER)}]"
    assert shown(TWICE) == f"nothing, retried, 80 ms, **1 duplicate** [{note(TWICE)}]"


def test_the_page_gets_a_table_an_event_and_the_notes_that_were_used() -> None:
    text = tables([USUAL, LOST_ANSWER], {"neo4j-6": "6.4.1"}, "machine")
    assert "| neo4j-6 6.4.1 |  |  |  |  | nothing, 80 ms |" in text
    assert text.count("- [") == 1
    assert all(what in text for what in EVENTS.values())
    assert replaced(f"a\n{BEGIN}\nold\n{END}\nb", "new") == f"a\n{BEGIN}\nnew\n{END}\nb"


def test_the_page_in_the_repository_shows_every_driver_in_its_version_and_every_state() -> None:
    text = (Path(__file__).parents[3] / "docs" / "drivers.md").read_text()
    for driver in DRIVERS:
        assert text.count(f"| {driver.name} {version(driver)} |") == len(EVENTS)
    for state in STATES:
        assert f"| `{state}` |" in text
