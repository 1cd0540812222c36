"""P-C3 at the one moment that no socket can be made to hit: the dial succeeds after the change."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import anyio
import pytest

from sidecar.contract.env import Settings
from sidecar.contract.state import CutKind, Document, Phase
from sidecar.core.follow import State
from sidecar.core.route import Port, Upstream, tag
from sidecar.hub import Stage
from sidecar.metrics import Metrics
from sidecar.proxy import Proxy
from sidecar.pump import Connection

pytestmark = pytest.mark.anyio
CUT = Document(
    term=1, epoch=6, phase=Phase.CUT, cut_kind=CutKind.FAILOVER, master_index=0, main_pod="p", main_uid="u",
    main_address="127.0.0.1:1", main_volume="v", database_uuid="d", sync=None, read_addresses=(), reason="r",
    message="m", writer="w", updated_at="t",
)  # fmt: skip
BEFORE = replace(CUT, epoch=5, phase=Phase.SERVING, cut_kind=None)


class Wire(asyncio.Transport):
    """A transport that remembers whether it was aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("routed_under", "stage", "aborted"),
    [(CUT, Stage.PUMPING, False), (BEFORE, Stage.HELD, True), (replace(CUT, main_uid="other"), Stage.HELD, True)],
)
async def test_a_dial_that_succeeds_under_another_tag_is_dropped(
    routed_under: Document, stage: Stage, aborted: bool
) -> None:
    """O-S27."""
    async with anyio.create_task_group() as tasks:
        proxy = Proxy(Settings("n", "c", "h", 1), Metrics(), tasks)
        connection = Connection(proxy, Port.READ_WRITE, asyncio.get_running_loop().time())
        proxy.apply(State("a", CUT))
        connection.dialling(Upstream(routed_under.main_address, tag(routed_under)))
        upstream = Wire()
        proxy.dialled(connection, upstream)
        assert (connection.stage, upstream.aborted) == (stage, aborted)
        connection.close()
        proxy.close()


async def test_a_dial_that_succeeds_after_the_client_left_is_dropped() -> None:
    async with anyio.create_task_group() as tasks:
        proxy = Proxy(Settings("n", "c", "h", 1), Metrics(), tasks)
        connection = Connection(proxy, Port.READ_WRITE, 0.0)
        proxy.apply(State("a", CUT))
        connection.dialling(Upstream(CUT.main_address, tag(CUT)))
        connection.connection_lost(None)
        upstream = Wire()
        proxy.dialled(connection, upstream)
        assert upstream.aborted
