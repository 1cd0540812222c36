"""A sidecar as a process, between an API server and Bolt peers that the test scripts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.abc
import pytest
import trustme
from anyio.streams.text import TextReceiveStream
from ports import free_port

from sidecar.bolt import messages as m
from sidecar.bolt.chunks import Scanner, pack, unpack
from sidecar.bolt.packstream import Structure, dump, load
from sidecar.contract import env, state
from sidecar.contract.state import CutKind, Document, Phase

NAMESPACE, NAME, TOKEN = "memgraph-ha", "memgraph-ha-state", "a-token"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def document(main: str, epoch: int = 1, **changes: Any) -> Document:
    """A document that publishes `main` (ip:port); its pod UID goes with the address."""
    base = Document(
        term=1, epoch=epoch, phase=Phase.SERVING, cut_kind=None, master_index=0, main_pod="memgraph-ha-0",
        main_uid=f"uid-{main}", main_address=main, main_volume="v0", database_uuid="d0", sync=None,
        read_addresses=(), reason="Test", message="", writer="test", updated_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    return replace(base, **changes)


def cut_of(before: Document, kind: CutKind) -> Document:
    """The cut that follows `before`."""
    return replace(before, epoch=before.epoch + 1, phase=Phase.CUT, cut_kind=kind)


class Api:
    """GET and watch of one ConfigMap over TLS, and every way in which they can go wrong."""

    def __init__(self, port: int, token_dir: Path) -> None:
        self.port = port
        self.token_dir = token_dir
        self.token = TOKEN
        self.asked: list[str] = []
        self.fail_with = 0  # answer everything by this status
        self.mute = False  # answer nothing
        self._item: dict[str, Any] | None = None
        self._version = 10
        self._history: list[tuple[int, bytes]] = []
        self._watchers: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Condition()

    async def publish(self, data: Document | dict[str, str], uid: str = "object-1") -> None:
        """Write the ConfigMap."""
        kind = "MODIFIED" if self._item else "ADDED"
        self._version += 1
        encoded = state.encode(data) if isinstance(data, Document) else data
        self._item = self._object(uid) | {"data": encoded}
        await self._event(kind, self._item)

    async def delete(self) -> None:
        """Delete the ConfigMap."""
        assert self._item is not None
        self._version += 1
        gone = self._object(self._item["metadata"]["uid"]) | {"data": self._item["data"]}
        self._item = None
        await self._event("DELETED", gone)

    async def expire(self) -> None:
        """An ERROR event with 410 inside every watch; whoever asks for an old version gets a status 410."""
        self._history.clear()
        self._version += 100
        gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
        await self._send(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")

    async def watched(self) -> None:
        """Wait until somebody watches."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._watchers))

    async def asked_for(self, what: str, times: int = 1) -> None:
        """Wait until so many requests contained `what`."""
        async with self._changed:
            await self._changed.wait_for(lambda: sum(what in path for path in self.asked) >= times)

    @contextmanager
    def silent_watches(self) -> Iterator[None]:
        """What is published meanwhile does not reach the watches under way."""
        watchers, self._watchers = self._watchers, set()
        yield
        self._watchers = watchers

    def drop_watchers(self) -> None:
        """Cut every watch."""
        for writer in self._watchers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ", 2)[1]
            async with self._changed:
                self.asked.append(path)
                self._changed.notify_all()
            if self.mute:
                await reader.read()
            elif f"authorization: Bearer {self.token}\r\n" not in head:
                await self._answer(writer, 401, {"kind": "Status", "code": 401})
            elif self.fail_with:
                await self._answer(writer, self.fail_with, {"kind": "Status", "code": self.fail_with})
            elif "watch=true" in path:
                await self._watch(reader, writer, path)
            elif self._item is None:
                await self._answer(writer, 404, {"kind": "Status", "code": 404})
            else:
                await self._answer(writer, 200, self._item)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
        assert f"fieldSelector=metadata.name%3D{NAME}" in path
        _, _, since = path.partition("resourceVersion=")
        oldest = self._history[0][0] if self._history else self._version + 1
        if since and int(since) + 1 < oldest and int(since) < self._version:
            await self._answer(writer, 410, {"kind": "Status", "code": 410})
            return
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        if since:
            backlog = [line for version, line in self._history if version > int(since)]
        else:
            backlog = [_line("ADDED", self._item)] if self._item else []
        for line in backlog:
            writer.write(_chunk(line))
        await writer.drain()
        async with self._changed:
            self._watchers.add(writer)
            self._changed.notify_all()
        try:
            await reader.read()
        finally:
            self._watchers.discard(writer)

    async def _answer(self, writer: asyncio.StreamWriter, status: int, body: dict[str, Any]) -> None:
        payload = json.dumps(body).encode()
        writer.write(f"HTTP/1.1 {status} Word\r\ncontent-length: {len(payload)}\r\n\r\n".encode() + payload)
        await writer.drain()

    async def _event(self, kind: str, item: dict[str, Any]) -> None:
        line = _line(kind, item)
        self._history.append((self._version, line))
        await self._send(line)

    async def _send(self, line: bytes) -> None:
        for writer in list(self._watchers):
            writer.write(_chunk(line))
            await writer.drain()

    def _object(self, uid: str) -> dict[str, Any]:
        metadata = {"name": NAME, "namespace": NAMESPACE, "uid": uid, "resourceVersion": str(self._version)}
        return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}


def _line(kind: str, item: dict[str, Any] | None) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def _chunk(line: bytes) -> bytes:
    return f"{len(line):x}\r\n".encode() + line + b"\r\n"


def message(signature: int, *fields: Any) -> bytes:
    """One Bolt message, in chunks."""
    return pack(dump(Structure(signature, fields)))


def success(**metadata: Any) -> bytes:
    return message(m.SUCCESS, metadata)


SERVER = "Neo4j/v5.11.0 compatible graph database server - Memgraph"
Answerer = Callable[[Structure], Awaitable[bytes | None]]


class Peer:
    """A Bolt server that answers as it is told: by default SUCCESS to everything, one row per PULL."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = ""
        self.got: list[Structure] = []
        self.answers: dict[int, Answerer] = {}
        self.connections: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Condition()

    def answer(self, signature: int, reply: bytes | None) -> None:
        """Answer requests of this kind by `reply`; None: not at all."""

        async def fixed(_: Structure) -> bytes | None:
            return reply

        self.answers[signature] = fixed

    async def seen(self, signature: int, times: int = 1) -> None:
        """Wait until so many requests of this kind have come."""
        async with self._changed:
            await self._changed.wait_for(lambda: sum(r.signature == signature for r in self.got) >= times)

    def close_all(self) -> None:
        """Close every connection."""
        for writer in self.connections:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            await reader.readexactly(20)
            writer.write(b"\0\0\x02\x05")
            scanner, held = Scanner(), b""
            while data := await reader.read(65536):
                held += data
                consumed = 0
                for _, _, end_of_message in scanner.feed(data):
                    end = end_of_message + len(held) - len(data)
                    await self._request(load(unpack(held[consumed:end])), writer)
                    consumed = end
                held = held[consumed:]
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.connections.discard(writer)
            writer.transport.abort()

    async def _request(self, request: Structure, writer: asyncio.StreamWriter) -> None:
        async with self._changed:
            self.got.append(request)
            self._changed.notify_all()
        if request.signature in self.answers:
            reply = await self.answers[request.signature](request)
        else:
            reply = self._default(request)
        if reply:
            writer.write(reply)
            await writer.drain()

    def _default(self, request: Structure) -> bytes:
        match request.signature:
            case m.GOODBYE:
                return b""
            case m.HELLO | m.LOGON:
                return success(connection_id="bolt-1", server=SERVER)
            case m.RUN:
                return success(fields=["name"])
            case m.PULL:
                return message(m.RECORD, [self.name]) + success(has_more=False, type="r")
            case _:
                return success()


class Program:
    """A process and its log."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self.process = process
        assert process.stderr is not None
        self._text = TextReceiveStream(process.stderr)
        self._rest = ""
        self.log: list[dict[str, Any]] = []

    async def event(self, name: str, **fields: Any) -> dict[str, Any]:
        """The next log line (from those not asked for yet) with this event and these fields."""
        while True:
            while "\n" in self._rest:
                line, _, self._rest = self._rest.partition("\n")
                entry: dict[str, Any] = json.loads(line)
                self.log.append(entry)
                if entry["event"] == name and all(entry.get(key) == value for key, value in fields.items()):
                    return entry
            self._rest += await self._text.receive()


class Sidecar(Program):
    """The process under test and its ports."""

    port = read_port = admin_port = 0

    async def get(self, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
        """Ask the admin port."""
        reader, writer = await asyncio.open_connection(host, self.admin_port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
            return int(head.split()[1]), body
        finally:
            writer.close()
            await writer.wait_closed()

    async def state(self) -> dict[str, Any]:
        body = (await self.get("/state"))[1]
        return cast("dict[str, Any]", json.loads(body))

    async def metric(self, name: str) -> float:
        """One value of /metrics, by its full name with labels."""
        lines = (await self.get("/metrics"))[1].splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))

    def uri(self) -> str:
        return f"bolt://127.0.0.1:{self.port}"


class World:
    """What a test has: an API server, and sidecars and peers on demand."""

    def __init__(self, api: Api, stack: AsyncExitStack) -> None:
        self.api = api
        self._stack = stack

    async def peer(self, name: str, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Peer:
        peer = Peer(name)
        server = await asyncio.start_server(peer.serve, host, 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        peer.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._stack.push_async_callback(_stop, server, peer.close_all)
        return peer

    async def sidecar(self, **settings: str) -> Sidecar:
        environ = {
            env.NAMESPACE: NAMESPACE, env.CONFIG_MAP: NAME, env.TOKEN_DIR: str(self.api.token_dir),
            env.API_HOST: "127.0.0.1", env.API_PORT: str(self.api.port), env.LISTEN: "127.0.0.1",
            env.PORT: "0", env.READ_PORT: "0", env.ADMIN_PORT: "0", env.ADMIN_ADDRESS: "127.0.0.1",
        }  # fmt: skip
        sidecar = Sidecar(await self._start(["sidecar"], environ | settings))
        line = await sidecar.event("Listening")
        sidecar.port, sidecar.read_port = (int(line[key][0].rpartition(":")[2]) for key in ("read_write", "read"))
        sidecar.admin_port = int(line["admin"].rpartition(":")[2])
        return sidecar

    async def memgraph(self, folder: Path, *first: str, flags: dict[str, str] | None = None) -> str:
        """A simulated Memgraph whose init-file holds these queries, with more flags; its Bolt address."""
        init = anyio.Path(folder, "init")
        await init.parent.mkdir()
        await init.write_text("".join(f"{query}\n" for query in first))
        settings = {
            "bolt-address": "127.0.0.1", "bolt-port": str(free_port()), "data-directory": str(folder / "data"),
            "init-file": str(init), "replication-restore-state-on-startup": "false",
        }  # fmt: skip
        command = ["sandbox.memgraph", *(f"--{name}={value}" for name, value in (settings | (flags or {})).items())]
        line = await Program(await self._start(command, {})).event("Ready")
        return str(line["bolt"])

    async def _start(self, command: list[str], environ: dict[str, str]) -> anyio.abc.Process:
        process = await anyio.open_process(
            [sys.executable, "-P", "-m", *command],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", os.getcwd()), **environ},
            stdin=None,
            stdout=None,
        )
        self._stack.push_async_callback(_end, process)
        return process


async def _end(process: anyio.abc.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    await process.wait()
    await process.aclose()


async def _stop(server: asyncio.Server, close_all: Callable[[], None]) -> None:
    server.close()
    close_all()
    await server.wait_closed()


@asynccontextmanager
async def _api(folder: Path) -> AsyncIterator[Api]:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    (folder / "ca.crt").write_bytes(ca.cert_pem.bytes())
    (folder / "token").write_text(TOKEN)
    api = Api(0, folder)
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0, ssl=context)
    api.port = server.sockets[0].getsockname()[1]
    try:
        yield api
    finally:
        await _stop(server, api.drop_watchers)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    # Within any test nothing takes longer than this; a hang is told by what it hangs in.
    with anyio.fail_after(30):
        async with _api(tmp_path) as api, AsyncExitStack() as stack:
            yield World(api, stack)
