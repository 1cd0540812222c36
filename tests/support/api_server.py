"""The sandbox's API server as a process of its own, for tests; yields the path of its kubeconfig."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select

import anyio

_START_S = 20.0


@contextmanager
def api_server(folder: Path, *options: str) -> Iterator[Path]:
    """Start it, wait until it can be connected to, stop it at the end."""
    command = [sys.executable, "-m", "sandbox.kubernetes", "--dir", str(folder), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            kubeconfig = folder / "kubeconfig"
            deadline = time.monotonic() + _START_S
            assert process.stderr is not None
            while not kubeconfig.exists():
                assert process.poll() is None, process.stderr.read().decode()
                assert time.monotonic() < deadline, "the API server did not start"
                select([process.stderr], [], [], 0.02)
            yield kubeconfig
        finally:
            process.terminate()
            process.communicate(timeout=10)


async def until(what: str, condition: object, seconds: float = 10.0) -> None:
    """Wait for a condition (a callable) with a deadline; fails with `what`."""
    assert callable(condition)
    deadline = anyio.current_time() + seconds
    while not condition():
        assert anyio.current_time() < deadline, f"not within {seconds} s: {what}"
        await anyio.sleep(0.01)
