"""docs/scenarios.md is up to date and has no gaps."""

from __future__ import annotations

import scenario_table


def test_every_scenario_is_answered() -> None:
    """By a test or script that cites it, or by a stated bound; and nobody cites what is none."""
    assert scenario_table.gaps() == []


def test_the_page_is_what_the_tests_say() -> None:
    """`make scenarios` writes it."""
    assert scenario_table.PAGE.read_text() == scenario_table.page()


def test_all_of_them_are_there() -> None:
    """F1 to F57, L1 to L16, S1 to S34."""
    counts = {"F": 57, "L": 16, "S": 34}
    expected = [f"{kind}{number}" for kind, count in counts.items() for number in range(1, count + 1)]
    assert [each.ident for each in scenario_table.scenarios()] == expected
