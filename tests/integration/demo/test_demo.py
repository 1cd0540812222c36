"""The demo itself, shortened: it passes, it fails with a planted bug, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# One at a time: each starts some fifteen processes, and judges how fast they are.
pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("demo")]


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox.demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=140, check=False)


def figures(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def processes_of(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder, in an argument or in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
        if str(folder).encode() in text and int(entry.name) != os.getpid():
            found.append(text[:200].decode(errors="replace"))
    return found


def test_the_shortened_demo_loses_nothing_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder, report = tmp_path / "world", tmp_path / "figures.json"
    ended = demo("--short", "--dir", str(folder), "--json", str(report))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = figures(report)
    assert found["acked"] > 100
    assert (found["lost"], found["forbidden"], found["phantom"], found["revived"]) == (0, 0, 0, 0)
    assert [event["name"] for event in found["events"]] == ["kill-main", "switchover"]
    epochs = [event["epoch"] for event in found["events"]]
    assert epochs == sorted(set(epochs))
    for event in found["events"]:
        assert event["main_before"] != event["main_after"]
        assert 0 < event["stall_ms"] < 30_000
    assert found["events"][1]["connections_cut"] > 0
    assert "\x1b[" not in ended.stdout  # no terminal, no colours
    assert re.search(r"^ +\d+\.\d\d s  epoch \d+ +memgraph-ha-controller-\w+ +published: ", ended.stdout, re.M)
    assert ended.stdout.rstrip().endswith("memgraph-ha sandbox up")
    assert processes_of(folder) == []


def test_a_controller_that_promotes_a_stale_replica_is_caught(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    ended = demo("--break", "promote-stale", "--short", "--dir", str(tmp_path / "world"), "--json", str(report))
    assert ended.returncode == 1, ended.stdout + ended.stderr
    found = figures(report)
    assert found["lost"] > 0
    assert found["exit_code"] == 1
    witnesses = re.findall(
        r"^LOST: write app-\d-\d+ was acknowledged at .* is absent on memgraph-ha-2", ended.stdout, re.M
    )
    assert len(witnesses) == min(20, found["lost"])
    assert f"{found['lost']} acknowledged writes are missing on memgraph-ha-2" in ended.stdout


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "sandbox.demo", "--dir", str(tmp_path / "world")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.terminate()


@pytest.mark.parametrize("moment", ["starting 3 Memgraph instances", "kill -9"])
def test_ctrl_c_leaves_nothing_behind(running: subprocess.Popen[str], tmp_path: Path, moment: str) -> None:
    assert running.stdout is not None
    said = []
    for line in running.stdout:
        said.append(line)
        if moment in line and " s  " in line:
            assert processes_of(tmp_path / "world"), "there is something to end"
            running.send_signal(signal.SIGINT)
            break
    said += running.stdout.readlines()
    assert running.wait(timeout=30) == 130, "".join(said)
    assert "Stopping: ending every process of this demo." in "".join(said)
    assert "Traceback" not in "".join(said)
    assert processes_of(tmp_path / "world") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--break", "nothing"], "invalid choice: 'nothing'"),
        (["--json", "/nowhere/at/all.json"], "there is no folder /nowhere/at: make it first"),
        (["--dir", "/proc"], "is not an empty folder: give a new one, or empty it"),
    ],
)
def test_wrong_use_is_said_at_once(arguments: list[str], said: str) -> None:
    started = time.monotonic()
    ended = demo(*arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert time.monotonic() - started < 20
