"""Namespace look-ups: fresh, remembered only when the API server fails, and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sidecar.contract import names
from webhook import namespaces
from webhook.core.model import Namespace, OldNode
from webhook.namespaces import Namespaces
from webhook.nodes import Nodes
from webhook.ports import ApiProblem, Labelled

pytestmark = pytest.mark.anyio
ENABLED = {names.INJECT_LABEL: names.INJECT_ENABLED}


class FakeApi:
    """A namespace API with a switch for each kind of call, and nothing else."""

    def __init__(self) -> None:
        self.labels: Mapping[str, str] = {**ENABLED, "a": "1"}
        self.ranges: tuple[Any, ...] = ({"spec": {}},)
        self.up = self.limits_up = True
        self.calls = 0

    async def namespace(self, name: str) -> Labelled:
        self.calls += 1
        await anyio.lowlevel.checkpoint()
        if not self.up:
            raise ApiProblem("down")
        return Labelled(self.labels, {"b": "2"})

    async def limit_ranges(self, namespace: str) -> tuple[Any, ...]:
        if not (self.up and self.limits_up):
            raise ApiProblem("down")
        return self.ranges

    async def old_nodes(self) -> tuple[OldNode, ...]:
        if not self.up:
            raise ApiProblem("down")
        return (OldNode("n", "v1.29.0"),)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_within_a_second_one_look_up_serves_all() -> None:
    api, clock = FakeApi(), Clock()
    lookup = Namespaces(api, clock)
    assert [(await lookup.get("apps")).labels for _ in range(3)] == [{**ENABLED, "a": "1"}] * 3
    assert api.calls == 1


async def test_reviews_at_the_same_time_share_one_look_up() -> None:
    api, found = FakeApi(), list[Namespace]()
    lookup = Namespaces(api, Clock())

    async def get() -> None:
        found.append(await lookup.get("apps"))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(get)
    assert (api.calls, {one.name for one in found}, len(found)) == (1, {"apps"}, 10)
    assert all(one.labels == {**ENABLED, "a": "1"} for one in found)


async def test_a_new_label_is_seen_a_second_later() -> None:
    api, clock = FakeApi(), Clock()
    lookup = Namespaces(api, clock)
    await lookup.get("apps")
    api.labels = {**ENABLED, "a": "2"}
    clock.now += namespaces.FRESH_S + 0.1
    assert (await lookup.get("apps")).labels == {**ENABLED, "a": "2"}


async def test_a_label_that_was_not_there_is_looked_for_each_time() -> None:
    """The first pod of a namespace follows its label within a second."""
    api = FakeApi()
    lookup = Namespaces(api, Clock())
    api.labels = {}
    await lookup.get("apps")
    api.labels = ENABLED
    assert (await lookup.get("apps")).labels == ENABLED


async def test_a_label_that_comes_during_a_look_up_is_seen_by_who_came_after_it() -> None:
    """The look-up under way was answered before the label was set."""
    api, found, asked, go = FakeApi(), dict[str, Namespace](), anyio.Event(), anyio.Event()
    api.labels = {}
    answer = api.namespace

    async def slow(name: str) -> Labelled:
        read = await answer(name)
        asked.set()
        await go.wait()
        return read

    api.namespace = slow  # type: ignore[method-assign]
    lookup = Namespaces(api, Clock())

    async def get(who: str) -> None:
        found[who] = await lookup.get("apps")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(get, "before")
        await asked.wait()
        api.labels = ENABLED
        for number in range(5):
            tasks.start_soon(get, f"after {number}")
        await anyio.lowlevel.checkpoint()
        go.set()
    assert found.pop("before").labels == {}
    assert [one.labels for one in found.values()] == [ENABLED] * 5
    assert api.calls == 2, "those five share one"


async def test_what_was_read_lately_serves_while_the_api_server_is_down() -> None:
    api, clock = FakeApi(), Clock()
    lookup = Namespaces(api, clock)
    await lookup.get("apps")
    api.up = False
    clock.now += namespaces.STALE_S - 1
    assert (await lookup.get("apps")).labels == {**ENABLED, "a": "1"}
    clock.now += 2
    assert (await lookup.get("apps")).labels is None


async def test_a_namespace_never_read_is_unknown_while_the_api_server_is_down() -> None:
    api = FakeApi()
    api.up = False
    assert (await Namespaces(api, Clock()).get("apps")).labels is None


async def test_everything_that_is_known_of_the_place_comes_along() -> None:
    old = (OldNode("n", "v1.29.0"),)
    found = await Namespaces(FakeApi(), Clock(), lambda: old).get("apps")
    assert found == Namespace("apps", {**ENABLED, "a": "1"}, {"b": "2"}, ({"spec": {}},), old)


async def test_without_its_limit_ranges_a_namespace_is_still_known() -> None:
    api, clock = FakeApi(), Clock()
    api.limits_up = False
    lookup = Namespaces(api, clock)
    assert await lookup.get("apps") == Namespace("apps", {**ENABLED, "a": "1"}, {"b": "2"})
    api.limits_up = True
    clock.now += 2
    assert (await lookup.get("apps")).limit_ranges == ({"spec": {}},)
    api.limits_up = False
    clock.now += 2
    assert (await lookup.get("apps")).limit_ranges == ({"spec": {}},), "remembered"


async def test_nodes_are_unknown_until_the_first_look_and_remembered_after_it() -> None:
    api = FakeApi()
    api.up = False
    nodes = Nodes(api)
    assert not await nodes.look()
    assert nodes.problem == "down"
    api.up = True
    assert await nodes.look()
    api.up = False
    assert not await nodes.look()
    assert nodes.old == (OldNode("n", "v1.29.0"),)


async def test_once_seen_nodes_are_no_problem_any_more() -> None:
    api = FakeApi()
    nodes = Nodes(api)
    await nodes.look()
    api.up = False
    await nodes.look()
    assert nodes.problem is None


async def test_memory_is_bounded() -> None:
    api = FakeApi()
    lookup = Namespaces(api, Clock())
    for number in range(namespaces.ENTRIES_MAX + 1):
        await lookup.get(f"n{number}")
    calls = api.calls
    await lookup.get("n1")
    assert api.calls == calls
    await lookup.get("n0")
    assert api.calls == calls + 1
