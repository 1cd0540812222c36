"""Simulated Memgraph instances as real processes, each on its own loopback address where there are many."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import neo4j
from ports import free_port

from sandbox.memgraph import admin

ADDRESS = "127.0.0.1"


def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Ask until the answer is true; the last answer. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = socket.socketpair()
    with pause[0], pause[1]:
        pause[0].settimeout(0.02)
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"still {answer!r} after {seconds:g} s"
            try:
                pause[0].recv(1)
            except TimeoutError:
                continue
    return answer


@dataclass
class Memgraph:
    """One instance: start, kill, ask."""

    directory: Path
    flags: tuple[str, ...] = ()
    bolt: int = field(default_factory=free_port)
    replication: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    driver: neo4j.Driver | None = None

    @property
    def address(self) -> str:
        """As REGISTER wants it."""
        return f"{ADDRESS}:{self.replication}"

    def start(self, *, born_replica: bool = True) -> Memgraph:
        """Start and wait until Bolt answers."""
        self.directory.mkdir(exist_ok=True)
        arguments = [
            f"--bolt-address={ADDRESS}",
            f"--bolt-port={self.bolt}",
            f"--data-directory={self.directory / 'data'}",
            f"--sim-admin-port={self.admin_port}",
            "--storage-wal-file-flush-every-n-tx=1",
            *self.flags,
        ]
        if born_replica:
            role = f"SET REPLICATION ROLE TO REPLICA WITH PORT {self.replication};\n"
            (self.directory / "init").write_text(role * 2)
            arguments += [f"--init-file={self.directory / 'init'}", "--replication-restore-state-on-startup=false"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.memgraph", *arguments], stderr=log, stdin=subprocess.DEVNULL
            )
        eventually(self._accepts)
        self.driver = neo4j.GraphDatabase.driver(f"bolt://{ADDRESS}:{self.bolt}", max_transaction_retry_time=0)
        return self

    def _accepts(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "log").read_text()
        try:
            socket.create_connection((ADDRESS, self.bolt), timeout=1).close()
        except OSError:
            return False
        return True

    def query(self, text: str, **parameters: Any) -> list[list[Any]]:
        """One auto-commit query."""
        assert self.driver is not None
        with self.driver.session() as session:
            return [list(record.values()) for record in session.run(text, parameters)]

    def status(self) -> dict[str, dict[str, Any]]:
        """data_info by registration name."""
        return {row[0]: row[4].get("memgraph", {}) for row in self.query("SHOW REPLICAS")}

    def ids(self) -> list[int]:
        """The ids of all :T nodes."""
        return [row[0] for row in self.query("MATCH (n:T) RETURN n.id ORDER BY n.id")]

    def admin(self, **command: Any) -> dict[str, Any]:
        """One command to the admin port."""
        return anyio.run(admin.send, ADDRESS, self.admin_port, command)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> int:
        """End the process; its exit code."""
        if self.driver is not None:
            self.driver.close()
            self.driver = None
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(number)
        process, self.process = self.process, None
        return process.wait(10)


@contextmanager
def memgraphs(directory: Path, count: int, *flags: str, born_replica: bool = True) -> Iterator[list[Memgraph]]:
    """Running instances."""
    instances = [Memgraph(directory / f"m{index}", flags) for index in range(count)]
    try:
        for instance in instances:
            instance.start(born_replica=born_replica)
        yield instances
    finally:
        for instance in instances:
            instance.stop()
