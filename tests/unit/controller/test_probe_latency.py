"""Every probe is measured, and told by how it ended."""

from __future__ import annotations

import pytest
from one_instance import OneInstance

from controller.core.model import Pod
from controller.metrics import Probed
from controller.observe import Prober
from controller.ports import Denied, Refused, Silent

pytestmark = pytest.mark.anyio
POD = Pod("m-1", "u", "10.0.0.1", 7687, 10000, "m-1:10000", "v", "c")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_each_probe_is_measured() -> None:
    told: list[tuple[int, Probed]] = []
    bolt = OneInstance()

    def probed(ordinal: int, outcome: Probed, seconds: float) -> None:
        assert seconds >= 0
        told.append((ordinal, outcome))

    prober = Prober(bolt, 0.5, lambda: None, probed)
    await prober.pods_changed({1: POD}, 2)
    for problem in (None, Refused("x"), Silent("x"), Denied("x")):
        bolt.problem = problem
        await prober.refresh(1)
    await prober.refresh(0)  # no pod, nothing asked
    assert told == [(1, outcome) for outcome in Probed]
