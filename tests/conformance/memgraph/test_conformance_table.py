"""The table itself: what a row's tests make of the row."""

from __future__ import annotations

import pytest
from conformance_rows import ROWS
from conformance_table import Row


def row(*results: tuple[str, str, str], expected: int = 2) -> Row:
    """A row after these phases of tests."""
    made = Row(expected)
    for test, outcome, reason in results:
        made.add(test, outcome, reason)
        made.done.add(test)
    return made


def test_there_are_53_rows() -> None:
    numbers = [f"6.2/{number}" for number in range(1, 46)] + [f"6.3/F{number}" for number in range(1, 9)]
    assert sorted(ROWS) == sorted(numbers)


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([("a", "passed", ""), ("b", "passed", "")], ("passed", "")),
        ([("a", "passed", ""), ("b", "failed", "why")], ("failed", "why")),
        ([("a", "passed", ""), ("a", "failed", "in teardown")], ("failed", "in teardown")),
        ([("a", "failed", "why"), ("a", "passed", "")], ("failed", "why")),
        ([("a", "skipped", "no"), ("b", "skipped", "other")], ("skipped", "no")),
        ([("a", "passed", ""), ("b", "skipped", "no")], ("passed", "1 of its 2 tests skipped: no")),
        ([], ("missing", "no test of this row was run")),
    ],
)
def test_the_worst_result_is_the_row_s(results: list[tuple[str, str, str]], verdict: tuple[str, str]) -> None:
    assert row(*results).verdict() == verdict


def test_a_row_is_finished_when_all_its_tests_are() -> None:
    assert not row(("a", "passed", "")).finished
    assert row(("a", "passed", ""), ("b", "passed", "")).finished
    assert not Row().finished
