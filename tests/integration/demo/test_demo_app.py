"""The demo's app as a process against a simulated Memgraph process: what it records is what happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import neo4j
import pytest
from neo4j.exceptions import DriverError
from ports import free_port

from sandbox.demo.checker import check
from sandbox.demo.history import Kind, Record, decode_all
from sandbox.demo.readback import ReadBack, read_back

pytestmark = pytest.mark.anyio

_LOOK_S = 0.02


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def process(*command: str, log: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that does not outlive its block."""
    with (
        log.open("ab") as out,
        subprocess.Popen([sys.executable, "-m", *command], stdout=out, stderr=out, env=os.environ | environ) as child,
    ):
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()


class Bench:
    """One simulated Memgraph and one app, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.replication_port = free_port(), free_port()
        self.history = folder / "app-0.jsonl"

    @contextmanager
    def memgraph(self) -> Iterator[subprocess.Popen[bytes]]:
        flags = (
            "--bolt-address=127.0.0.1",
            f"--bolt-port={self.port}",
            f"--data-directory={self.folder / 'data'}",
            "--storage-wal-file-flush-every-n-tx=1",
        )
        with process("sandbox.memgraph", *flags, log=self.folder / "memgraph.log") as child:
            yield child

    @contextmanager
    def app(self) -> Iterator[subprocess.Popen[bytes]]:
        with process(
            "sandbox.demo.app",
            log=self.folder / "app.log",
            MEMGRAPH_URI=f"bolt://127.0.0.1:{self.port}",
            APP_NAME="app-0",
            HISTORY=str(self.history),
        ) as child:
            yield child

    def records(self) -> list[Record]:
        text = self.history.read_text() if self.history.exists() else ""
        return decode_all(text.splitlines())[0]

    def count(self, kind: Kind) -> int:
        return sum(record.kind is kind for record in self.records())

    async def run(self, query: str) -> None:
        """One statement, as soon as the server answers at all."""
        async with self.driver() as driver, driver.session() as session:
            await (await session.run(query)).consume()

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[neo4j.AsyncDriver]:
        async with neo4j.AsyncGraphDatabase.driver(f"bolt://127.0.0.1:{self.port}", auth=("", "")) as driver:
            yield driver

    async def ready(self) -> None:
        with anyio.fail_after(20):
            while True:
                try:
                    async with self.driver() as driver:
                        await driver.verify_connectivity()
                    return
                except (DriverError, OSError):
                    await anyio.sleep(_LOOK_S)

    async def ids(self) -> ReadBack | None:
        return await read_back({"memgraph-0": f"127.0.0.1:{self.port}"}, "memgraph-0")


async def until(condition: Callable[[], bool], what: str) -> None:
    with anyio.move_on_after(30):
        while not condition():  # noqa: ASYNC110  # a file tells nobody that it grew
            await anyio.sleep(_LOOK_S)
        return
    pytest.fail(f"never happened: {what}")


async def ended(child: subprocess.Popen[bytes]) -> int:
    await until(lambda: child.poll() is not None, "the end of the process")
    assert child.returncode is not None
    return child.returncode


async def test_every_acknowledged_write_is_read_back_and_nothing_else(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.memgraph(), bench.app() as app:
        await bench.ready()
        await until(lambda: bench.count(Kind.OK) >= 30, "30 acknowledged writes")
        app.send_signal(signal.SIGTERM)
        assert await ended(app) == 0
        found = await bench.ids()
    assert found is not None
    report = check({"app-0": bench.records()}, found.ids)
    assert report.acked >= 30
    assert (report.lost, report.phantom, report.revived, report.duplicated) == ((), (), (), ())
    assert len(found.ids) == report.acked
    assert report.unknown == 0


async def test_a_main_that_became_a_replica_is_recorded_as_forbidden(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.memgraph(), bench.app() as app:
        await bench.ready()
        await until(lambda: bench.count(Kind.OK) >= 5, "5 acknowledged writes")
        await bench.run(f"SET REPLICATION ROLE TO REPLICA WITH PORT {bench.replication_port}")
        await until(lambda: any(record.forbidden for record in bench.records()), "a refused write")
        assert await bench.ids() is None  # no main to read from
        app.send_signal(signal.SIGTERM)
        assert await ended(app) == 0
    refused = [record for record in bench.records() if record.forbidden]
    assert {record.kind for record in refused} == {Kind.FAIL}
    assert "Write queries are forbidden on the replica instance" in refused[0].message


async def test_the_app_survives_its_server_and_its_own_restart_without_using_an_id_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.memgraph() as server, bench.app() as app:
        await bench.ready()
        await until(lambda: bench.count(Kind.OK) >= 10, "10 acknowledged writes")
        server.kill()
        await ended(server)
        before = bench.count(Kind.OK)
        with bench.memgraph():
            await until(lambda: bench.count(Kind.OK) >= before + 10, "10 more acknowledged writes")
            app.kill()
            await ended(app)
            with bench.app() as again:
                more = bench.count(Kind.OK) + 10
                await until(lambda: bench.count(Kind.OK) >= more, "10 more by the restarted app")
                again.send_signal(signal.SIGTERM)
                assert await ended(again) == 0
            found = await bench.ids()
    assert found is not None
    report = check({"app-0": bench.records()}, found.ids)
    assert (report.lost, report.phantom, report.revived, report.duplicated) == ((), (), (), ())
    assert report.retries > 0
    invoked = [record.id for record in bench.records() if record.kind is Kind.INVOKE]
    assert len(invoked) == len(set(invoked))
