"""Drivers of the wild when the main changes under them: some cells of docs/drivers.md, and what must hold in each."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Final

import pytest
from client_environments import CLIENTS, DRIVERS, Driver, ensure, installed
from drivers.cells import wrong
from drivers.conductor import Conductor, conductor
from drivers.explain import TRIES_AGAIN, unexplained

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120), pytest.mark.xdist_group("drivers")]
WHOLE: Final = ("neo4j-6", "neo4j_javascript")
"""Which are asked more than the others."""
CELLS: Final = [
    (driver, state, event)
    for driver in DRIVERS
    for state, event in (("transaction", "planned"), ("commit", "planned"), ("idle", "kill"), ("commit", "kill"))
    if driver.name in WHOLE or (state, event) in (("transaction", "planned"), ("commit", "kill"))
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Conductor]:
    async with conductor(tmp_path_factory.mktemp("drivers"), lambda _: None) as playing:
        yield playing


@pytest.mark.parametrize(
    ("driver", "state", "event"), CELLS, ids=[f"{driver.name}-{state}-{event}" for driver, state, event in CELLS]
)
async def test_what_the_app_sees(world: Conductor, driver: Driver, state: str, event: str) -> None:
    """P-C1, P-C2, O-S28."""
    if driver in CLIENTS:
        obstacle = driver.obstacle()
        if obstacle is not None:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(obstacle)
        ensure(driver)
    elif not installed(driver):
        pytest.skip(f"make drivers installs {driver.name}")
    cell = await world.play(driver, state, event)
    assert [wrong(cell), unexplained(cell)] == [None, None]
    assert cell.forbidden == 0
    assert cell.duplicates == int(driver.name in TRIES_AGAIN and (state, event) == ("commit", "kill"))
