"""What the Memgraph instances themselves say and hold, asked by a driver through `kubectl port-forward`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import neo4j
from neo4j.exceptions import DriverError, Neo4jError

from e2e.waiting import Unanswered

BOLT = 7687
_CONNECT_S = 5.0


@contextmanager
def forwarded(namespace: str, target: str, port: int) -> Iterator[int]:
    """A port of this machine that leads to `target` (such as pod/NAME). Raises Unanswered."""
    command = ["kubectl", "-n", namespace, "port-forward", "--address=127.0.0.1", target, f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()  # Forwarding from 127.0.0.1:40123 -> 7687
            if not line:
                raise Unanswered(f"port-forward to {target}: {process.stderr.read().strip()}")
            yield int(line.split("->")[0].rpartition(":")[2])
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Replica:
    """As its main describes it."""

    name: str
    status: str
    behind: int


@dataclass(frozen=True, slots=True)
class Instance:
    """One pod's Memgraph."""

    pod: str
    driver: neo4j.Driver

    def ask(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """One statement. Raises Unanswered."""
        try:
            with self.driver.session() as session:
                return session.run(query, parameters).data()
        except (DriverError, Neo4jError, OSError) as error:
            raise Unanswered(f"{self.pod}: {query}: {error}") from error

    def role(self) -> str:
        """`main` or `replica`. Raises Unanswered."""
        return str(self.ask("SHOW REPLICATION ROLE")[0]["replication role"])

    def replicas(self) -> list[Replica]:
        """Those registered with it. Raises Unanswered."""
        found = []
        for row in self.ask("SHOW REPLICAS"):
            info = (row.get("data_info") or {}).get("memgraph") or {}
            found.append(Replica(row["name"], str(info.get("status", "unknown")), int(info.get("behind", -1))))
        return found

    def ids(self, since: int) -> list[str]:
        """Of the writes that were begun at this second or later. Raises Unanswered."""
        return [
            str(row["id"]) for row in self.ask("MATCH (w:Write) WHERE w.at >= $since RETURN w.id AS id", since=since)
        ]


@contextmanager
def instances(
    namespace: str, pods: Sequence[str], auth: tuple[str, str] | None = None, scheme: str = "bolt"
) -> Iterator[list[Instance]]:
    """All of them at once. `scheme` bolt+ssc: by TLS, whoever signed. Raises Unanswered."""
    if not pods:
        yield []
        return
    with forwarded(namespace, f"pod/{pods[0]}", BOLT) as port:
        uri = f"{scheme}://127.0.0.1:{port}"
        driver = neo4j.GraphDatabase.driver(uri, auth=auth, connection_timeout=_CONNECT_S, telemetry_disabled=True)
        with driver, instances(namespace, pods[1:], auth, scheme) as others:
            yield [Instance(pods[0], driver), *others]
