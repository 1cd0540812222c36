"""Local processes in groups of their own, none of which outlives the runner.

Three nets: the runner kills every group when it ends; the kernel kills a container's first process when the runner
dies (Linux); and a guardian process, which notices the runner's death by the end of its input, kills whole groups.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import anyio

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

_GUARDIAN: Final = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""
"""Reads `+PGID` and `-PGID` lines; when they end, so has the runner."""


class Group:
    """One process and whatever it starts."""

    def __init__(self, process: Process, groups: Groups) -> None:
        self._process = process
        self._groups = groups
        self.pid = process.pid

    async def wait(self) -> int:
        """The first process' exit code (negative: the signal); the rest of its group is killed then."""
        code = await self._process.wait()
        if self._groups.forget(self.pid):
            self.send(signal.SIGKILL)
        return code

    def send(self, number: int) -> None:
        """A signal to the whole group; nobody left is no error."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM when only a zombie is left
            os.killpg(self.pid, number)


class Groups:
    """Starts process groups. Use as an async context manager: at its end every group is killed."""

    def __init__(self) -> None:
        self._alive: dict[int, Process] = {}
        self._guardian: Process | None = None

    async def __aenter__(self) -> Groups:
        self._guardian = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-E", "-c", _GUARDIAN, stdin=PIPE, stdout=DEVNULL, start_new_session=True
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):  # killed processes end at once; they must be waited for all the same
            for group, process in list(self._alive.items()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)
                await process.wait()
            if self._guardian is not None and self._guardian.stdin is not None:
                self._guardian.stdin.close()
                await self._guardian.wait()

    async def start(self, argv: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Group:
        """Start a process with its output appended to `log`. Raises OSError if it can't be started."""
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *argv, env=dict(environment), cwd=folder, stdin=DEVNULL, stdout=output, stderr=STDOUT,
                start_new_session=True, preexec_fn=_die_with_parent if _LIBC else None,
            )  # fmt: skip
        self._alive[process.pid] = process
        self._tell(f"+{process.pid}\n")
        return Group(process, self)

    def forget(self, group: int) -> bool:
        """The group's first process is gone, and its number may be another's soon. False: that was known already."""
        if group not in self._alive:
            return False
        del self._alive[group]
        self._tell(f"-{group}\n")
        return True

    def _tell(self, line: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None and self._guardian.returncode is None:
            self._guardian.stdin.write(line.encode())


def _die_with_parent() -> None:
    """Runs in the child between fork and exec."""
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
