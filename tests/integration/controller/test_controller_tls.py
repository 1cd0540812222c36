"""Instances that speak nothing but TLS, with real processes: checked, published, through a failover and another CA."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
import trustme
from cell import Cell, cell
from certificates import bolt_flags, pem
from memgraph_process import Memgraph

from controller.core.model import Found, Tls
from controller.memgraph import Bolt
from controller.ports import Silent
from controller.trust import context
from sidecar.contract.state import Document

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
NAME = "r-nodes.db.svc"
"""In every certificate; the addresses are in none."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def memgraph_flags(authority: trustme.CA, folder: Path) -> tuple[str, ...]:
    """As words of its command."""
    return tuple(f"--{flag}={path}" for flag, path in bolt_flags(authority, NAME, folder).items())


def speaks_tls(it: Cell, folder: Path, authority: trustme.CA) -> None:
    """From everybody's next start on."""
    (folder / "ca.crt").write_text(pem(authority))
    it.flags = memgraph_flags(authority, folder)
    it.variables = {"MEMGRAPH_HA_TLS_CA_FILE": str(folder / "ca.crt"), "MEMGRAPH_HA_TLS_SERVER_NAME": NAME}
    it.tls = context(Tls(pem(authority), NAME))


@pytest.fixture
async def running(tmp_path: Path, authority: trustme.CA) -> AsyncIterator[Cell]:
    async with cell(tmp_path, prepare=lambda it: speaks_tls(it, tmp_path, authority)) as it:
        it.start_controller("c-0")
        yield it


async def test_everybody_is_told_and_a_failover_goes_on_by_tls(running: Cell, authority: trustme.CA) -> None:
    first = await running.settled(main=0)
    assert (first.tls_ca, first.tls_server_name) == (pem(authority), NAME)
    await running.ask(0, "CREATE (:Write {id: 1})")
    running.kill(0)
    await running.report(0, running=False)
    second = await running.settled(other_than=0)
    assert (second.tls_ca, second.tls_server_name) == (pem(authority), NAME)
    assert await running.ask(second.master_index, "MATCH (w:Write) RETURN w.id AS id") == [{"id": 1}]


async def test_another_ca_beside_the_first_is_published_with_a_new_epoch(
    running: Cell, tmp_path: Path, authority: trustme.CA
) -> None:
    """The first step of its rotation: both are trusted before any certificate changes."""
    before = await running.settled(main=0)
    both = pem(authority) + pem(trustme.CA())
    (tmp_path / "ca.crt").write_text(both)
    after = await published(running, both)
    assert (after.epoch, after.master_index, after.term) == (before.epoch + 1, before.master_index, before.term)
    assert after.reason == "TLSChanged"


async def test_tls_is_turned_on_by_a_full_stop(tmp_path: Path, authority: trustme.CA) -> None:
    """As docs/installation.md has it: instances with and without would not understand each other's controller."""
    async with cell(tmp_path) as it:
        it.start_controller("c-0")
        before = await it.settled(main=0)
        assert before.tls_ca == ""
        await it.ask(0, "CREATE (:Write {id: 1})")
        await it.request("pause")
        it.controllers["c-0"].kill()
        it.controllers["c-0"].wait(10)
        speaks_tls(it, tmp_path, authority)
        it.start_controller("c-1")
        for ordinal in range(3):
            it.kill(ordinal)
            await it.restart(ordinal)
            await it.role_becomes(ordinal, "replica")
        await it.request("resume")
        await published(it, pem(authority))
        after = await it.settled()
        assert after.epoch > before.epoch
        assert await it.ask(after.master_index, "MATCH (w:Write) RETURN w.id AS id") == [{"id": 1}]


async def published(cell: Cell, ca: str) -> Document:
    """Wait until this is what sidecars are told to trust."""
    with anyio.fail_after(30):
        while True:
            stored = await cell.store.read()
            assert isinstance(stored, Found)
            if stored.document.tls_ca == ca:
                return stored.document
            await anyio.sleep(0.05)


@pytest.mark.parametrize("wrong", ["ca", "name", "none"])
async def test_who_can_not_be_checked_is_not_talked_to(tmp_path: Path, authority: trustme.CA, wrong: str) -> None:
    """Nobody learns a password or takes a command by a certificate of somebody else."""
    good = Tls(pem(authority), NAME)
    tls = {"ca": Tls(pem(trustme.CA()), NAME), "name": Tls(good.ca, "other.db.svc"), "none": Tls()}[wrong]
    instance = Memgraph(tmp_path / "data", memgraph_flags(authority, tmp_path))
    instance.start(born_replica=False)
    right, bad = Bolt(tls=lambda: good), Bolt(tls=lambda: tls)
    try:
        address = f"127.0.0.1:{instance.bolt}"
        assert await right.run(address, "RETURN 1 AS x;", timeout=10) == [{"x": 1}]
        with pytest.raises(Silent):
            await bad.run(address, "RETURN 1 AS x;", timeout=10)
    finally:
        await right.aclose()
        await bad.aclose()
        instance.stop()
