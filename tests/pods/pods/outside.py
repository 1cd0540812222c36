"""The machine's side: make the namespaces, run the inside in them, and sweep what a cluster leaves on disk."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from envtest.program import LEASH

from pods import cgroups
from pods.processes import children

PREFIX = "memgraph-ha-pods-"
STOP_S = 60.0
"""The inside ends its own part in a few seconds; the kernel does the rest."""


def run(folder: Path, arguments: Sequence[str]) -> int:
    """`python -m pods ARGUMENTS` in namespaces of its own, as their first process; its exit code."""
    enter = [
        "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
        sys.executable, "-m", "pods", "--folder", str(folder), *arguments,
    ]  # fmt: skip
    command = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), _unshare(), *enter]
    process = subprocess.Popen(command)
    (folder / "outside.pid").write_text(str(process.pid))
    try:
        return process.wait()
    except KeyboardInterrupt:
        # Ctrl-C reached the inside, too, which ends in order.
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        return 130
    finally:
        process.kill()
        process.wait()


def enter(folder: Path, command: Sequence[str]) -> int:
    """Run a command inside a cluster that is up."""
    outer = int((folder / "outside.pid").read_text())
    first = children(outer)[0]
    return subprocess.call(["nsenter", "--target", str(first), "--mount", "--net", "--pid", *command])


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for one cluster; it and its control groups are removed at the end, or by the next one's start."""
    _sweep_forgotten()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            _sweep(folder)


def living() -> list[Path]:
    """The folders of clusters that are up."""
    return [folder for folder in _folders() if not _forgotten(folder)]


def _sweep_forgotten() -> None:
    for folder in _folders():
        if _forgotten(folder):
            _sweep(folder)


def _sweep(folder: Path) -> None:
    cgroups.sweep(folder.name)
    shutil.rmtree(folder)


def _folders() -> list[Path]:
    return sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


def _forgotten(folder: Path) -> bool:
    """Whether whoever made it is gone: the kernel took its lock."""
    try:
        with (folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unshare() -> str:
    found = shutil.which("unshare")
    assert found is not None, "`needs` asked for it"
    return found
