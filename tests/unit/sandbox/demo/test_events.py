"""When an event counts as over, and what it says when it never is. The world here is files and a scripted stage."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from sandbox.demo.events import HANG_MAIN, KILL_LEADER, KILL_MAIN, SWITCHOVER, Event, Scene, play
from sandbox.demo.feed import Feed
from sandbox.demo.history import Kind, Record, encode
from sandbox.demo.narrate import Happening
from sandbox.demo.timeline import Timeline
from sidecar.contract.state import Document, Phase, SyncReplica

pytestmark = pytest.mark.anyio

BEFORE = Document(
    term=1,
    epoch=2,
    phase=Phase.SERVING,
    cut_kind=None,
    master_index=0,
    main_pod="memgraph-ha-0",
    main_uid="u0",
    main_address="127.0.0.1:7687",
    main_volume="v0",
    database_uuid="d",
    sync=SyncReplica(1, "v1", "memgraph_1_t1_1"),
    read_addresses=("127.0.0.2:7687", "127.0.0.3:7687"),
    reason="Published",
    message="",
    writer="c",
    updated_at="",
)
AFTER = replace(BEFORE, epoch=4, master_index=1, main_pod="memgraph-ha-1", sync=SyncReplica(2, "v2", "memgraph_2_t1_2"))
APPS = ("app-0", "app-1")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class ScriptedStage:
    """Does what a test says should follow from an act. `calls` is what was done to it, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.published: Document | None = None
        self.reaction: Callable[[], object] = lambda: None
        self.calls: list[str] = []
        self.publish(BEFORE, age_s=1.0)

    async def document(self) -> Document | None:
        return self.published

    async def kill(self, pod: str) -> None:
        self._broken(f"kill {pod}")

    async def hang(self, pod: str) -> None:
        self._broken(f"hang {pod}")

    async def resume(self, pod: str) -> None:
        self.calls.append(f"resume {pod}")

    async def blackhole(self, sender: str, receiver: str) -> None:
        self.calls.append(f"blackhole {sender} {receiver}")
        for number in range(20):
            self.write("app-0", 100 + number)
            self.write("app-1", 100 + number)

    async def heal(self) -> None:
        self.calls.append("heal")

    async def switchover(self) -> None:
        self._broken("switchover")

    def leader(self) -> str:
        return "controller-a"

    def memgraphs(self) -> list[str]:
        return ["memgraph-ha-0", "memgraph-ha-1", "memgraph-ha-2"]

    def _broken(self, call: str) -> None:
        self.calls.append(call)
        self.reaction()

    def log(self, pod: str, event: str, age_s: float = -0.001, **fields: object) -> None:
        file = self.folder / "pods" / f"ns_{pod}" / "x.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        ts = datetime.fromtimestamp(time.time() - age_s, UTC).isoformat(timespec="milliseconds")
        with file.open("a") as out:
            out.write(json.dumps({"ts": ts, "event": event, **fields}) + "\n")

    def write(self, app: str, number: int) -> None:
        file = self.folder / "history" / f"{app}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as out:
            out.write(encode(Record(Kind.OK, app, f"{app}-{number}", time.time() + 0.01)) + "\n")

    def publish(self, document: Document, age_s: float = -0.001) -> None:
        self.published = document
        self.log(
            "controller-a",
            "DocumentWritten",
            age_s,
            epoch=document.epoch,
            term=document.term,
            phase=document.phase,
            cut_kind=document.cut_kind,
            main_pod=document.main_pod,
            main_address=document.main_address,
        )

    def follow(self, app: str, epoch: int, cut: int = 2) -> None:
        self.log(app, "RouteChanged", old_epoch=2, new_epoch=epoch, phase="serving", connections_cut=cut)

    def fail_over(self) -> None:
        """Everything as it should be."""
        self.publish(AFTER)
        for app in APPS:
            self.follow(app, AFTER.epoch)
            self.write(app, 900)


def scene(stage: ScriptedStage, patience_s: float = 10.0) -> Scene:
    told: list[Happening] = []
    return Scene(stage, Feed(stage.folder, told.append), Timeline(io.StringIO(), 0.0, color=False), APPS, patience_s)


async def played(stage: ScriptedStage, event: Event, patience_s: float = 10.0) -> tuple[str, list[str]]:
    """The event's problem, and what was done."""
    at = scene(stage, patience_s)
    async with anyio.create_task_group() as group:
        group.start_soon(at.feed.watch)
        result, window = await play(at, event)
        group.cancel_scope.cancel()
    assert window.start < window.end
    assert result.name == event.name
    return result.problem, stage.calls


async def test_kill_main_kills_only_after_the_third_instance_lags(tmp_path: Path) -> None:
    stage = ScriptedStage(tmp_path)
    stage.reaction = stage.fail_over
    problem, calls = await played(stage, KILL_MAIN)
    assert problem == ""
    assert calls == ["blackhole memgraph-ha-0 memgraph-ha-2", "kill memgraph-ha-0", "heal"]


async def test_a_hung_main_is_woken_afterwards(tmp_path: Path) -> None:
    stage = ScriptedStage(tmp_path)
    stage.reaction = stage.fail_over
    assert await played(stage, HANG_MAIN) == ("", ["hang memgraph-ha-0", "resume memgraph-ha-0"])


@pytest.mark.parametrize(
    ("reaction", "missing"),
    [
        (lambda stage: None, "memgraph-ha-0 is still the main"),
        (lambda stage: setattr(stage, "published", None), "there is no valid document"),
        (lambda stage: stage.publish(replace(AFTER, phase=Phase.CUT)), "the document is in phase cut"),
        (lambda stage: stage.publish(replace(AFTER, sync=None)), "no replica is known to hold every write"),
        (lambda stage: stage.publish(AFTER), "the sidecar of app-0 has not followed to epoch 4"),
        (
            lambda stage: (stage.publish(AFTER), stage.follow("app-0", 4), stage.follow("app-1", 3)),
            "the sidecar of app-1 has not followed to epoch 4",
        ),
        (
            lambda stage: (stage.publish(AFTER), [stage.follow(app, 4) for app in APPS], stage.write("app-0", 900)),
            "app-1 has not written again",
        ),
    ],
)
async def test_an_event_that_never_settles_says_what_was_missing(
    tmp_path: Path, reaction: Callable[[ScriptedStage], object], missing: str
) -> None:
    stage = ScriptedStage(tmp_path)
    stage.reaction = lambda: reaction(stage)
    problem, _ = await played(stage, SWITCHOVER, patience_s=0.3)
    assert problem.startswith("not settled after 0.3 s: ")
    assert missing in problem


async def test_an_event_without_a_document_fails_and_breaks_nothing(tmp_path: Path) -> None:
    stage = ScriptedStage(tmp_path)
    stage.published = None
    with anyio.fail_after(5):
        result, _ = await play(scene(stage), KILL_MAIN)
    assert result.problem == "there is no valid document before it"
    assert stage.calls == []


async def test_a_new_leader_must_touch_nothing(tmp_path: Path) -> None:
    stage = ScriptedStage(tmp_path)

    def take_over() -> None:
        stage.log("controller-b", "BecameLeader", term=2)
        stage.publish(replace(BEFORE, term=2))
        for app in APPS:
            stage.write(app, 900)

    stage.reaction = take_over
    assert await played(stage, KILL_LEADER) == ("", ["kill controller-a"])


@pytest.mark.parametrize(
    ("reaction", "missing"),
    [
        (lambda stage: None, "no controller took over"),
        (
            lambda stage: stage.log("controller-b", "BecameLeader", term=2),
            "controller-b leads, but its term is in no document",
        ),
        (lambda stage: stage.fail_over(), "a change of leader must not touch the main, but epoch 2 became 4"),
        (
            lambda stage: (
                stage.log("controller-b", "BecameLeader", term=2),
                stage.publish(replace(BEFORE, term=2)),
                stage.follow("app-1", 2, cut=3),
            ),
            "the sidecar of app-1 cut 3 connections without need",
        ),
    ],
)
async def test_a_change_of_leader_that_fails_says_why(
    tmp_path: Path, reaction: Callable[[ScriptedStage], object], missing: str
) -> None:
    stage = ScriptedStage(tmp_path)
    stage.reaction = lambda: reaction(stage)
    problem, _ = await played(stage, KILL_LEADER, patience_s=0.3)
    assert problem == f"not settled after 0.3 s: {missing}"


async def test_a_replica_that_stays_away_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.demo.events._COMPLETE_S", 0.2)
    stage = ScriptedStage(tmp_path)
    stage.publish(replace(BEFORE, read_addresses=("127.0.0.2:7687",)), age_s=1.0)
    at = scene(stage, 0.2)
    async with anyio.create_task_group() as group:
        group.start_soon(at.feed.watch)
        await play(at, SWITCHOVER)
        assert at.away == ["switchover"]
        await play(at, HANG_MAIN)
        group.cancel_scope.cancel()
    assert at.away == ["switchover"]
