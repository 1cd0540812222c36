"""One running program: started on a leash, its log in a file, waited for when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from envtest.failure import DidNotStart

LEASH = Path(__file__).with_name("leash.py")
_LOOK_EVERY_S = 0.05
STOP_S = 30.0
"""An API server takes more than 3 s, and on busy cores much more."""


# The kernel ends a program when the *thread* that started it ends: this one lives as long as we do.
_STARTER = ThreadPoolExecutor(1, thread_name_prefix="envtest")


def _start(command: list[str], output: int) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C is for us, and we end the programs in the right order.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)


class Running:
    """A program that runs until `stop` or `kill`, or until whoever started it dies."""

    def __init__(self, binary: Path, flags: list[str], log: Path) -> None:
        self.name = binary.name
        self.log = log
        command = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(binary), *flags]
        with log.open("ab") as output:
            self._process = _STARTER.submit(_start, command, output.fileno()).result()

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for a condition. Raises DidNotStart if the program ends first, or in `seconds`."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.died_within(_LOOK_EVERY_S):
                raise DidNotStart(f"{self.name} ended with {self._process.returncode}; its log ends:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise DidNotStart(f"{self.name} was not ready in {seconds:g} s; its log ends:\n{self.tail()}")

    def died_within(self, seconds: float) -> bool:
        """Wait so long at most for its end."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:]

    def freeze(self) -> None:
        """Let it hang, with its connections open, until `thaw`."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)  # its threads stop a little later

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Ask it to end, and wait; kill it if it takes too long."""
        self._process.terminate()
        if not self.died_within(STOP_S):
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
