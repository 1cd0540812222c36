"""Every test that takes `server` runs on the stand-in and on the real API server: one row of the table.

With CONFORMANCE_JSON=path the table is printed and written there, and a row that is not equal on both fails the run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import existing
import pytest
from api_server import api_server
from conformance_server import REAL, STANDIN, Server
from envtest import versions
from plain_client import PlainClient
from real import AnyCluster, admin_of, new_namespace

_ROW, _VERSION = "row", "version"


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with api_server(tmp_path_factory.mktemp("standin")) as kubeconfig:
        config = json.loads(kubeconfig.read_text())
        url, token = config["clusters"][0]["cluster"]["server"], config["users"][0]["user"]["token"]
        admin = PlainClient(url, kubeconfig.parent / "ca.crt", token)

        def forget() -> None:
            assert admin.create("/sandbox/faults", {"fault": "compact"}).code == 200

        yield Server(STANDIN, admin, forget, lambda: None)


@pytest.fixture(scope="session")
def genuine(cluster: AnyCluster) -> Server:
    def forget() -> None:
        # etcd forgets by compaction; the API server's own cache, which answers most watches, by a new start.
        cluster.compact()
        cluster.stop_api_server(kill=True)
        cluster.start_api_server()

    return Server(REAL, admin_of(cluster), forget, cluster.needs_calls)


@pytest.fixture(params=[STANDIN, REAL])
def server(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Server:
    others = [part for part in request.node.callspec.id.split("-") if part != request.param]
    row = request.node.originalname.removeprefix("test_").replace("_", " ") + (
        f": {', '.join(others)}" if others else ""
    )
    record_property(_ROW, (row, request.param))
    found: Server = request.getfixturevalue("standin" if request.param == STANDIN else "genuine")
    if request.param == REAL:
        record_property(_VERSION, found.admin.get("/version").body["gitVersion"])
    return found


@pytest.fixture
def api(server: Server) -> PlainClient:
    """The administrator's client of either server."""
    return server.admin


@pytest.fixture
def ns(api: PlainClient) -> str:
    """A namespace of the test's own."""
    return new_namespace(api)


class _Table:
    """Collects what became of each row, also from xdist's workers, whose reports pass through here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, dict[str, str]] = {}
        self._version = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        self._version = str(properties.get(_VERSION, self._version))
        found = properties.get(_ROW)
        if isinstance(found, tuple | list) and (report.when == "call" or not report.passed):
            row, which = found
            self._rows.setdefault(row, {})[which] = report.outcome

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        width = max((len(row) for row, _ in self.rows()), default=0)
        terminalreporter.write_line(f"{'row':{width}}  standin  real ({self._version or 'never asked'})")
        for row, found in self.rows():
            outcomes = "  ".join(found.get(which, "missing") for which in (STANDIN, REAL))
            terminalreporter.write_line(f"{row:{width}}  {outcomes}")
        equal = sum(found.get(STANDIN) == found.get(REAL) == "passed" for _, found in self.rows())
        terminalreporter.write_line(f"{equal} of {len(self._rows)} rows are equal on both")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        rows = [{"row": row, **{w: found.get(w, "missing") for w in (STANDIN, REAL)}} for row, found in self.rows()]
        version = self._version or f"v{versions.wanted()}"
        self._path.write_text(json.dumps({"version": version, "rows": rows}, indent=1) + "\n")
        compared = [row for row in rows if row[REAL] != "skipped" or not existing.wanted()]
        if not compared or any((row[STANDIN], row[REAL]) != ("passed", "passed") for row in compared):
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def rows(self) -> list[tuple[str, dict[str, str]]]:
        return sorted(self._rows.items())


def pytest_configure(config: pytest.Config) -> None:
    path = os.environ.get("CONFORMANCE_JSON")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Table(Path(path)))
