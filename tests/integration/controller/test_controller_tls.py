"""Instances with TLS: the controller checks them, and publishes for the sidecars whom to trust."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from authority import Authority
from cell import TLS_NAME, Cell, cell

from controller.core.model import Found
from sidecar.contract.state import Document

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
async def running(tmp_path: Path, authority: Authority) -> AsyncIterator[Cell]:
    async with cell(tmp_path, authority=authority) as it:
        it.start_controller("c-0")
        yield it


async def _trusting(cell: Cell, pem: str) -> Document:
    with anyio.fail_after(30):
        while True:
            stored = await cell.store.read()
            if isinstance(stored, Found) and stored.document.tls_ca == pem:
                return stored.document
            await anyio.sleep(0.05)


async def _said(cell: Cell, event: str) -> None:
    """Wait until the controller's log has it."""
    with anyio.move_on_after(30):
        while True:
            if event in cell.story():
                return
            await anyio.sleep(0.05)
    raise AssertionError(f"nobody said {event}:\n{cell.story()}")


async def test_a_main_is_found_and_replaced_over_tls_and_sidecars_are_told_whom_to_trust(
    running: Cell, authority: Authority
) -> None:
    """The instances' addresses are not in their certificates: it is the published name that is checked (O-S25)."""
    first = await running.settled(main=0)
    assert (first.tls_ca, first.tls_server_name) == (authority.pem, TLS_NAME)
    await running.ask(0, "CREATE (:Write {id: 1})")
    running.kill(0)
    await running.report(0, running=False)
    second = await running.settled(other_than=0)
    assert (second.tls_ca, second.tls_server_name) == (authority.pem, TLS_NAME)
    assert await running.ask(second.master_index, "MATCH (n:Write) RETURN n.id AS id") == [{"id": 1}]


async def test_another_authority_is_published_without_a_restart_and_is_another_epoch(
    running: Cell, authority: Authority, tmp_path: Path
) -> None:
    """Both authorities in one file, as while certificates are exchanged; what is no certificate changes nothing."""
    first = await running.settled(main=0)
    running.ca_file.write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    both = authority.pem + Authority(tmp_path / "next").pem
    await _said(running, "AuthorityUnreadable")
    assert (await running.settled(main=0)).tls_ca == first.tls_ca
    running.ca_file.write_text(both)
    document = await _trusting(running, both)
    assert document.epoch == first.epoch + 1
    assert document.main_uid == first.main_uid


async def test_an_authority_of_somebody_else_vouches_for_nobody(tmp_path: Path, authority: Authority) -> None:
    async with cell(tmp_path, authority=authority) as it:
        it.ca_file.write_text(Authority(tmp_path / "other").pem)
        it.start_controller("c-0")
        await _said(it, "WaitingForInstances")
        assert not isinstance(await it.store.read(), Found)
