"""Programs under measurement: started on a core of their own, asked for CPU and memory, ended for certain."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START_S: Final = 20.0
_END_S: Final = 10.0
_LOOK_S: Final = 0.0005
"""Between two looks whether a port listens: what `listening_ms` may be wrong by."""


class DidNotStart(Exception):
    """The program ended, or does not listen; the message says what it said."""


@dataclass(frozen=True, slots=True)
class Running:
    """A program that listens."""

    pid: int
    port: int
    listening_s: float
    """From just before it was started to the first connection that was accepted."""

    def cpu_s(self) -> float:
        """CPU time so far, in seconds."""
        return cpu_s(self.pid)

    def rss_kib(self) -> int:
        """Resident memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise DidNotStart(f"process {self.pid} has ended")


def cpu_s(pid: int) -> float:
    """CPU time of all threads of a process so far, ended ones too: the kernel's own clock, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) does: CPUCLOCK_SCHED of a process


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started in here runs on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def program(
    command: Sequence[str], port: int, log: Path, core: int, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Start it on `core`; it listens on `port` of the loopback. Raises DidNotStart."""
    with log.open("ab") as sink, pinned(core):
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment)
    try:
        wait_until(lambda: _accepts(process, port, log), f"{command[0]} on port {port}", _LOOK_S)
        yield Running(process.pid, port, time.perf_counter() - began)
    finally:
        end(process)


def wait_until(condition: Callable[[], bool], what: str, look_s: float = 0.02) -> None:
    """Look again and again. Raises DidNotStart."""
    deadline = time.monotonic() + START_S
    nothing = select.poll()
    while not condition():
        if time.monotonic() > deadline:
            raise DidNotStart(f"{what}: not within {START_S:g} s")
        nothing.poll(look_s * 1000)


def end(process: subprocess.Popen[bytes]) -> None:
    """At once: nothing of it is needed again."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait(_END_S)


def _accepts(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    if process.poll() is not None:
        said = log.read_text(errors="replace").strip()[-500:]
        raise DidNotStart(f"it ended with {process.returncode}: {said}")
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
