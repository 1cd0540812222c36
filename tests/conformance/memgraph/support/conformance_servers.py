"""Memgraph instances as the tests see them: Bolt by the neo4j driver, and, where they are ours, their processes."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

import neo4j
import pytest
from conformance_settings import Settings
from memgraph_process import eventually
from neo4j.exceptions import Neo4jError

HOST = "127.0.0.1"
DEADLINE_S = 20.0
"""What Memgraph's own tests give a cluster to reach an expected state."""
STOP_S = 30.0


class Seen(NamedTuple):
    """A row of SHOW REPLICAS without its address. None in all three for an empty data_info (M-2.4)."""

    mode: str
    ts: int | None
    behind: int | None
    status: str | None


class Server:
    """An instance at a Bolt URI. `replication` is the address that its main registers."""

    def __init__(self, uri: str, replication: str) -> None:
        self.uri = uri
        self.replication = replication
        self.driver: neo4j.Driver | None = None

    def connect(self) -> None:
        """Open a driver: of another life of the process, too."""
        self.disconnect()
        self.driver = neo4j.GraphDatabase.driver(self.uri, max_transaction_retry_time=0)

    def disconnect(self) -> None:
        """Close the driver."""
        if self.driver is not None:
            self.driver.close()
            self.driver = None

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port of Bolt."""
        parts = urlsplit(self.uri)
        return parts.hostname or HOST, parts.port or 7687

    def session(self) -> neo4j.Session:
        """A session of its own."""
        assert self.driver is not None
        return self.driver.session()

    def run(self, query: str, **parameters: Any) -> tuple[list[str], list[list[Any]]]:
        """One auto-commit query: columns and rows."""
        with self.session() as session:
            result = session.run(query, parameters)
            return list(result.keys()), [list(record.values()) for record in result]

    def query(self, query: str, **parameters: Any) -> list[list[Any]]:
        """One auto-commit query: its rows."""
        return self.run(query, **parameters)[1]

    def refusal(self, query: str, **parameters: Any) -> Neo4jError:
        """The error of a query that must fail."""
        with pytest.raises(Neo4jError) as caught:
            self.query(query, **parameters)
        return caught.value

    def role(self) -> str:
        """`main` or `replica`."""
        role: str = self.query("SHOW REPLICATION ROLE")[0][0]
        return role

    def replicas(self) -> dict[str, Seen]:
        """SHOW REPLICAS by name, in order. A community server has nothing to say about the system (M-1.3)."""
        seen = {}
        for name, _, mode, system_info, data_info in self.query("SHOW REPLICAS"):
            assert system_info is None
            assert set(data_info) <= {"memgraph"}
            info = data_info.get("memgraph", {})
            seen[name] = Seen(mode, info.get("ts"), info.get("behind"), info.get("status"))
        return seen

    def nodes(self) -> list[tuple[list[str], dict[str, Any]]]:
        """All nodes as (labels, properties), sorted. A read: on a main it takes a timestamp (M-1.3)."""
        nodes = [(sorted(row[0].labels), dict(row[0])) for row in self.query("MATCH (n) RETURN n")]
        return sorted(nodes, key=repr)

    def count(self) -> int:
        """How many nodes."""
        count: int = self.query("MATCH (n) RETURN count(n)")[0][0]
        return count

    def demote(self) -> None:
        """SET REPLICATION ROLE TO REPLICA on the instance's replication port."""
        self.query(f"SET REPLICATION ROLE TO REPLICA WITH PORT {self.replication.rpartition(':')[2]}")

    def promote(self) -> None:
        """SET REPLICATION ROLE TO MAIN. A replica that still applies something refuses for a moment (M-2.3)."""
        eventually(self._promoted, DEADLINE_S)

    def _promoted(self) -> bool:
        with suppress(Neo4jError):
            self.query("SET REPLICATION ROLE TO MAIN")
            return True
        return self.role() == "main"

    def register(self, replica: Server, name: str, mode: str = "SYNC") -> None:
        """REGISTER REPLICA; raises the driver's error if Memgraph refuses."""
        self.query(f"REGISTER REPLICA {name} {mode} TO '{replica.replication}'")

    def drop(self, name: str) -> None:
        """DROP REPLICA."""
        self.query(f"DROP REPLICA {name}")


def settles(ask: Callable[[], Any], expected: Any, seconds: float = DEADLINE_S) -> None:
    """Ask until the answer is the expected one; fail with the last answer."""
    last: list[Any] = []
    with suppress(AssertionError):
        eventually(lambda: last.__setitem__(slice(None), [ask()]) or last[0] == expected, seconds)
    assert last[0] == expected, f"after {seconds:g} s"


def noticed(main: Server, name: str) -> None:
    """Wait until the main knows that a replica is gone: one that is back within three pings is never missed (M-3.6)."""
    settles(lambda: main.replicas()[name].status, "invalid")


class Process(Server):
    """An instance whose process is ours. It keeps its ports and its data directory over all its lives."""

    def __init__(self, settings: Settings, directory: Path, flags: tuple[str, ...] = ()) -> None:
        self._bolt, replication, self._monitoring, self._metrics = (free_port() for _ in range(4))
        super().__init__(f"bolt://{HOST}:{self._bolt}", f"{HOST}:{replication}")
        self.directory = directory
        self.flags = flags
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """Unique on this machine: for containers."""
        return f"conformance-{self._bolt}"

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    def launch(self) -> None:
        """Start the process; `ready` waits for it."""
        assert self._process is None
        self.data.mkdir(parents=True, exist_ok=True)
        command = [part.format(name=self.name, directory=self.directory) for part in self._settings.command]
        flags = {
            "bolt-address": HOST,
            "bolt-port": self._bolt,
            "monitoring-address": HOST,
            "monitoring-port": self._monitoring,
            "metrics-address": HOST,
            "metrics-port": self._metrics,
            "data-directory": self.data,
            "log-file": self.directory / "memgraph.log",
            "log-level": "INFO",
            "telemetry-enabled": "false",
            # The bare binary has no WAL, and without a WAL nothing is replicated (M-3.1).
            "storage-wal-enabled": "true",
            "storage-snapshot-interval-sec": 300,
            "storage-snapshot-on-exit": "false",
            "storage-properties-on-edges": "true",
            "data-recovery-on-startup": "true",
            "replication-restore-state-on-startup": "true",
            "replication-replica-check-frequency-sec": self._settings.check_seconds,
        }
        command += [f"--{flag}={value}" for flag, value in flags.items()]
        with (self.directory / "stderr").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.flags], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def ready(self) -> None:
        """Wait until Bolt is open, which it is when recovery is done (M-3.2), and connect."""
        eventually(self._accepts, self._settings.start_seconds)
        self.connect()

    def _accepts(self) -> bool:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"exit code {code}: {(self.directory / 'stderr').read_text()[-2000:]}"
        with suppress(OSError), socket.create_connection((HOST, self._bolt), timeout=1):
            return True
        return False

    def start(self) -> None:
        """Start and wait."""
        self.launch()
        self.ready()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self._process is not None
        if self._settings.signal_command:
            values = {"name": self.name, "directory": self.directory, "signal": number.name, "number": int(number)}
            command = [part.format(**values) for part in self._settings.signal_command]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=STOP_S)
        else:
            self._process.send_signal(number)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the process, and wait until it is gone. The driver stays: whoever uses it sees what an app sees."""
        self.send(number)
        assert self._process is not None
        self._process.wait(STOP_S)
        self._process = None

    def restart(self) -> None:
        """Kill and start."""
        self.kill()
        self.start()

    def wipe(self) -> None:
        """Remove the data directory of a process that has ended."""
        assert self._process is None
        shutil.rmtree(self.data)

    def close(self) -> None:
        """End whatever is left of it, hung or not."""
        self.disconnect()
        if self._process is not None:
            with suppress(ProcessLookupError, subprocess.SubprocessError):
                self.send(signal.SIGCONT)
            self.kill()


_ports: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, below those the kernel gives to outgoing connections.

    So it stays ours while the instance that uses it is down.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        if port in _ports:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("", port))
                _ports.add(port)
                return port


S = TypeVar("S", bound=Server)


@dataclass(frozen=True, slots=True)
class Cluster(Generic[S]):
    """A main and its registered replicas (`replica_1`, ...), all ready.

    `fresh`: they were empty, so timestamps are those of the reference.
    """

    main: S
    replicas: list[S] = field(default_factory=list)
    fresh: bool = True

    @property
    def all(self) -> list[S]:
        """The main first."""
        return [self.main, *self.replicas]


def register_all(main: Server, replicas: Sequence[Server], modes: tuple[str, ...]) -> None:
    """Make the others replicas of `main`, in order, and wait until all are ready."""
    for replica in replicas:
        if replica.role() == "main":
            replica.demote()
    for number, (replica, mode) in enumerate(zip(replicas, modes, strict=True), 1):
        main.register(replica, f"replica_{number}", mode)
    settles(lambda: {seen.status for seen in main.replicas().values()} - {"ready"}, set())
