"""The hot modules compiled (compile_sidecar.py) do what their sources do: the same tests, over the same program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from compiled import ROOT, compiled_sidecar

from compile_sidecar import MODULES, NotCompiled

TESTS = ("tests/unit/sidecar", "tests/integration/sidecar/test_sidecar_process.py")


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """In which the compiled sidecar is found first."""
    try:
        code = compiled_sidecar()
    except NotCompiled as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(reason))
    return {"PATH": os.environ["PATH"], "PYTHONPATH": f"{code}{os.pathsep}{ROOT}"}


def _run(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-P", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_the_extensions_are_what_is_imported(environment: dict[str, str]) -> None:
    names = [module.removesuffix(".py").replace("/", ".") for module in MODULES]
    code = f"import importlib\nfor name in {names}: print(importlib.import_module(name).__file__)"
    files = _run(environment, "-c", code).splitlines()
    assert [Path(file).suffix for file in files] == [".so"] * len(MODULES)


@pytest.mark.timeout(300)
def test_they_pass_the_tests_of_their_sources(environment: dict[str, str]) -> None:
    assert " passed" in _run(environment, "-m", "pytest", "-q", *TESTS)
