"""Namespace look-ups: fresh, remembered only when the API server fails, and bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from webhook import namespaces
from webhook.certs import Pair
from webhook.namespaces import Namespaces
from webhook.ports import ApiProblem, Hook

pytestmark = pytest.mark.anyio


class FakeApi:
    """A namespace API with a switch, and nothing else."""

    def __init__(self) -> None:
        self.labels: Mapping[str, str] = {"a": "1"}
        self.up = True
        self.calls = 0

    async def namespace_labels(self, name: str) -> Mapping[str, str]:
        self.calls += 1
        if not self.up:
            raise ApiProblem("down")
        return self.labels

    async def read_authority(self, name: str) -> Pair | None:
        raise NotImplementedError

    async def create_authority(self, name: str, pair: Pair) -> bool:
        raise NotImplementedError

    async def hooks(self, configuration: str) -> Sequence[Hook]:
        raise NotImplementedError

    async def set_ca_bundle(self, configuration: str, index: int, hook: str, ca_bundle: bytes) -> None:
        raise NotImplementedError


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
    assert [(await lookup.get("apps")).labels for _ in range(3)] == [{"a": "1"}] * 3
    assert api.calls == 1


async def test_a_new_label_is_seen_a_second_later() -> None:
    api, clock = FakeApi(), Clock()
    lookup = Namespaces(api, clock)
    await lookup.get("apps")
    api.labels = {"a": "2"}
    clock.now += namespaces.FRESH_S + 0.1
    assert (await lookup.get("apps")).labels == {"a": "2"}


async def test_what_was_read_lately_serves_while_the_api_server_is_down() -> None:
    api, clock = FakeApi(), Clock()
    lookup = Namespaces(api, clock)
    await lookup.get("apps")
    api.up = False
    clock.now += namespaces.STALE_S - 1
    assert (await lookup.get("apps")).labels == {"a": "1"}
    clock.now += 2
    assert (await lookup.get("apps")).labels is None


async def test_a_namespace_never_read_is_unknown_while_the_api_server_is_down() -> None:
    api = FakeApi()
    api.up = False
    assert (await Namespaces(api, Clock()).get("apps")).labels is None


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
