"""The planted bugs as data; that each is caught is `make planted`'s matter."""

from __future__ import annotations

from pathlib import Path

import pytest
from sim.aimed import SCENARIOS
from sim.planted import BUGS, Bug, Catch, DoesNotApply, Edit, load, plant, seeds_for, summary

FILES = sorted(BUGS.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bug_applies_to_the_sources_as_they_are(path: Path, tmp_path: Path) -> None:
    bug = load(path)
    plant(bug, tmp_path)
    assert bug.name == path.stem
    assert bug.rule.startswith("P-")
    assert not bug.scenario or bug.scenario in {name.partition(" ")[0] for name in SCENARIOS}


def test_the_seeds_of_its_scenario_come_first() -> None:
    bug = load(FILES[0])
    seeds = seeds_for(bug)
    assert seeds[0] % 2 == 0
    assert seeds[-1] % 2 == 1


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit("a.py", "twice", "once"), "2 times"),
        (Edit("a.py", "never", "once"), "0 times"),
        (Edit("a.py", "= 1", "= ("), "no Python"),
        (Edit("b.py", "x", "y"), "there is no b.py"),
    ],
)
def test_an_edit_that_does_not_apply_says_why(edit: Edit, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1  # twice, twice\n")
    with pytest.raises(DoesNotApply, match=said):
        edit.apply(tmp_path)


def test_a_bug_that_nobody_noticed_counts_as_planted_only() -> None:
    bug = Bug("b", "P-S2", "4b", "", ())
    found = summary([Catch(bug, None, "no seed shows a violation"), Catch(bug, 8, "LOST")])
    assert (found["planted"], found["caught"]) == (2, 1)
    assert found["bugs"][0] == {"name": "b", "rule": "P-S2", "caught_by_seed": None}
