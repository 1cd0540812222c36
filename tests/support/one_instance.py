"""One instance behind ports.Database, for tests of the prober: a replica, or what is in its way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.ports import PortError


class OneInstance:
    """Raises `problem` while there is one."""

    def __init__(self) -> None:
        self.problem: PortError | None = None

    async def run(
        self, address: str, query: str, parameters: Mapping[str, Any] | None = None, *, timeout: float
    ) -> list[dict[str, Any]]:
        if self.problem is not None:
            raise self.problem
        return [{"replication role": "replica"}] if query.startswith("SHOW REPLICATION ROLE") else []

    async def connects(self, host: str, port: int, *, timeout: float) -> bool:
        raise AssertionError("the prober asks, it does not knock")

    async def forget(self, address: str) -> None:
        return None
