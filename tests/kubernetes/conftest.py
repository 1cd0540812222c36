"""One real control plane for all tests here, and a namespace of its own for each test that wants one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import existing
import pytest
from plain_client import PlainClient
from real import AnyCluster, admin_of, new_namespace, shared


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With xdist: on two workers at most, each with a control plane of its own."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            group = "conformance" if here / "conformance" in item.path.parents else "programs"
            item.add_marker(pytest.mark.xdist_group(f"kubernetes-{group}"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs_own(what): skipped on an existing cluster (tests/kubernetes)")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if existing.wanted() and (marker := item.get_closest_marker("needs_own")):
        existing.skip_without_own(marker.args[0])


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyCluster]:
    """Shared: who wants to break one starts one of its own."""
    with shared(tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture
def admin(cluster: AnyCluster) -> PlainClient:
    return admin_of(cluster)


@pytest.fixture
def namespace(admin: PlainClient) -> str:
    return new_namespace(admin)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
