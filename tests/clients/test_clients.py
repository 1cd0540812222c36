"""Drivers of the wild against the simulated Memgraph: what they are told, and how the server saw them leave."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from client_environments import CLIENTS, DRIVERS, Client, ensure
from memgraph_process import ADDRESS, Memgraph, eventually, memgraphs

from sandbox.memgraph.core import errors

pytestmark = pytest.mark.timeout(300)  # the first run installs the client
COUNT: Final = 2500
"""Rows of a read: more than the drivers' fetch size of 1000."""
VALUE: Final = {
    "integers": [0, -16, -17, 127, 128, 2**31, -(2**53) + 1],
    "float": 1.5,
    "text": "Größe 🧭" + "x" * 300,
    "nested": {"list": [[], {}, None, True, False], "empty": ""},
}
USER, PASSWORD = "ann", "correct horse"
NO_QUERY: Final = "THIS IS NO QUERY"


@dataclass
class Server:
    """A running instance and its log."""

    memgraph: Memgraph
    log: Path

    def events(self, start: int) -> list[dict[str, Any]]:
        """The log's lines from a position on."""
        with self.log.open() as file:
            file.seek(start)
            return [json.loads(line) for line in file.read().splitlines() if line.startswith("{")]

    def position(self) -> int:
        """The end of the log."""
        return self.log.stat().st_size


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("clients")
    with memgraphs(directory, 1, "--log-level=DEBUG", born_replica=False) as (memgraph,):
        yield Server(memgraph, memgraph.directory / "log")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that speaks TLS and knows one user."""
    directory = tmp_path_factory.mktemp("guarded")
    certificate = trustme.CA().issue_cert(ADDRESS)
    certificate.cert_chain_pems[0].write_to_path(str(directory / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(directory / "key.pem"))
    (directory / "users").write_text(f"CREATE USER {USER} IDENTIFIED BY '{PASSWORD}';\n")
    tls = (f"--bolt-cert-file={directory / 'cert.pem'}", f"--bolt-key-file={directory / 'key.pem'}")
    users = f"--init-file={directory / 'users'}"
    with memgraphs(directory, 1, "--log-level=DEBUG", *tls, users, born_replica=False) as (memgraph,):
        yield Server(memgraph, memgraph.directory / "log")


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    installed: Client = request.param
    obstacle = installed.obstacle()
    if obstacle is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(obstacle)
    ensure(installed)
    return installed


def play(server: Server, client: Client, scenario: str, **given: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Run a client's program: what it printed, and what the server logged of it until its sessions had ended."""
    start = server.position()
    command, environment = client.command()
    result = subprocess.run(
        [*command, scenario, ADDRESS, str(server.memgraph.bolt), json.dumps(given)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    events = eventually(lambda: _ended(server.events(start)))
    return json.loads(result.stdout), events


def _ended(events: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    begun, ended = (sum(event["event"] == name for event in events) for name in ("SessionBegun", "SessionEnded"))
    return events if begun and begun == ended else None


def assert_clean(events: list[dict[str, Any]], failures: int = 0) -> None:
    """Every session left of its own will, the server understood all that was said, and had nothing to complain of."""
    ends = [event for event in events if event["event"] == "SessionEnded"]
    assert {event["by"] for event in ends} <= {"goodbye", "eof"}
    assert [event for event in events if event["level"] in ("warning", "error")] == []
    failed = [event["text"] for event in events if event["event"] == "QueryFailed"]
    assert len(failed) == failures, failed


@pytest.fixture
def run_id() -> str:
    """Marks the nodes of one test."""
    return str(uuid.uuid4())


@pytest.fixture
def ids(server: Server, run_id: str) -> Callable[[], list[int]]:
    def read() -> list[int]:
        rows = server.memgraph.query("MATCH (n:Client {run: $run}) RETURN n.id ORDER BY n.id", run=run_id)
        return [row[0] for row in rows]

    return read


def test_write(server: Server, client: Client, run_id: str, ids: Callable[[], list[int]]) -> None:
    created, events = play(server, client, "write", run=run_id)
    assert created == [1, 1, 1]
    assert ids() == [1, 2, 3]
    assert_clean(events)


def test_read_more_than_one_portion(server: Server, client: Client) -> None:
    answer, events = play(server, client, "read", count=COUNT)
    assert answer == [COUNT, COUNT * (COUNT + 1) // 2, COUNT, 1]
    assert_clean(events)


def test_parameters_come_back_as_they_were(server: Server, client: Client) -> None:
    answer, events = play(server, client, "parameters", value=VALUE)
    assert answer == VALUE
    assert_clean(events)


def test_node(server: Server, client: Client, run_id: str) -> None:
    answer, events = play(server, client, "node", run=run_id)
    assert answer == {"labels": ["Client", "Named"], "properties": {"run": run_id}}
    assert_clean(events)


def test_error_of_the_server_and_the_next_query(server: Server, client: Client) -> None:
    answer, events = play(server, client, "error", query=NO_QUERY)
    assert "Error on line 1 position 1" in answer["message"]
    assert answer.get("code", errors.CLIENT) == errors.CLIENT
    assert answer["after"] == 1
    assert_clean(events, failures=1)


def test_rollback_and_commit(server: Server, client: Client, run_id: str) -> None:
    answer, events = play(server, client, "rollback", run=run_id)
    assert answer == [0, 1]
    assert_clean(events)


def test_password_over_tls(guarded: Server, client: Client) -> None:
    answer, events = play(guarded, client, "read", count=3, auth=[USER, PASSWORD], tls=True)
    assert answer == [3, 6, 3, 1]
    assert_clean(events)


def test_wrong_password(guarded: Server, client: Client) -> None:
    answer, events = play(guarded, client, "login", auth=[USER, "wrong"], tls=True)
    assert "Authentication failure" in answer["message"]
    assert answer.get("code", errors.UNAUTHENTICATED) == errors.UNAUTHENTICATED
    assert {event["by"] for event in events if event["event"] == "SessionEnded"} == {"login refused"}


def test_a_missing_language_is_said_with_what_helps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    obstacles = {client.name: client.obstacle() for client in DRIVERS if client.obstacle()}
    assert obstacles == {
        "neo4j_javascript": "node and npm are missing: apt-get install nodejs npm",
        "neo4j_java": "mvn and javac are missing: apt-get install maven default-jdk-headless",
        "neo4j_go": "go is missing: apt-get install golang-go",
        "neo4rs": "cargo is missing: apt-get install cargo",
    }
