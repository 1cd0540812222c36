"""An instance that refuses every password lives, and cannot be asked anything (P-U)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from controller.core.model import Pod, Role
from controller.observe import FIRST_LOGIN_S, PROBE_TIMEOUT_S, Prober
from controller.ports import Denied, PortError, Silent

pytestmark = pytest.mark.anyio
POD = Pod("m-0", "u0", "10.0.0.1", 7687, 10000, "m-0:10000", "v0", "c0")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """A replica, or trouble."""

    def __init__(self) -> None:
        self.trouble: PortError | None = None
        self.timeouts: list[float] = []

    async def run(
        self, address: str, query: str, parameters: Mapping[str, Any] | None = None, *, timeout: float
    ) -> list[dict[str, Any]]:
        self.timeouts.append(timeout)
        if self.trouble is not None:
            raise self.trouble
        return [{"replication role": "replica"}] if "ROLE" in query else []

    async def connects(self, host: str, port: int, *, timeout: float) -> bool:
        return True

    async def forget(self, address: str) -> None:
        return None


async def test_a_refusal_of_credentials_is_no_silence_and_no_answer() -> None:
    """P-F1 must not take it for hung; P-F3 must not take it for a candidate."""
    server = Server()
    prober = Prober(server, 0.5, lambda: None)
    await prober.pods_changed({0: POD}, 1)
    await prober.refresh(0)
    assert prober.instances[0].answer is not None
    assert prober.instances[0].answer.role is Role.REPLICA
    server.trouble = Silent("no answer")
    await prober.refresh(0)
    assert (prober.instances[0].silent, prober.instances[0].denied) == (1, False)
    server.trouble = Denied("refused the credentials")
    await prober.refresh(0)
    seen = prober.instances[0]
    assert (seen.answer, seen.denied, seen.silent, seen.silent_since) == (None, True, 0, None)
    server.trouble = Silent("no answer")
    await prober.refresh(0)
    assert (prober.instances[0].silent, prober.instances[0].denied) == (1, False)


async def test_the_first_login_has_more_time_than_a_probe_of_a_known_process() -> None:
    """A server checks passwords slowly on purpose; a hung one must still be found soon (P-F1)."""
    server = Server()
    prober = Prober(server, 0.5, lambda: None, first_timeout_s=FIRST_LOGIN_S)
    await prober.pods_changed({0: POD}, 1)
    await prober.refresh(0)
    assert server.timeouts[0] > PROBE_TIMEOUT_S
    server.timeouts.clear()
    await prober.refresh(0)
    assert server.timeouts[0] <= PROBE_TIMEOUT_S
