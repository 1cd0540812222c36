"""The prober: what it makes of each way in which an instance does not answer, and what is asked anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from one_instance import OneInstance

from controller.core.model import Pod
from controller.observe import Prober
from controller.ports import Denied, Refused, Silent

pytestmark = pytest.mark.anyio
POD = Pod("m-0", "u0", "10.0.0.1", 7687, 10000, "m-0:10000", "v0", "c0")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_each_problem_takes_the_place_of_the_one_before() -> None:
    """Refused credentials are no candidate (P-U): the answer is gone with them. Nor are they a death."""
    there = OneInstance()
    prober = Prober(there, 0.5, lambda: None)
    await prober.pods_changed({0: POD}, 1)
    for problem, expected in (
        (None, (True, 0, 0, False)),
        (Denied("no"), (False, 0, 0, True)),
        (Refused("no"), (False, 1, 0, False)),
        (Denied("no"), (False, 0, 0, True)),
        (Silent("no"), (False, 0, 1, False)),
        (None, (True, 0, 0, False)),
    ):
        there.problem = problem
        await prober.refresh(0)
        (seen,) = prober.instances
        assert (seen.answer is not None, seen.refused, seen.silent, seen.denied) == expected


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
