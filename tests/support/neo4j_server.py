"""A real Neo4j (Community) as an upstream that nobody here wrote; `python neo4j_server.py` installs it (130 MB)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import neo4j
from client_environments import ensure
from client_kinds import ENVIRONMENTS, PROGRAMS, missing
from compiled_clients import copy_jars
from memgraph_process import ADDRESS, eventually
from ports import free_port

START_S: Final = 60.0
"""Ordinary is 15 s on two cores."""
_OPEN: Final = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
_CONFIGURATION: Final = """\
server.bolt.listen_address={address}:{port}
server.http.enabled=false
dbms.security.auth_enabled=false
dbms.usage_report.enabled=false
server.memory.pagecache.size=64m
"""


@dataclass(frozen=True)
class Neo4jServer:
    """The jars named in its pom.xml."""

    name: str = "neo4j_server"

    @property
    def directory(self) -> Path:
        """Where it is installed."""
        return ENVIRONMENTS / self.name

    @property
    def pins(self) -> tuple[Path, ...]:
        """What decides whether an environment is still the right one."""
        return (PROGRAMS / self.name / "pom.xml",)

    def obstacle(self) -> str | None:
        """Why it can't be had on this machine, and what would help."""
        return missing("mvn", "java", package="maven default-jdk-headless")

    def install(self) -> None:
        """Make the environment."""
        self.directory.mkdir(parents=True)
        shutil.copy(self.pins[0], self.directory)
        copy_jars(self.directory)

    def command(self, home: Path) -> list[str]:
        """Its command line; `home` has conf/neo4j.conf."""
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPEN]
        path = str(self.directory / "lib" / "*")
        place = [f"--home-dir={home}", f"--config-dir={home / 'conf'}"]
        return ["java", "-Xmx512m", *opened, "-cp", path, "org.neo4j.server.CommunityEntryPoint", *place]


NEO4J: Final = Neo4jServer()


@contextmanager
def running(home: Path) -> Iterator[str]:
    """Start it, wait until it answers queries, and stop it at the end; its address."""
    port = free_port()
    (home / "conf").mkdir(parents=True)
    (home / "conf" / "neo4j.conf").write_text(_CONFIGURATION.format(address=ADDRESS, port=port))
    with (home / "log").open("wb") as log, subprocess.Popen(NEO4J.command(home), stdout=log, stderr=log) as process:
        try:
            eventually(lambda: _answers(process, home, port), START_S)
            yield f"{ADDRESS}:{port}"
        finally:
            process.kill()  # nothing of it is read again


def _answers(process: subprocess.Popen[bytes], home: Path, port: int) -> bool:
    """Its listener is there before its database, and its first write takes seconds."""
    assert process.poll() is None, (home / "log").read_text()
    try:
        with neo4j.GraphDatabase.driver(f"bolt://{ADDRESS}:{port}") as driver:
            driver.execute_query("CREATE (n) DELETE n")
    except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError):
        return False
    return True


def main() -> int:
    """Install it."""
    obstacle = NEO4J.obstacle()
    if obstacle is not None:
        print(obstacle, file=sys.stderr)
        return 1
    ensure(NEO4J)
    return 0


if __name__ == "__main__":
    sys.exit(main())
