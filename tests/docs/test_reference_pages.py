"""The generated pages are as the code is now: `make reference` writes them."""

from __future__ import annotations

import re

import pytest
import reference_pages
import reference_values

import sidecar.contract.env


@pytest.mark.parametrize("page", reference_pages.PAGES)
def test_the_page_is_as_generated(page: str) -> None:
    text = (reference_pages.DOCS / page).read_text()
    assert reference_pages.filled(page, text) == text, "stale: make reference"


def test_every_variable_the_sidecar_reads_has_a_meaning() -> None:
    asked: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
            asked.add(key)
            return default

    with pytest.raises(sidecar.contract.env.BadSettings):
        sidecar.contract.env.parse(Environment())
    assert asked == sidecar.contract.env.VARIABLES.keys()


def test_defaults_in_meanings_are_the_defaults() -> None:
    """A number that follows `default` is what the sidecar does without the variable."""
    with_default = {n: m for n, m in sidecar.contract.env.VARIABLES.items() if "default" in m}
    given = {name: _default(meaning) for name, meaning in with_default.items()}
    least = {"MEMGRAPH_HA_NAMESPACE": "a", "MEMGRAPH_HA_CONFIG_MAP": "b", "KUBERNETES_SERVICE_HOST": "c"}
    assert sidecar.contract.env.parse(least | given) == sidecar.contract.env.parse(least)


def _default(meaning: str) -> str:
    found = re.search(r"\(default ([^;)]+)", meaning)
    assert found is not None, meaning
    return found[1]


def test_comments_above_and_behind_and_blocks_are_read() -> None:
    text = "# Said of the block.\na:\n  # Of b,\n  # in two lines.\n  b: 1\n  c: {d: 2}  # behind\n\n# far\n\ne: []\n"
    assert reference_values.values(text) == [
        reference_values.Value("a.b", "1", "Said of the block. Of b, in two lines."),
        reference_values.Value("a.c", "{d: 2}", "behind"),
        reference_values.Value("e", "[]", ""),
    ]


def test_a_page_without_its_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="controller:begin"):
        reference_pages.filled("metrics.md", "")
