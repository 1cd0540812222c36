"""What an image's programs import is compiled once, and told by its content."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = "import sys, json.tool; print(json.tool.__cached__)"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_what_is_imported_is_compiled_by_content(tmp_path: Path) -> None:
    """Bit 0 of the flags: told by content; bit 1 not set: nobody looks at the source again (PEP 552)."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "ours.py").write_text("ANSWER = 42\n")
    made = run(tmp_path / "cache", str(ROOT / "compile_imports.py"), str(tmp_path / "packages"), "json.tool")
    assert (made.returncode, made.stderr) == (0, "")
    compiled = Path(run(tmp_path / "cache", "-c", CODE).stdout.strip())
    assert compiled.is_relative_to(tmp_path / "cache")
    (ours,) = (tmp_path / "cache").rglob("ours.*.pyc")
    assert [int.from_bytes(path.read_bytes()[4:8], "little") for path in (compiled, ours)] == [0b01, 0b01]


def test_a_module_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    failed = run(tmp_path, str(ROOT / "compile_imports.py"), str(tmp_path), "no_such_module")
    assert failed.returncode == 1
    assert "no_such_module" in failed.stderr


def test_without_a_folder_for_them_it_says_how_it_is_used() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPYCACHEPREFIX"}
    command = [sys.executable, str(ROOT / "compile_imports.py"), ".", "json"]
    failed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert "usage: PYTHONPYCACHEPREFIX=" in failed.stderr
