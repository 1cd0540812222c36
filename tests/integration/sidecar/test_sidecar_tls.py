"""TLS: from the sidecar to Memgraph, checked against the document; and the client's own, through a sidecar that can't
read it. WebSocket likewise."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import replace
from pathlib import Path

import aiohttp
import aiohttp.web
import anyio
import certificates
import neo4j
import pytest
import trustme

from sidecar.bolt.handshake import MAGIC
from sidecar.contract.state import CutKind, Document
from tests.integration.sidecar.conftest import Sidecar, World, cut_of, document

pytestmark = pytest.mark.anyio
HANDSHAKE = MAGIC + bytes.fromhex("00000205 00000000 00000000 00000000")


class Authority:
    """A CA and the files of the servers it vouches for."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.pem = certificates.pem(self.ca)
        self._folder = folder
        folder.mkdir()

    def flags(self, name: str) -> dict[str, str]:
        """Memgraph's flags for a certificate of `name`."""
        return certificates.bolt_flags(self.ca, name, self._folder)


async def _count(session: neo4j.AsyncSession) -> int:
    await (await session.run("CREATE (:Written)")).consume()
    record = await (await session.run("MATCH (n:Written) RETURN count(n)")).single(strict=True)
    return int(record[0])


async def _following(world: World, first: Document) -> Sidecar:
    await world.api.publish(first)
    sidecar = await world.sidecar()
    await sidecar.event("RouteChanged", new_epoch=first.epoch)
    return sidecar


async def test_plain_clients_reach_a_memgraph_with_tls(world: World, tmp_path: Path) -> None:
    """O-S25: the app knows nothing of TLS; the sidecar checks the server against the document's CA and name."""
    authority = Authority(tmp_path / "authority")
    main = await world.memgraph(tmp_path / "main", flags=authority.flags("main.memgraph"))
    named = document(main, tls_ca=authority.pem, tls_server_name="main.memgraph")
    sidecar = await _following(world, named)
    async with neo4j.AsyncGraphDatabase.driver(sidecar.uri()) as driver, driver.session() as session:
        assert await _count(session) == 1
        # A new CA is a new epoch: everybody is cut, and comes back over a connection that the new one vouches for.
        await world.api.publish(replace(named, epoch=2, tls_ca=Authority(tmp_path / "other").pem))
        line = await sidecar.event("RouteChanged", new_epoch=2)
        assert line["connections_cut"] >= 1
        async with anyio.create_task_group() as tasks:
            counts: list[int] = []

            async def write() -> None:
                counts.append(await session.execute_write(_twice))

            tasks.start_soon(write)
            assert "CERTIFICATE_VERIFY_FAILED" in (await sidecar.event("DialFailed"))["message"]
            await world.api.publish(replace(named, epoch=3))
        assert counts == [3]


async def _twice(tx: neo4j.AsyncManagedTransaction) -> int:
    await (await tx.run("UNWIND [1, 2] AS n CREATE (:Written)")).consume()
    return int((await (await tx.run("MATCH (n:Written) RETURN count(n)")).single(strict=True))[0])


async def test_without_a_name_the_certificate_is_for_the_address(world: World) -> None:
    good = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    good.issue_cert("127.0.0.1").configure_cert(context)
    main = await world.peer("main", context)
    sidecar = await _following(world, document(main.address, tls_ca=good.cert_pem.bytes().decode()))
    reader, writer = await asyncio.open_connection("127.0.0.1", sidecar.port)
    writer.write(HANDSHAKE)
    assert await reader.readexactly(4) == b"\0\0\x02\x05"
    writer.close()
    # A name and no CA means the system's authorities, never a connection without TLS.
    await world.api.publish(document(main.address, epoch=2, tls_server_name="127.0.0.1"))
    await sidecar.event("RouteChanged", new_epoch=2)
    reader, writer = await asyncio.open_connection("127.0.0.1", sidecar.port)
    writer.write(HANDSHAKE)
    assert "CERTIFICATE_VERIFY_FAILED" in (await sidecar.event("DialFailed"))["message"]
    writer.close()


async def test_a_client_s_own_tls_passes_through(world: World, tmp_path: Path) -> None:
    """O-S25: end to end; the sidecar sees no Bolt, and cuts by closing."""
    authority = Authority(tmp_path / "authority")
    main = await world.memgraph(tmp_path / "main", flags=authority.flags("127.0.0.1"))
    first = document(main)
    sidecar = await _following(world, first)
    trusted = neo4j.TrustCustomCAs(str(tmp_path / "ca.pem"))
    (tmp_path / "ca.pem").write_text(authority.pem)
    async with (
        neo4j.AsyncGraphDatabase.driver(sidecar.uri(), encrypted=True, trusted_certificates=trusted) as driver,
        driver.session() as session,
    ):
        assert await _count(session) == 1
        assert await sidecar.metric('memgraph_ha_sidecar_bytes_total{port="read-write",direction="up"}') > 500
        await world.api.publish(cut_of(first, CutKind.PLANNED))
        assert (await sidecar.event("RouteChanged", new_epoch=2))["connections_cut"] == 1
        await world.api.publish(replace(first, epoch=3))
        await sidecar.event("RouteChanged", new_epoch=3)
        assert await session.execute_write(_twice) == 3


async def test_a_websocket_passes_through(world: World) -> None:
    """Memgraph Lab and browsers speak Bolt over WebSocket on the same port."""

    async def echo(request: aiohttp.web.Request) -> aiohttp.web.WebSocketResponse:
        socket = aiohttp.web.WebSocketResponse(protocols=("binary",))
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data)
        return socket

    app = aiohttp.web.Application()
    app.router.add_get("/", echo)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    try:
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        sidecar = await _following(world, document(f"{host}:{port}"))
        payload = MAGIC + os.urandom(300_000)
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"http://127.0.0.1:{sidecar.port}/", protocols=("binary",)) as socket,
        ):
            await socket.send_bytes(payload)
            assert await socket.receive_bytes() == payload
    finally:
        await runner.cleanup()
