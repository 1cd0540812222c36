"""docs/scenarios.md: every scenario and what answers it. `python -m scenario_table` writes it (make scenarios)."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = ROOT / "docs" / "scenarios.md"
_DATA: Final = ROOT / "tests" / "interaction" / "scenarios.toml"
_SCRIPTS: Final = ROOT / "tests" / "interaction" / "scripts"
_CITATION: Final = re.compile(r"\bO-([FLS]\d+)\b")
_HEADINGS: Final = {
    "F": "What such clusters met",
    "L": "What lay dormant",
    "S": "What a proxy per client makes harder",
}
_HEAD: Final = """# Scenarios, and what answers each

Written by `make scenarios` from `tests/interaction/scenarios.toml` and from the tests' own citations (`O-F12`).

A script (`tests/interaction/scripts`) is played in a simulated cluster and compared word by word; the leading
controller is killed at every one of its steps, and the end has to be the same
(`pytest tests/interaction`; `--rewrite` writes down what the scripts say now).
"""


@dataclass(frozen=True)
class Scenario:
    """One scenario; `bound` is what stands in for tests, or limits what they show."""

    ident: str
    title: str
    bound: str = ""


def scenarios() -> list[Scenario]:
    """All of them, in order."""
    data = tomllib.loads(_DATA.read_text())
    return [Scenario(ident, entry["title"], entry.get("bound", "")) for ident, entry in data.items()]


def citations() -> Mapping[str, list[str]]:
    """Scenario -> the scripts and tests that cite it."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(_SCRIPTS.glob("*.txt")):
        comments = " ".join(line for line in path.read_text().splitlines() if line.startswith("#"))
        for ident in dict.fromkeys(_CITATION.findall(comments)):
            found[ident].append(f"[{path.stem}](../{path.relative_to(ROOT)})")
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, text in _docstrings(path):
            for ident in dict.fromkeys(_CITATION.findall(text)):
                found[ident].append(f"`{path.relative_to(ROOT / 'tests')}{name}`")
    return found


def _docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """The docstrings of a file of tests and of its tests."""
    tree = ast.parse(path.read_text())
    yield "", ast.get_docstring(tree) or ""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"::{node.name}", ast.get_docstring(node) or ""


def gaps() -> list[str]:
    """Scenarios that nothing answers, and citations of scenarios that are none."""
    known, cited = {each.ident: each for each in scenarios()}, citations()
    unanswered = [f"{ident}: {each.title}" for ident, each in known.items() if not each.bound and ident not in cited]
    return unanswered + [f"{ident} is cited by {cited[ident][0]}" for ident in cited if ident not in known]


def page() -> str:
    """The page."""
    cited, lines, kind = citations(), [_HEAD], ""
    for each in scenarios():
        if each.ident[0] != kind:
            kind = each.ident[0]
            lines += [f"## {_HEADINGS[kind]}\n", "| | scenario | answered by |", "|---|---|---|"]
        answers = [*cited.get(each.ident, []), *([each.bound] if each.bound else [])]
        end = "\n" if each.ident in _LAST else ""
        lines.append(f"| {each.ident} | {each.title} | {'; '.join(answers)} |{end}")
    return "\n".join(lines)


_LAST: Final = ("F57", "L16", "S34")


if __name__ == "__main__":
    PAGE.write_text(page())
