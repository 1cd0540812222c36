"""Fixtures of the suite, and its table of rows (see conformance_table.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance_lab import BoltLab, Lab
from conformance_rows import ROWS
from conformance_settings import Settings, from_environment
from conformance_table import Table

REAL_TIMEOUT_S = 300
"""For one test on a real server; pings come once a second there, and starts take longer."""


@pytest.fixture(scope="session")
def settings() -> Settings:
    """What the suite runs against."""
    return from_environment()


@pytest.fixture
def lab(tmp_path: Path, settings: Settings) -> Iterator[Lab]:
    """Instances whose processes are ours: fresh ones for each test."""
    if not settings.process_rows:
        pytest.skip("starts or kills instances: set MEMGRAPH_COMMAND to run it")
    with Lab(settings, tmp_path) as opened:
        yield opened


@pytest.fixture
def bolt(tmp_path: Path, settings: Settings) -> Iterator[Lab | BoltLab]:
    """Instances of which only Bolt is used: those of MEMGRAPH_URIS, if there are any."""
    with BoltLab(settings) if settings.instances else Lab(settings, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[tuple[str, int]]:
    """Bolt of one instance, for tests that leave nothing behind in it."""
    with BoltLab(settings) if settings.instances else Lab(settings, tmp_path_factory.mktemp("endpoint")) as opened:
        yield opened.instances(1)[0].endpoint


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of `make conformance`; pytest knows them only when it is given this folder."""
    group = parser.getgroup("conformance")
    group.addoption("--conformance-table", action="store_true", help="print a line a row; rows without tests fail")
    group.addoption("--conformance-json", metavar="PATH", help="write the result of each row as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Register the table where it is asked for, in the process that reports."""
    wanted = config.getoption("--conformance-table", False) or config.getoption("--conformance-json", None)
    if wanted and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(config, ROWS), "conformance-table")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell each test's report its row, and how many tests the row has; a row's tests run in one worker."""
    mine = [(item, mark.args[0]) for item in items if (mark := item.get_closest_marker("row")) is not None]
    simulated = from_environment().simulated
    counts: dict[str, int] = {}
    for item, row in mine:
        if row not in ROWS or not item.name.startswith(f"test_{row.replace('.', '_').replace('/', '_')}_"):
            raise pytest.UsageError(f"{item.nodeid}: no row {row!r}, or the test's name does not begin with it")
        counts[row] = counts.get(row, 0) + 1
    for item, row in mine:
        item.user_properties.append(("row", [row, counts[row]]))
        item.add_marker(pytest.mark.xdist_group(row))
        if not simulated:
            item.add_marker(pytest.mark.timeout(REAL_TIMEOUT_S))
    # The rows' tests change places among themselves: as the table goes, so that its lines come early.
    order = {row: number for number, row in enumerate(ROWS)}
    places = [place for place, item in enumerate(items) if item.get_closest_marker("row") is not None]
    for place, (item, _) in zip(places, sorted(mine, key=lambda pair: order[pair[1]]), strict=True):
        items[place] = item
