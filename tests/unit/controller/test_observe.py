"""The prober: what is asked anew, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from controller.core.model import Pod
from controller.observe import Prober

pytestmark = pytest.mark.anyio
POD = Pod("m-0", "u0", "10.0.0.1", 7687, 10000, "m-0:10000", "v0", "c0")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Main:
    """Whoever answers at the address: a main with one registration."""

    def __init__(self) -> None:
        self.database_uuid = "ours"
        self.replica = "m-1:10000"

    async def run(
        self, address: str, query: str, parameters: Mapping[str, Any] | None = None, *, timeout: float
    ) -> list[dict[str, Any]]:
        if query.startswith("SHOW REPLICATION ROLE"):
            return [{"replication role": "main"}]
        if query.startswith("SHOW REPLICAS"):
            return [{"name": "memgraph_1_t1_0", "socket_address": self.replica, "sync_mode": "strict_sync"}]
        if query.startswith("SHOW STORAGE INFO"):
            return [{"storage info": "database_uuid", "value": self.database_uuid}]
        return []

    async def connects(self, host: str, port: int, *, timeout: float) -> bool:
        return True

    async def forget(self, address: str) -> None:
        return None


async def test_who_looks_different_is_asked_for_its_database_at_once() -> None:
    """Within the time for which that answer is kept another cluster's main may have got the address (P-F9)."""
    main = Main()
    prober = Prober(main, 0.5, lambda: None)
    await prober.pods_changed({0: POD}, 1)
    await prober._probe(0)
    main.database_uuid, main.replica = "theirs", "other-1:10000"
    await prober._probe(0)
    answer = prober.instances[0].answer
    assert answer is not None
    assert answer.database_uuid == "theirs"
