"""Collects every interaction script as one test. `pytest tests/interaction --rewrite` writes down what they say now."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from scripting.play import play
from scripting.script import parse, render

SCRIPTS = Path(__file__).parent / "scripts"


def pytest_addoption(parser: pytest.Parser) -> None:
    """pytest knows these options only when it is given this folder."""
    group = parser.getgroup("interaction")
    group.addoption("--rewrite", action="store_true", help="write what the scripts say now into them; read the diff")
    group.addoption("--crash-at", type=int, metavar="K", help="let the leader die at this step only, and show the run")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Every text file beside the others is a script."""
    if file_path.suffix == ".txt" and file_path.parent == SCRIPTS:
        return ScriptFile.from_parent(parent, path=file_path)
    return None


class ScriptFile(pytest.File):
    """One script."""

    def collect(self) -> Iterable[pytest.Item]:
        yield ScriptItem.from_parent(self, name=self.path.stem)


class Different(Exception):
    """The script said something else than the file."""


class ScriptItem(pytest.Item):
    """Plays the script and compares."""

    def runtest(self) -> None:
        text = self.path.read_text()
        script = parse(text)
        played = play(script)
        now = render(script, played.said)
        if self.config.getoption("--rewrite", False):
            self.path.write_text(now)
        elif now != text:
            raise Different(
                "".join(difflib.unified_diff(text.splitlines(True), now.splitlines(True), "expected", "said now"))
            )
        assert played.ended, "a script ends with `end`: its end state is what a crash anywhere must not change"
        assert not played.problems, f"at its end: {played.problems}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> str | Any:
        if isinstance(excinfo.value, Different):
            return f"{excinfo.value}\nIf that is right: pytest tests/interaction --rewrite, and read the diff."
        return super().repr_failure(excinfo, *args)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"script {self.name}"
