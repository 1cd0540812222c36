"""A real Neo4j behind the sidecar, with drivers that people use: an upstream that nobody here wrote. `make neo4j`."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc
import neo4j
import pytest
from client_environments import CLIENTS, Client, ensure, installed
from drivers.program import program
from neo4j_server import NEO4J, running

from sidecar.bolt import messages as m
from sidecar.bolt.handshake import MAGIC, encode
from sidecar.bolt.packstream import Structure, load
from sidecar.contract.state import CutKind
from tests.integration.sidecar.conftest import Sidecar, World, cut_of, document, message

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120), pytest.mark.xdist_group("neo4j")]
ASKED: Final = [client for client in CLIENTS if client.name in ("neo4j-6", "neo4j_javascript")]
COUNT: Final = 2500
"""Rows of a read: more than the drivers' fetch size of 1000."""
WRITTEN: Final = "MATCH (n:Change {id: $id}) RETURN count(n)"
VALUE: Final = {"integers": [0, -17, 2**31], "float": 1.5, "text": "Größe 🧭" + "x" * 70_000, "nested": {"list": [[]]}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not installed(NEO4J):
        pytest.skip("make neo4j installs the server")
    with running(tmp_path_factory.mktemp("neo4j")) as address:
        yield address


@pytest.fixture(params=ASKED, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    obstacle = found.obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    ensure(found)
    return found


async def before(world: World, server: str) -> Sidecar:
    """A sidecar that has found this server to be the main."""
    await world.api.publish(document(server))
    sidecar = await world.sidecar()
    await sidecar.event("RouteChanged", new_epoch=1)
    return sidecar


async def play(sidecar: Sidecar, client: Client, scenario: str, **given: Any) -> Any:
    """What a client's program answers."""
    command, environment = client.command()
    result = await anyio.run_process(
        [*command, scenario, "127.0.0.1", str(sidecar.port), json.dumps(given)],
        env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout.decode()
    return json.loads(result.stdout)


async def found(server: str, query: str, **parameters: Any) -> list[Any]:
    """The first column of what the server itself answers."""
    async with neo4j.AsyncGraphDatabase.driver(f"bolt://{server}") as driver:
        records, _, _ = await driver.execute_query(query, parameters)
    return [record[0] for record in records]


@pytest.mark.parametrize("scheme", ["bolt", "neo4j"])
async def test_queries_streams_transactions_and_errors(world: World, server: str, client: Client, scheme: str) -> None:
    sidecar = await before(world, server)
    run = str(uuid.uuid4())
    assert await play(sidecar, client, "write", run=run, scheme=scheme) == [1, 1, 1]
    assert await play(sidecar, client, "read", count=COUNT, scheme=scheme) == [
        COUNT,
        COUNT * (COUNT + 1) // 2,
        COUNT,
        1,
    ]
    assert await play(sidecar, client, "parameters", value=VALUE, scheme=scheme) == VALUE
    assert await play(sidecar, client, "rollback", run=str(uuid.uuid4()), scheme=scheme) == [0, 1]
    error = await play(sidecar, client, "error", query="THIS IS NO QUERY", scheme=scheme)
    assert error["code"] == "Neo.ClientError.Statement.SyntaxError"
    assert error["after"] == 1
    async with neo4j.AsyncGraphDatabase.driver(f"bolt://{server}") as driver:
        records, _, _ = await driver.execute_query(
            "MATCH (n:Client {run: $run}) RETURN n.id AS id ORDER BY id", run=run
        )
    assert [record["id"] for record in records] == [1, 2, 3]


async def test_a_driver_on_neo4j_scheme_stays_with_the_sidecar(world: World, server: str) -> None:
    sidecar = await before(world, server)
    async with neo4j.AsyncGraphDatabase.driver(f"neo4j://127.0.0.1:{sidecar.port}") as driver:
        _, written, _ = await driver.execute_query("CREATE (:Client)")
        _, read, _ = await driver.execute_query("RETURN 1", routing_=neo4j.RoutingControl.READ)
    assert [written.server.address, read.server.address] == [("127.0.0.1", sidecar.port)] * 2


@pytest.mark.parametrize("kind", list(CutKind))
@pytest.mark.parametrize("state", ["idle", "stream", "transaction"])
async def test_a_cut_is_survived_in_every_state(
    world: World, server: str, client: Client, state: str, kind: CutKind, tmp_path: Path
) -> None:
    sidecar = await before(world, server)
    unique = str(uuid.uuid4())
    async with program(client, state, f"127.0.0.1:{sidecar.port}", unique, tmp_path / "log") as app:
        await app.ready()
        first = document(server)
        await world.api.publish(cut_of(first, kind))
        await sidecar.event("RouteChanged", new_epoch=2)
        await app.go_on()
        await world.api.publish(document(server, epoch=3, main_uid="the same server under another name"))
        done = await app.done()
    assert done["failure"] is None, done
    assert done["attempts"] == (1 if state == "idle" else 2)
    assert await found(server, WRITTEN, id=unique) == [0 if state == "stream" else 1]


async def test_an_open_transaction_of_a_version_that_is_understood_gets_a_failure_to_retry(
    world: World, server: str
) -> None:
    """Drivers of today and Neo4j agree by a manifest, which passes unseen; an older handshake is followed."""
    sidecar = await before(world, server)
    unique = str(uuid.uuid4())
    async with await anyio.connect_tcp("127.0.0.1", sidecar.port) as stream:
        client = Raw(stream)
        assert await client.shake_hands((5, 4)) == (5, 4)
        await client.ask(m.HELLO, {"user_agent": "test/1", "bolt_agent": {"product": "test/1"}})
        await client.ask(m.LOGON, {"scheme": "none"})
        await client.ask(m.BEGIN, {})
        await client.ask(m.RUN, "CREATE (:Change {id: $id})", {"id": unique}, {})
        await client.ask(m.PULL, {"n": -1})
        await world.api.publish(cut_of(document(server), CutKind.FAILOVER))
        await sidecar.event("RouteChanged", new_epoch=2)
        answer = await client.ask(m.COMMIT)
    assert answer.signature == m.FAILURE
    assert answer.fields[0]["code"] == "Neo.TransientError.General.DatabaseUnavailable"
    assert await found(server, WRITTEN, id=unique) == [0]


class Raw:
    """A client that says which Bolt version it wants."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream
        self._held = b""

    async def shake_hands(self, version: tuple[int, int]) -> tuple[int, int]:
        """Offer one version; the one that was agreed on."""
        await self._stream.send(MAGIC + encode(version) + bytes(12))
        answer = await self._take(4)
        return answer[3], answer[2]

    async def ask(self, signature: int, *fields: Any) -> Structure:
        """One request, and its summary."""
        await self._stream.send(message(signature, *fields))
        while True:
            whole = b""
            while size := int.from_bytes(await self._take(2), "big"):
                whole += await self._take(size)
            answer: Structure = load(whole)
            if answer.signature != m.RECORD:
                return answer

    async def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            self._held += await self._stream.receive()
        taken, self._held = self._held[:size], self._held[size:]
        return taken
