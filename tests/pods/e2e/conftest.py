"""One cluster, one release and its apps for the whole run; what is there when a test fails is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from pods.faults import Faults, LocalFaults

from e2e import artifacts, report, short_token
from e2e.cluster import Cluster, connect, kubectl
from e2e.installation import Installation, values
from e2e.ledgers import Ledgers
from e2e.publications import Publications
from e2e.scene import Scene
from e2e.timing import Timings

HERE = Path(__file__).parent
NAMESPACE = RELEASE = "memgraph-ha"
APPS = "apps"
_PASSED = pytest.StashKey[report.Counts]()


def _wanted() -> bool:
    return "PODS_LOCAL" in os.environ or os.environ.get("USE_EXISTING_CLUSTER") == "true"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """They take an hour and a whole cluster: `make pods` runs them, `make test` does not."""
    return True if not _wanted() and collection_path.name.startswith("test_") else None


def pytest_configure(config: pytest.Config) -> None:
    """Counting begins."""
    config.stash[_PASSED] = report.Counts()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count, and keep what a person would look at next."""
    found = yield
    item.config.stash[_PASSED].add(found)
    if found.failed and (folder := artifacts.folder()):
        kept = artifacts.keep(folder / item.name.replace("/", "-"))
        found.sections.append(("kept", str(kept)))
    return found


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The figures that `make pods JSON=path` is asked for."""
    if path := os.environ.get("PODS_JSON"):
        counts = session.config.stash[_PASSED]
        Path(path).write_text(json.dumps(counts.figures()) + "\n")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The one that KUBECONFIG names."""
    return connect(tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="session")
def local() -> Faults | None:
    """What can be broken from outside, if this cluster is one of `pods`."""
    folder = os.environ.get("PODS_LOCAL")
    return LocalFaults(Path(folder)) if folder else None


@pytest.fixture
def faults(local: Faults | None) -> Faults:
    """For a test that can't do without."""
    if local is None:
        pytest.skip("it breaks nodes or processes from outside: only `make pods` on Linux can")
    return local


@pytest.fixture
def local_folder() -> Path:
    """Of a cluster of `pods`, for a test that can't do without."""
    if not (folder := os.environ.get("PODS_LOCAL")):
        pytest.skip("it changes what runs on the nodes: only `make pods` on Linux can")
    return Path(folder)


@pytest.fixture(scope="session")
def timings() -> Iterator[Timings]:
    """Written at the end, failed tests or not."""
    found = Timings()
    yield found
    if path := os.environ.get("PODS_TIMING"):
        found.write(Path(path))


@pytest.fixture(scope="session")
def scene(
    cluster: Cluster, local: Faults | None, timings: Timings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """The release most tests share, installed and used."""
    installation = Installation(cluster, RELEASE, NAMESPACE, tmp_path_factory.mktemp("release"))
    given = values()
    installation.install(given)
    installation.settle()
    ledgers, publications = Ledgers(cluster, [APPS]), Publications(installation)
    found = Scene(cluster, installation, APPS, ledgers, publications, timings, local, given)
    try:
        found.start_apps()
        yield found
    finally:
        ledgers.stop()
        publications.stop()
        if local is None:
            # Somebody's cluster; one of `pods` ends anyway.
            kubectl("delete", "namespace", APPS, "--ignore-not-found")
            installation.uninstall()
            kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")


@pytest.fixture(scope="session")
def first_token(scene: Scene) -> Iterator[dict[str, int]]:
    """Claims of a token that ends after ten minutes; whoever asks early lets it age beside other tests."""
    try:
        yield short_token.start(scene)
    finally:
        short_token.stop(scene)
