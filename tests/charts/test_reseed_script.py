"""The init container's script, run by sh: what it carries out, what it refuses, and what a crash leaves (P-R1)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "charts" / "memgraph-ha" / "files" / "reseed.sh"
TOOLS = ("rm", "mv")
_DEADLY = """#!/bin/sh
echo >>"$COUNT"
if [ "$(wc -l <"$COUNT")" -eq "$DIES_AT" ]; then
  case $DIES in
    before) kill -9 $PPID; exit 1 ;;
    half) for last in "$@"; do :; done; /bin/rm -f "$last/first"; kill -9 $PPID; exit 1 ;;
    after) {tool} "$@"; kill -9 $PPID; exit 1 ;;
    fails) exit 1 ;;
  esac
fi
exec {tool} "$@"
"""


@dataclass
class Volume:
    """One instance's volume, and the two ConfigMaps as its pods see them."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    said: str = ""

    def __post_init__(self) -> None:
        for name in ("volume", "orders", "state", "tools"):
            (self.root / name).mkdir(parents=True)
        self.publish(7)
        for tool in TOOLS:
            path = self.root / "tools" / tool
            path.write_text(_DEADLY.replace("{tool}", f"/bin/{tool}"))
            path.chmod(0o755)

    def publish(self, epoch: int) -> None:
        (self.root / "state" / "epoch").write_text(str(epoch))

    def order(self, pod_uid: str, epoch: int = 7, seconds: int = 600, ordinal: int = 2) -> None:
        text = f"podUID={pod_uid}\nepoch={epoch}\nexpires={int(time.time()) + seconds}\n"
        (self.root / "orders" / f"pod-{ordinal}").write_text(text)

    def start(self, uid: str, *, memgraph: bool = True) -> int:
        """A pod starts: its init container, then (if that passes) Memgraph, which makes its directory."""
        command = ["/bin/sh", str(SCRIPT), *(str(self.root / name) for name in ("volume", "orders", "state"))]
        environment = {"PATH": os.environ["PATH"], "POD_NAME": "graph-2", "POD_UID": uid, **self.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
        self.said = done.stderr
        if done.returncode == 0 and memgraph:
            data = self.root / "volume" / "mg_data"
            data.mkdir(exist_ok=True)
            for name in ("first", "second"):
                if not (data / name).exists():
                    (data / name).write_text(f"of {uid}")
        return done.returncode

    def dies(self, at: int, how: str) -> None:
        """The at-th rm or mv of the next starts meets this fate."""
        (self.root / "count").write_text("")
        path = f"{self.root / 'tools'}:{os.environ['PATH']}"
        self.environment = {"PATH": path, "COUNT": str(self.root / "count"), "DIES_AT": str(at), "DIES": how}

    def lives(self) -> None:
        self.environment = {}

    def contents(self) -> dict[str, str]:
        """Directory -> whose data it is; a copy that lacks a file is marked so."""
        found = {}
        for folder in (self.root / "volume").glob("mg_data*"):
            whose = sorted({path.read_text() for path in folder.iterdir()})
            complete = len(list(folder.iterdir())) == 2 and len(whose) == 1
            found[folder.name] = whose[0] if complete else f"parts of {whose}"
        return found


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """A volume on which pod `a` runs."""
    volume = Volume(tmp_path)
    assert volume.start("a") == 0
    assert volume.contents() == {"mg_data": "of a"}
    return volume


def test_without_an_order_nothing_moves(volume: Volume) -> None:
    assert volume.start("b") == 0
    assert volume.contents() == {"mg_data": "of a"}
    assert volume.said == ""


def test_an_order_moves_the_data_aside_once(volume: Volume) -> None:
    """The successor begins anew; a pod after it, and a restart of it, keep what they have."""
    volume.order("a")
    assert volume.start("b") == 0
    expected = {"mg_data": "of b", "mg_data.old-7": "of a"}
    assert volume.contents() == expected
    assert json.loads(volume.said)["event"] == "DataMovedAside"
    assert volume.start("b") == 0
    assert volume.start("c") == 0
    assert volume.contents() == expected


def test_one_copy_is_kept_and_the_next_order_may_be_of_the_same_epoch(volume: Volume) -> None:
    volume.order("a")
    volume.start("b")
    volume.order("b")
    assert volume.start("c") == 0
    assert volume.contents() == {"mg_data": "of c", "mg_data.old-7": "of b"}
    volume.publish(9)
    volume.order("c", epoch=9)
    assert volume.start("d") == 0
    assert volume.contents() == {"mg_data": "of d", "mg_data.old-9": "of c"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("podUID=z\nepoch=7\nexpires=9999999999\n", "for another pod"),
        ("podUID=a\nepoch=7\nexpires=1\n", "has expired"),
        ("podUID=a\nepoch=6\nexpires=9999999999\n", "not the published one"),
        ("podUID=\nepoch=7\nexpires=9999999999\n", "malformed"),
        ("podUID=a\nepoch=7;x\nexpires=9999999999\n", "malformed"),
        ("podUID=a\nepoch=../7\nexpires=9999999999\n", "malformed"),
        ("podUID=a\nepoch=7\nexpires=soon\n", "malformed"),
        ("podUID=a\n", "malformed"),
        ("", "malformed"),
    ],
)
def test_an_order_that_is_not_for_this_start_is_refused(volume: Volume, text: str, why: str) -> None:
    (volume.root / "orders" / "pod-2").write_text(text)
    assert volume.start("b") == 0
    assert volume.contents() == {"mg_data": "of a"}
    assert why in json.loads(volume.said)["message"]


def test_another_instance_s_order_is_none_of_ours(volume: Volume) -> None:
    volume.order("a", ordinal=1)
    volume.order("a", ordinal=22)
    assert volume.start("b") == 0
    assert volume.contents() == {"mg_data": "of a"}


def test_without_the_published_state_no_order_is_good(volume: Volume) -> None:
    volume.order("a")
    (volume.root / "state" / "epoch").unlink()
    assert volume.start("b") == 0
    assert volume.contents() == {"mg_data": "of a"}


def test_a_volume_of_before_this_script_takes_orders_from_its_second_start_on(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    volume.start("a")
    (volume.root / "volume" / ".memgraph-ha-pod-uid").unlink()
    volume.order("a")
    assert volume.start("b") == 0
    assert volume.contents() == {"mg_data": "of a"}
    volume.order("b")
    assert volume.start("c") == 0
    assert volume.contents() == {"mg_data": "of c", "mg_data.old-7": "of a"}


def with_a_former_copy(volume: Volume) -> None:
    """The copy of an earlier re-seed is there, and an order for the next pod."""
    volume.order("a")
    volume.start("b")
    volume.publish(9)
    volume.order("b", epoch=9)


WANTED = {"mg_data": "of c", "mg_data.old-9": "of b"}


@pytest.mark.parametrize("how", ["before", "half", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize("again", ["the same pod", "another pod"])
def test_killed_at_any_step_it_ends_the_same(volume: Volume, at: int, how: str, again: str) -> None:
    """rm of the older copy, mv of the data, rm of the UID, mv of the new UID: never twice, and nothing is lost."""
    with_a_former_copy(volume)
    volume.dies(at, how)
    assert volume.start("crashed") == -signal.SIGKILL
    assert "of b" in volume.contents().values()
    volume.lives()
    successor = "c" if again == "another pod" else "crashed"
    assert volume.start(successor) == 0
    expected = {name: whose.replace("of c", f"of {successor}") for name, whose in WANTED.items()}
    assert volume.contents() == expected
    for later in ("d", "e"):
        assert volume.start(later) == 0
    assert volume.contents() == expected


def test_the_steps_are_the_four_that_are_killed(volume: Volume) -> None:
    """So that a fifth step cannot escape the test above."""
    with_a_former_copy(volume)
    volume.dies(99, "before")
    assert volume.start("c") == 0
    assert (volume.root / "count").read_text().count("\n") == 4


@pytest.mark.parametrize(("at", "left"), [(1, "mg_data.old-7"), (2, "mg_data")])
def test_data_that_cannot_be_moved_keeps_no_instance_down(volume: Volume, at: int, left: str) -> None:
    """Memgraph starts as before; the controller sees that nothing happened, and this order is over."""
    with_a_former_copy(volume)
    volume.dies(at, "fails")
    assert volume.start("c") == 0
    assert "ReseedFailed" in volume.said
    assert volume.contents()["mg_data"] == "of b"
    assert left in volume.contents()
    volume.lives()
    assert volume.start("d") == 0
    assert volume.contents()["mg_data"] == "of b"


def test_a_uid_that_stays_stops_the_start_and_one_that_is_not_written_does_not(volume: Volume) -> None:
    """With the former UID left there, the order would be good once more."""
    with_a_former_copy(volume)
    volume.dies(3, "fails")
    assert volume.start("c") == 1
    volume.dies(2, "fails")
    assert volume.start("c") == 0
    assert "PodUIDNotWritten" in volume.said
    volume.lives()
    assert volume.contents() == WANTED
    assert volume.start("d") == 0
    assert volume.contents() == WANTED
