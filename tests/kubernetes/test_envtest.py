"""The control plane itself: real, of the version asked for, and gone afterwards whatever ended the test run."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from envtest import binaries, versions
from envtest.control_plane import ControlPlane
from envtest.failure import DidNotStart, Unavailable
from envtest.program import Running
from envtest.versions import Program
from plain_client import PlainClient
from real import unavailable

HERE = Path(__file__).parent


def test_it_is_the_real_one(cluster: ControlPlane, admin: PlainClient) -> None:
    """Built from the tagged source, and it says so; the test's own stand-in calls itself a sandbox."""
    version = admin.get("/version").body
    assert version["gitVersion"] == f"v{cluster.version}"
    assert f"{version['major']}.{version['minor']}" == ".".join(cluster.version.split(".")[:2])


def test_it_keeps_what_it_was_told_through_a_crash(cluster: ControlPlane, admin: PlainClient, namespace: str) -> None:
    """The API server is killed and started again; etcd remembers."""
    made = admin.made(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "x"}, "data": {"k": "1"}})
    cluster.stop_api_server(kill=True)
    cluster.start_api_server()
    assert admin.get(f"/api/v1/namespaces/{namespace}/configmaps/x").body == made


def test_who_asked_for_what_is_in_the_audit_log(cluster: ControlPlane, admin: PlainClient, namespace: str) -> None:
    admin.get(f"/api/v1/namespaces/{namespace}/configmaps/missing")
    (seen,) = [event for event in cluster.audited("kubernetes-admin") if event.name == "missing"]
    assert (seen.verb, seen.resource, seen.namespace, seen.code) == ("get", "configmaps", namespace, 404)


def test_nothing_outlives_a_test_run_that_is_killed(cluster: ControlPlane, tmp_path: Path) -> None:
    """Not by an orderly end: the owner gets SIGKILL, and the kernel takes the program along."""
    owner = (
        "import pathlib, signal, sys\n"
        "from envtest.program import Running\n"
        f"running = Running(pathlib.Path('/bin/sleep'), ['600'], pathlib.Path({str(tmp_path / 'log')!r}))\n"
        "print(running.pid, flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", owner], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(HERE)}
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        gone = os.pidfd_open(pid)
        try:
            process.send_signal(signal.SIGKILL)
            assert select.select([gone], [], [], 10) == ([gone], [], []), "the program lives on"
        finally:
            os.close(gone)


def test_a_program_that_ends_shows_the_end_of_its_log(tmp_path: Path) -> None:
    running = Running(Path("/bin/sh"), ["-c", "echo 'no such flag' >&2; exit 3"], tmp_path / "log")
    with pytest.raises(DidNotStart, match=r"(?s)sh ended with 3.*no such flag"):
        running.wait_until(lambda: False, 10)


def test_a_version_that_is_not_built_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TEST_ASSET_KUBE_APISERVER", raising=False)
    with pytest.raises(Unavailable, match="next: make kubernetes-binaries KUBERNETES_VERSION="):
        binaries.find(versions.API_SERVER, versions.DEFAULT_KUBERNETES)
    with pytest.raises(Unavailable, match=r"1\.2\.3 is not pinned here"):
        binaries.find(versions.API_SERVER, "1.2.3")


def test_a_program_of_one_s_own_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variables that controller-runtime's tests use."""
    monkeypatch.setenv("TEST_ASSET_KUBE_APISERVER", "/bin/sh")
    assert binaries.find(versions.API_SERVER, "1.2.3") == Path("/bin/sh")
    monkeypatch.setenv("TEST_ASSET_KUBE_APISERVER", "/no/such")
    with pytest.raises(Unavailable, match="TEST_ASSET_KUBE_APISERVER is '/no/such'"):
        binaries.find(versions.API_SERVER, "1.2.3")


def test_without_binaries_tests_are_skipped_but_not_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """A skip that nobody sees is a hole."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not built"):
        unavailable(Unavailable("not built"))
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="not built"):
        unavailable(Unavailable("not built"))


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A program that is called `go`, and notes what it was asked; a cache of its own; a module to build."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "go.mod").write_text("module example\n\ngo 1.24.0\n")
    (tmp_path / "go.sum").touch()
    script = tmp_path / "go"
    script.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = env ]; then echo go1.99.0; exit; fi\n'
        f'echo "$@" >> {tmp_path}/asked\n'
        'while [ "$1" != -o ]; do shift; done\n'
        f'if [ -e {tmp_path}/broken ]; then echo "undefined: x"; exit 1; fi\n'
        'echo "exit 7" > "$2"; chmod +x "$2"\n'
    )
    script.chmod(0o755)
    return tmp_path


def test_two_builds_at_once_are_one(compiler: Path) -> None:
    """Whoever comes second waits for the first one's result; nobody sees half a program."""
    program = Program("example", "example", compiler, "1.0.0")
    with ThreadPoolExecutor() as pool:
        one, other = pool.map(binaries.make, [program, program])
    assert one == other
    assert subprocess.run(["/bin/sh", one], check=False).returncode == 7
    (asked,) = (compiler / "asked").read_text().splitlines()
    assert asked.startswith("build -trimpath -mod=readonly -ldflags ")
    assert sorted(path.name for path in one.parent.iterdir()) == ["example", "example.lock"]


def test_a_build_that_fails_says_why_and_leaves_nothing(compiler: Path) -> None:
    (compiler / "broken").touch()
    program = Program("example", "example", compiler, "1.0.0")
    with pytest.raises(Unavailable, match=r"(?s)building example 1\.0\.0 failed:.*undefined: x"):
        binaries.make(program)
    assert [path.name for path in (binaries.cache() / program.key).iterdir()] == ["example.lock"]


@pytest.mark.parametrize("version", versions.pinned())
def test_modules_name_no_host_but_their_modules(version: str) -> None:
    """They are committed: no proxy, no path of a machine; and they pin what they are called after."""
    folder = versions.program(versions.API_SERVER, version).module
    text = (folder / "go.mod").read_text()
    assert f"require k8s.io/kubernetes v{version}\n" in text
    assert not [line for line in text.splitlines() if "=> /" in line or "=> ." in line or "://" in line]
    assert (folder / "go.sum").read_text().count("k8s.io/kubernetes v") == 2


@pytest.mark.parametrize(
    ("said", "will_do"),
    [
        ("etcd Version: 3.4.23\nGit SHA: Not provided\n", False),
        ("etcd Version: 3.5.12\n", False),
        ("etcd Version: 3.5.13\n", True),
        ("etcd Version: 3.10.0\n", True),
        ("", False),
    ],
)
def test_an_old_etcd_of_the_distribution_is_not_used(said: str, will_do: bool) -> None:
    assert binaries.recent_etcd(said) is will_do
