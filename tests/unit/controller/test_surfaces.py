"""The shell that shows: only differences, only while leading, never again what was written."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
from toy_cluster import Toy, serving

from controller.core.model import Observation, Pod, Shown
from controller.core.pacing import DOUBT_S
from controller.ports import Conflict, PortError, Unavailable
from controller.surfaces import Surfaces

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Faces:
    """Pods that remember what was written, and may refuse."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, bool | None]] = []
        self.problems: dict[str, PortError] = {}
        self.lease = 4.0
        self.costs = 0.0
        self.hangs = False

    async def show(self, pod: Pod, shown: Shown) -> None:
        if self.hangs:
            await anyio.sleep_forever()
        self.lease -= self.costs
        if pod.name in self.problems:
            raise self.problems[pod.name]
        self.written.append((pod.name, shown.role, shown.in_sync))


class Bench:
    """The shell, its pods, and a settled cluster that it looks at."""

    def __init__(self) -> None:
        self.toy: Toy = serving()
        self.faces = Faces()
        self.surfaces = Surfaces(self.faces, lambda: self.faces.lease)

    async def show(self, observation: Observation | None = None) -> bool:
        self.surfaces.look(observation or self.toy.observation())
        return await self.surfaces.apply()


@pytest.fixture
def bench() -> Bench:
    return Bench()


ALL = [("m-0", "main", True), ("m-1", "sync", True), ("m-2", "replica", True)]


async def test_every_pod_is_shown_once(bench: Bench) -> None:
    """Also while the watch has not yet brought what was written back."""
    assert await bench.show()
    assert await bench.show()
    assert bench.faces.written == ALL


async def test_what_the_pods_show_already_is_not_written(bench: Bench) -> None:
    """A new leader's memory is empty; the pods are its memory."""
    obs = bench.toy.observation()
    pods = {i.ordinal: i.pod for i in obs.instances if i.pod}
    texts = {0: ("Main", "this is the main"), 1: ("InSync", "it holds what the main holds")}
    known = {n: Shown(role, good, *texts[min(n, 1)]) for n, (_, role, good) in enumerate(ALL)}
    known[2] = replace(known[2], role="sync")  # from before the partner changed
    seen = tuple(replace(i, pod=replace(pods[i.ordinal], shown=known[i.ordinal])) for i in obs.instances)
    assert await bench.show(replace(obs, instances=seen))
    assert bench.faces.written == [ALL[2]]


async def test_a_glimpse_of_a_lost_replica_is_not_shown(bench: Bench) -> None:
    """Only what lasts."""
    good = Shown("replica", True, "InSync", "it holds what the main holds")

    async def look() -> None:
        obs = bench.toy.observation()
        pods = [i.pod and replace(i.pod, shown=good) for i in obs.instances]
        seen = (replace(i, pod=pod) for i, pod in zip(obs.instances, pods, strict=True))
        await bench.show(replace(obs, instances=tuple(seen)))

    bench.toy.fail(2, "refused")
    await look()
    bench.toy.now += DOUBT_S - 0.1
    await look()
    assert ("m-2", "replica", False) not in bench.faces.written
    bench.toy.now += 0.1
    await look()
    assert bench.faces.written[-1] == ("m-2", "replica", False)


async def test_what_somebody_else_takes_away_is_written_again(bench: Bench) -> None:
    await bench.show()
    obs = bench.toy.observation()
    pod = obs.instances[2].pod
    assert pod is not None
    stripped = replace(obs.instances[2], pod=replace(pod, shown=Shown("", True)))
    await bench.show(replace(obs, instances=(*obs.instances[:2], stripped)))
    assert bench.faces.written == [*ALL, ALL[2]]


async def test_a_pod_of_the_same_name_is_another_one(bench: Bench) -> None:
    await bench.show()
    bench.toy.restart(2, new_pod=True)
    bench.toy.settle()
    await bench.show()
    assert bench.faces.written == [*ALL, ALL[2]]


async def test_without_the_lease_nothing_is_written(bench: Bench) -> None:
    """Looked at before each write: one that was slow may have been the last."""
    bench.faces.costs = 1.5
    await bench.show()
    assert bench.faces.written == ALL[:2]
    bench.surfaces.look(None)
    bench.faces.lease = 4.0
    assert await bench.surfaces.apply()
    assert bench.faces.written == ALL[:2]


async def test_one_pod_that_is_refused_keeps_no_other_from_being_shown(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again, and its reason is said once."""
    bench.faces.problems["m-0"] = Conflict("409")
    assert not await bench.show()
    assert not await bench.show()
    assert bench.faces.written == ALL[1:]
    assert [record.message for record in caplog.records].count("PodNotShown") == 1
    bench.faces.problems.clear()
    assert await bench.show()
    assert bench.faces.written == [*ALL[1:], ALL[0]]


async def test_a_right_that_is_missing_is_no_crash(bench: Bench) -> None:
    """An older Role."""
    bench.faces.problems = {f"m-{n}": Unavailable("403 Forbidden") for n in range(3)}
    assert not await bench.show()


async def test_looking_never_waits(bench: Bench) -> None:
    """The loop calls it between a decision and its action: an API server that hangs holds up nothing."""
    bench.faces.hangs = True
    async with anyio.create_task_group() as group:
        group.start_soon(bench.surfaces.run)
        for _ in range(3):
            bench.surfaces.look(bench.toy.observation())
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert bench.faces.written == []
