"""The tests, files and golden pods that docs/injection.md names are there."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs/injection.md").read_text()
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("| feature | memgraph-ha | test |")[2].splitlines()[2:]
    if line.startswith("|")
]
GOLDEN: Final = [path.stem for path in (ROOT / "tests/golden/webhook").iterdir()]
OTHERS: Final = ("check_answer", "make test", "make fuzz-admission")
TESTS: Final = [
    name
    for path in ROOT.glob("tests/**/test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
]


def test_the_table_is_there() -> None:
    assert len(ROWS) > 30
    assert all(len(row) == 3 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_feature_names_tests_that_are_there(row: list[str]) -> None:
    """By links to files (test_links.py follows them), by functions, or by golden pods."""
    proof = row[2]
    named = re.findall(r"`([^`]+)`", proof)
    assert named or "](" in proof or "golden" in proof
    for name in named:
        known = TESTS if name.startswith("test_") else [*GOLDEN, *OTHERS]
        assert any(fnmatch(one, name) for one in known), name
