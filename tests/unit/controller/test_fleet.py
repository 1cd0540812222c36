"""The shell that looks after the fleet: two rhythms, nothing on half a picture, and nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest
from fleet_pods import OURS, injected, pod

from controller.core.fleet.model import Binding, ClientAccess, Finding, Health, Labelled, Rules
from controller.fleet import AUDIT_S, WRITES_MAX, Fleet
from controller.metrics import Metrics
from controller.ports import Conflict, Listed, PortError, Unavailable
from sidecar.contract import names
from webhook.core.model import OldNode

pytestmark = pytest.mark.anyio
ON = {names.INJECT_LABEL: names.INJECT_ENABLED}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Store:
    """A Kubernetes of a few dictionaries."""

    def __init__(self) -> None:
        self.labels: dict[str, dict[str, str]] = {}
        self.live: list[Any] = []
        self.bound: dict[str, Binding] = {}
        self.events: list[Finding] = []
        self.problem: PortError | None = None
        self.pods_problem: PortError | None = None
        self.ranges_problem: PortError | None = None
        self.ranges: dict[str, tuple[Any, ...]] = {}
        self.nodes: tuple[OldNode, ...] = ()
        self.taken: set[str] = set()
        self.refuses_events = False
        self.complete = True
        self.lists = 0

    async def namespaces(self, *, labelled: bool) -> Listed[Labelled]:
        if self.problem:
            raise self.problem
        found = (Labelled(name, labels) for name, labels in self.labels.items() if labels or not labelled)
        return Listed(tuple(found))

    async def pods(
        self, judge: Callable[[Any], Any], *, namespace: str = "", selector: str = "", most: int
    ) -> Listed[Any]:
        self.lists += 1
        if self.pods_problem:
            raise self.pods_problem
        key, _, value = selector.partition("=")
        asked = [
            p for p in self.live
            if (p["metadata"]["namespace"] == namespace if namespace else p["metadata"]["labels"].get(key) == value)
        ]  # fmt: skip
        return Listed(tuple(f for p in asked if (f := judge(p)) is not None), self.complete)

    async def limit_ranges(self) -> Mapping[str, tuple[Any, ...]]:
        if self.ranges_problem:
            raise self.ranges_problem
        return self.ranges

    async def old_nodes(self) -> tuple[OldNode, ...]:
        return self.nodes

    async def role_uid(self) -> str:
        return "role"

    async def bindings(self, role_uid: str) -> Listed[Binding]:
        return Listed(tuple(self.bound.values()))

    async def bind(self, namespace: str, role_uid: str) -> None:
        if namespace in self.taken:
            raise Conflict(f"{namespace}: a RoleBinding has that name already")
        self.bound[namespace] = Binding(f"b-{namespace}", namespace, True)

    async def unbind(self, binding: Binding) -> None:
        self.bound = {n: b for n, b in self.bound.items() if b.name != binding.name}

    async def record_finding(self, finding: Finding) -> None:
        if self.refuses_events:
            raise Conflict("the namespace is going")
        self.events.append(finding)


class Bench:
    def __init__(self, access: ClientAccess = ClientAccess.PER_NAMESPACE) -> None:
        self.store = Store()
        self.lease = 4.0
        self.metrics = Metrics()
        self.now = 0.0
        self.fleet = Fleet(self.store, Rules(OURS, access), lambda: self.lease, self.metrics, clock=lambda: self.now)

    async def audit(self) -> None:
        """A minute later."""
        self.now += AUDIT_S
        await self.fleet.look()


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_namespace_is_bound_when_labelled_and_let_go_when_nothing_lives_in_it(bench: Bench) -> None:
    store = bench.store
    store.labels = {"apps": dict(ON), "others": {}}
    store.live = [injected()]
    await bench.fleet.look()
    assert set(store.bound) == {"apps"}
    store.labels["apps"] = {}
    await bench.audit()
    assert set(store.bound) == {"apps"}, "a live sidecar is not stranded"
    store.live = []
    await bench.fleet.look()
    assert set(store.bound) == {"apps"}, "a look without pods takes nothing away"
    await bench.audit()
    assert store.bound == {}


async def test_between_two_audits_only_labelled_namespaces_are_read(bench: Bench) -> None:
    await bench.fleet.look()
    lists, bench.store.labels = bench.store.lists, {"apps": dict(ON)}
    await bench.fleet.look()
    assert set(bench.store.bound) == {"apps"}
    assert bench.store.lists == lists


async def test_a_namespace_that_is_gone_loses_its_binding(bench: Bench) -> None:
    await bench.store.bind("gone", "role")
    await bench.audit()
    assert bench.store.bound == {}


async def test_on_half_a_picture_no_right_is_taken_away(bench: Bench) -> None:
    await bench.store.bind("apps", "role")
    bench.store.labels, bench.store.complete = {"apps": {}}, False
    await bench.audit()
    assert set(bench.store.bound) == {"apps"}
    status = bench.fleet.status()
    assert status is not None
    assert not status.complete


async def test_pods_that_ask_for_themselves_are_found_wherever_they_are(bench: Bench) -> None:
    bench.store.labels = {"far": {}}
    bench.store.live = [injected(given=pod("far", labels=ON))]
    await bench.audit()
    assert set(bench.store.bound) == {"far"}


async def test_what_people_should_know_is_said_everywhere(bench: Bench) -> None:
    """Event, metric, status."""
    bench.store.labels = {"apps": dict(ON)}
    bench.store.live = [pod(owner=("StatefulSet", "db")), injected(given=pod(name="web-2"))]
    await bench.audit()
    await bench.audit()
    assert [e.health for e in bench.store.events] == [Health.MISSING], "once"
    sample = bench.metrics.registry.get_sample_value
    assert sample("memgraph_ha_fleet_pods", {"health": "missing"}) == 1
    assert sample("memgraph_ha_fleet_pods", {"health": "current"}) == 1
    status = bench.fleet.status()
    assert status is not None
    assert status.findings[0].commands == ("kubectl -n apps rollout restart statefulset/db",)
    assert status.namespaces == ("apps",)


async def test_an_event_that_is_refused_holds_nothing_up(bench: Bench) -> None:
    bench.store.labels, bench.store.live = {"apps": dict(ON)}, [pod()]
    bench.store.refuses_events = True
    await bench.audit()
    status = bench.fleet.status()
    assert status is not None
    assert (len(status.findings), status.problem) == (1, None)


async def test_what_goes_wrong_is_in_the_status_and_tried_again(bench: Bench) -> None:
    await bench.fleet.look()
    bench.store.problem = Unavailable("listing namespaces: 403 Forbidden")
    await bench.fleet.look()
    status = bench.fleet.status()
    assert status is not None
    assert status.problem == "listing namespaces: 403 Forbidden"
    bench.store.problem, bench.store.labels = None, {"apps": dict(ON)}
    await bench.fleet.look()
    assert set(bench.store.bound) == {"apps"}


async def test_an_audit_that_fails_keeps_no_namespace_waiting(bench: Bench) -> None:
    """It comes again in a minute; labelled namespaces are bound meanwhile."""
    bench.store.pods_problem = Unavailable("listing pods in apps: 403 Forbidden")
    for name in ("apps", "later"):
        bench.store.labels[name] = dict(ON)
        await bench.fleet.look()
        assert name in bench.store.bound
    status = bench.fleet.status()
    assert status is not None
    assert not status.complete
    lists = bench.store.lists
    await bench.fleet.look()
    assert bench.store.lists == lists
    bench.store.pods_problem = None
    await bench.audit()
    status = bench.fleet.status()
    assert status is not None
    assert (status.complete, status.problem) == (True, None)


SMALL = {"spec": {"limits": [{"type": "Container", "max": {"memory": "32Mi"}}]}}


@pytest.mark.parametrize("place", ["a LimitRange", "an old node"])
async def test_what_its_place_keeps_from_a_sidecar_is_no_finding(bench: Bench, place: str) -> None:
    """By the same inputs as the webhook: a restart would bring nothing."""
    store = bench.store
    store.labels, store.live = {"apps": dict(ON)}, [pod(), injected(given=pod(name="has"))]
    if place == "a LimitRange":
        store.ranges = {"apps": (SMALL,)}
    else:
        store.nodes = (OldNode("n", "v1.29.3"),)
    await bench.audit()
    status = bench.fleet.status()
    assert status is not None
    assert (status.pods[Health.CURRENT], status.findings, status.problem) == (1, (), None)


async def test_what_could_not_be_read_is_said_as_long_as_it_lasts(bench: Bench) -> None:
    """The rest is judged without it."""
    store = bench.store
    store.labels, store.live, store.ranges_problem = {"apps": dict(ON)}, [pod()], Unavailable("403")
    await bench.audit()
    for _ in range(2):  # the second look makes no audit
        status = bench.fleet.status()
        assert status is not None
        assert status.problem is not None
        assert status.problem.startswith("LimitRanges were not read, so pods that they keep")
        assert [f.health for f in status.findings] == [Health.MISSING]
        await bench.fleet.look()
    store.ranges_problem = None
    await bench.audit()
    assert (status := bench.fleet.status()) is not None
    assert status.problem is None


async def test_a_name_that_is_taken_keeps_no_other_namespace_waiting(bench: Bench) -> None:
    store = bench.store
    store.labels, store.taken = {"a": dict(ON), "b": dict(ON)}, {"a"}
    await bench.fleet.look()
    assert set(store.bound) == {"b"}
    assert (status := bench.fleet.status()) is not None
    assert status.problem == "a: a RoleBinding has that name already"


async def test_a_pod_that_nobody_thought_of_stops_nothing(bench: Bench) -> None:
    bench.store.labels, bench.store.live = {"apps": dict(ON)}, [{"metadata": _Odd()}]
    await bench.fleet.look()
    status = bench.fleet.status()
    assert status is not None
    assert (status.problem or "").startswith("a mistake of ours: ")
    assert set(bench.store.bound) == {"apps"}


class _Odd(dict[str, Any]):
    """Metadata whose reading fails, as no metadata's does."""

    def __getitem__(self, key: str) -> Any:
        return "apps" if key == "namespace" else {}

    def get(self, key: str, default: Any = None) -> Any:
        raise ZeroDivisionError(key)


async def test_with_little_of_the_lease_left_nothing_is_written(bench: Bench) -> None:
    await bench.store.bind("gone", "role")
    bench.store.labels, bench.lease = {"apps": dict(ON)}, 0.5
    await bench.audit()
    assert set(bench.store.bound) == {"gone"}


async def test_one_look_writes_only_so_much(bench: Bench) -> None:
    await bench.fleet.look()
    bench.store.labels = {f"n-{number}": dict(ON) for number in range(WRITES_MAX + 5)}
    await bench.fleet.look()
    assert len(bench.store.bound) == WRITES_MAX
    await bench.fleet.look()
    assert len(bench.store.bound) == WRITES_MAX + 5


@pytest.mark.parametrize("access", [ClientAccess.ALL, ClientAccess.NONE])
async def test_where_others_give_the_right_only_the_audit_is_made(access: ClientAccess) -> None:
    bench = Bench(access)
    bench.store.labels, bench.store.live = {"apps": dict(ON)}, [pod()]
    await bench.fleet.look()
    await bench.fleet.look()
    assert bench.store.bound == {}
    assert len(bench.store.events) == 1


async def test_a_standby_does_nothing_and_knows_nothing(bench: Bench) -> None:
    bench.store.labels = {"apps": dict(ON)}
    await bench.fleet.look()
    bench.lease, bench.store.bound = 0.0, {}
    with anyio.move_on_after(0.05):
        await bench.fleet.run()
    assert bench.store.bound == {}
    assert bench.fleet.status() is None
    assert bench.metrics.registry.get_sample_value("memgraph_ha_fleet_pods", {"health": "missing"}) is None
