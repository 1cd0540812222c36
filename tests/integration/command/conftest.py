"""A release and a labelled namespace on the stand-in API server, for commands that look at the fleet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_server import api_server
from command_world import World, world


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def kubernetes(tmp_path: Path) -> AsyncIterator[World]:
    with api_server(tmp_path / "kubernetes") as kubeconfig:
        async with world(kubeconfig) as made:
            await made.namespace("apps", inject="enabled")
            yield made
