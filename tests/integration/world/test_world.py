"""The whole world of real processes, as a developer uses it: `sandbox up` in one process, commands from others."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from neo4j import GraphDatabase, ManagedTransaction

from sandbox.spoken import SANDBOX

pytestmark = pytest.mark.xdist_group("world")
COMMAND = [sys.executable, "-c", "import sys; from memgraph_ha.cli import main; sys.exit(main())", "sandbox"]
START_S = 50.0
_PAUSE = threading.Event()
Object = dict[str, Any]


def until(what: str, condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for other processes to make a condition true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        _PAUSE.wait(0.05)  # never set: what is waited for happens in other processes


def sandbox(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command from another terminal."""
    command = [*COMMAND, arguments[0], "--dir", str(folder), *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)


def world(folder: Path) -> Object:
    found: Object = json.loads((folder / "world.json").read_text())
    return found


def status(folder: Path) -> Object:
    done = sandbox(folder, "status", "-o", "json")
    assert done.returncode == 0, done.stderr
    found: Object = json.loads(done.stdout)
    return found


def settled(folder: Path) -> Object:
    """The status as soon as a main is published with a partner and every instance answers."""
    found: list[Object] = []

    def calm() -> bool:
        found[:] = [status(folder)]
        document = found[0]["document"]
        states = sorted(item["state"] for item in found[0]["memgraphs"])
        leads = any(item["leader"] for item in found[0]["controllers"])
        return (
            document is not None
            and document["phase"] == "serving"
            and document["syncReplica"] is not None
            and states == ["main", "replica", "replica"]
            and leads
        )

    until("a settled cluster", calm, 30)
    return found[0]


def runs(pid: int) -> bool:
    """Alive and no zombie."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.returncode == 0 and not found.stdout.startswith("Z")


def everything(folder: Path) -> set[int]:
    """Every process that has the folder in its command line or environment, and all of world.json's."""
    found = world(folder)
    pids = {found["runner"]["pid"], found["webhook"]["pid"]}
    pids |= {item["pid"] for key in ("memgraphs", "controllers", "apps") for item in found[key]}
    pids |= {app["sidecarPid"] for app in found["apps"]}
    listing = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    pids |= {int(line.split()[0]) for line in listing.splitlines() if str(folder) in line}
    return {pid for pid in pids if pid is not None}


@contextmanager
def up(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`sandbox up`, ready; whatever happens, it has ended afterwards."""
    command = [*COMMAND, "up", "--dir", str(folder), *options]
    with (
        (folder.parent / f"{folder.name}.out").open("w+") as output,
        subprocess.Popen(command, stdout=output, stderr=output, text=True) as process,
    ):
        try:

            def ready() -> bool:
                said = Path(output.name).read_text()
                assert process.poll() is None, said
                return "Ctrl-C ends everything" in said

            until("the sandbox is ready", ready, START_S)
            yield process
        finally:
            process.terminate()
            process.wait(15)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("world") / "sandbox"
    with up(folder, "--apps", "2"):
        yield folder


def write(uri: str, number: int) -> int:
    """A managed transaction through a sidecar; returns how many nodes there are."""

    def work(transaction: ManagedTransaction) -> int:
        transaction.run("CREATE (:Number {value: $number})", number=number).consume()
        record = transaction.run("MATCH (n:Number) RETURN count(n) AS count").single()
        assert record is not None
        return int(record["count"])

    with GraphDatabase.driver(uri) as driver, driver.session() as session:
        return session.execute_write(work)


def test_world_json_is_true(folder: Path) -> None:
    """Every process it names runs, and is what it is said to be."""
    settled(folder)
    found = world(folder)
    wanted = [(item["pid"], "sandbox.memgraph") for item in found["memgraphs"]]
    wanted += [(item["pid"], "-m controller") for item in found["controllers"]]
    wanted += [(found["webhook"]["pid"], "-m webhook")]
    wanted += [(app["sidecarPid"], "-m sidecar") for app in found["apps"]]
    assert len(wanted) == 8
    for pid, words in wanted:
        shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=True)
        assert words in shown.stdout
    assert sum(item["leader"] for item in found["controllers"]) == 1


def test_a_program_outside_uses_an_app_s_localhost(folder: Path) -> None:
    """The address `up` prints, with an ordinary driver; both apps see one database."""
    settled(folder)
    one, two = (app["uri"] for app in world(folder)["apps"])
    count = write(one, 1)
    assert write(two, 2) == count + 1


def test_a_second_runner_is_refused(folder: Path) -> None:
    """Exit code 2, and the world of the first goes on."""
    done = sandbox(folder, "up")
    assert done.returncode == 2
    assert "runs in" in done.stderr
    assert "Traceback" not in done.stderr
    assert status(folder)["document"] is not None


def test_failover_prints_old_and_new_main(folder: Path) -> None:
    """And the file and the sidecars follow."""
    before = settled(folder)["document"]
    done = sandbox(folder, "failover")
    assert done.returncode == 0, done.stderr
    after = status(folder)["document"]
    assert done.stdout.startswith(f"main: {before['main']} -> {after['main']}, epoch {after['epoch']}, ")
    assert after["main"] != before["main"]

    def epochs() -> set[int]:
        return {app["sidecar"]["epoch"] for app in status(folder)["apps"]}

    until("the sidecars are there too", lambda: epochs() == {after["epoch"]})


def test_failover_to_an_instance_that_is_not_there_is_refused(folder: Path) -> None:
    """With the controller's own words."""
    settled(folder)
    done = sandbox(folder, "failover", "--to", "9")
    assert done.returncode == 1
    assert "no instance 9" in done.stderr


def test_killing_the_main_moves_it_and_its_pod_comes_back(folder: Path) -> None:
    """The pod keeps its place with another process, and a writer through a sidecar goes on."""
    before = settled(folder)
    count = write(before["apps"][0]["uri"], 3)
    done = sandbox(folder, "kill", "main")
    assert done.returncode == 0, done.stderr
    old = before["document"]["main"]
    assert done.stdout.startswith(f"killed {old} (pid ")
    assert write(before["apps"][0]["uri"], 4) == count + 1
    after = settled(folder)
    assert after["document"]["main"] != old
    pids = [{item["pod"]: item["pid"] for item in found["memgraphs"]}[old] for found in (before, after)]
    assert pids[0] != pids[1]


def test_a_hung_main_is_replaced(folder: Path) -> None:
    """hang: another main, and whether it wakes up or its pod is replaced (P-F7), everything is well again."""
    before = settled(folder)
    done = sandbox(folder, "hang")
    assert done.returncode == 0, done.stderr
    old = before["document"]["main"]
    until("another main", lambda: status(folder)["document"]["main"] != old)
    sandbox(folder, "resume")
    settled(folder)


def test_a_hung_reader_is_shown_and_woken(folder: Path) -> None:
    """hang, status, resume. Nobody deletes a pod that was a mere replica before it hung."""
    document = settled(folder)["document"]
    pods = [item["pod"] for item in status(folder)["memgraphs"]]
    sync = f"memgraph-ha-{document['syncReplica']}"
    (reader,) = [pod for pod in pods if pod not in (document["main"], sync)]
    assert sandbox(folder, "hang", reader).returncode == 0
    states = {item["pod"]: item["state"] for item in status(folder)["memgraphs"]}
    assert states[reader] == "hung"
    assert sandbox(folder, "resume").stdout == f"woken: {reader}\n"
    settled(folder)


def test_partition_and_heal_reach_the_instances(folder: Path) -> None:
    """A commit that can't reach its partner waits or fails; after heal it succeeds."""
    settled(folder)
    done = sandbox(folder, "partition", "--how", "refuse")
    assert done.returncode == 0, done.stderr
    assert "(refuse)" in done.stdout
    assert sandbox(folder, "heal").stdout == "every link works\n"
    found = settled(folder)
    assert write(found["apps"][0]["uri"], 5) > 0


def test_an_unknown_pod_is_told_with_the_known_ones(folder: Path) -> None:
    """Also for partitions."""
    for arguments in (("kill", "nobody"), ("partition", "nobody")):
        done = sandbox(folder, *arguments)
        assert done.returncode == 1
        assert "memgraph-ha-0" in done.stderr + done.stdout


def test_status_is_a_table(folder: Path) -> None:
    """What people read."""
    settled(folder)
    text = sandbox(folder, "status").stdout
    assert "holds every write too" in text
    assert "leader" in text
    assert text.count("bolt://") == 2


@pytest.mark.parametrize("how", ["interrupt", "down", "kill"])
def test_the_end_leaves_nothing_behind(tmp_path: Path, how: str) -> None:
    """Ctrl-C, `down`, and even a runner that is killed: no process survives, and the next command says what to do."""
    folder = tmp_path / "sandbox"
    with up(folder) as process:
        pids = everything(folder)
        assert len(pids) >= 9
        if how == "down":
            assert sandbox(folder, "down").returncode == 0
        else:
            process.send_signal(signal.SIGINT if how == "interrupt" else signal.SIGKILL)
        assert process.wait(15) == (-signal.SIGKILL if how == "kill" else 0)
    until("every process has ended", lambda: not any(map(runs, pids)))
    done = sandbox(folder, "status")
    assert done.returncode == 1
    assert f"Start one: {SANDBOX} up" in done.stderr
