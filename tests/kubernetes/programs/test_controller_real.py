"""The controller's Lease and document on a real API server that is cut off, killed, compacted and asked by two."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from api_server import until
from cutting_proxy import CuttingProxy, cutting_proxy
from kubernetes.aio import client
from plain_client import STRATEGIC
from real import AnyCluster, needs_own
from real_release import Release, installed

from controller.core.election import LeaseRecord, Timings
from controller.core.model import Found, Pod, Shown
from controller.kube.client import connect
from controller.kube.cluster import Cluster
from controller.kube.faces import PodFaces
from controller.kube.lease import LeaseStore
from controller.kube.state import StateStore
from controller.leadership import Leadership
from controller.ports import Conflict, LostAnswer, Unavailable
from controller.settings import from_env
from sidecar.contract import names
from sidecar.contract.state import advance
from tests.integration.sidecar.conftest import document

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
STOPPED = "an API server that may be stopped"
TIMINGS = Timings(4.0, 3.0, 0.2)


@pytest.fixture(scope="module")
def graph(cluster: AnyCluster) -> Release:
    """A release that these tests may confuse."""
    return installed(cluster, "graph", "graph")


@pytest.fixture
async def proxy(graph: Release) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(graph.cluster.port) as proxy:
        yield proxy


@pytest.fixture
async def api(graph: Release, proxy: CuttingProxy) -> AsyncIterator[client.ApiClient]:
    """The controller's connection, through the proxy."""
    async with connect(str(graph.kubeconfig("controller", f"https://127.0.0.1:{proxy.port}"))) as api:
        yield api


async def test_the_answer_to_a_lease_write_is_lost(graph: Release, api: client.ApiClient, proxy: CuttingProxy) -> None:
    """P-W1: it happened; reading it back says so, and the write is not to be had twice."""
    store = LeaseStore(api, graph.namespace, "graph-controller")
    record = await store.write(LeaseRecord("c-0", 4.0, 0, ""), create=True)
    proxy.swallowing = True
    with pytest.raises(LostAnswer):
        await store.write(replace(record, holder="c-0", transitions=7), create=False)
    assert proxy.swallowed == 1
    proxy.swallowing = False
    found = await store.read()
    assert found is not None
    assert found.transitions == 7
    with pytest.raises(Conflict):
        await store.write(replace(record, transitions=8), create=False)


async def test_the_answer_to_a_document_write_is_lost(
    graph: Release, api: client.ApiClient, proxy: CuttingProxy
) -> None:
    """O-L16."""
    store = StateStore(api, graph.namespace, "graph-state")
    await store.write(document("127.0.0.1:1", epoch=1), None)
    before = await store.read()
    assert isinstance(before, Found)
    proxy.swallowing = True
    with pytest.raises(LostAnswer):
        await store.write(advance(before.document, epoch=2), before.resource_version)
    with pytest.raises(Unavailable):  # a new connection gets no answer even to TLS' first words: nothing was sent
        await store.write(advance(before.document, epoch=3), before.resource_version)
    with pytest.raises(Unavailable):
        await store.read()
    proxy.swallowing = False
    after = await store.read()
    assert isinstance(after, Found)
    assert after.document.epoch == 2


@needs_own(STOPPED)
async def test_two_controllers_through_a_crash_of_the_api_server(graph: Release) -> None:
    """Never two leaders; one of them again as soon as the API server is back, with the term's facts (O-F49, O-L3)."""
    both: list[bool] = []
    leaders: dict[str, Leadership] = {}
    url = str(graph.kubeconfig("controller"))
    async with connect(url) as one, connect(url) as other, anyio.create_task_group() as group:
        for name, api in (("c-0", one), ("c-1", other)):
            store = LeaseStore(api, graph.namespace, "two")
            leaders[name] = Leadership(store, name, TIMINGS, lambda: both.append(leading() > 1))
        grant_lease(graph, "two")

        def leading() -> int:
            return sum(leader.leading for leader in leaders.values())

        for leader in leaders.values():
            group.start_soon(leader.campaign)
        await until("one leads", lambda: leading() == 1)
        await anyio.to_thread.run_sync(lambda: graph.cluster.stop_api_server(kill=True))
        await until("nobody leads without renewing", lambda: leading() == 0)
        await anyio.to_thread.run_sync(graph.cluster.start_api_server)
        await until("one leads again", lambda: leading() == 1, seconds=20)
        (now,) = (name for name, leader in leaders.items() if leader.leading)
        leaders[now].resign()
        await until("the other one leads", lambda: leading() == 1 and not leaders[now].leading)
        group.cancel_scope.cancel()
    assert not any(both)


def grant_lease(graph: Release, name: str) -> None:
    """The chart's right on one more Lease."""
    roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/graph/roles/graph-controller"
    rule = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [name],
            "verbs": ["get", "update"]}  # fmt: skip
    answer = graph.admin.patch(roles, [{"op": "add", "path": "/rules/-", "value": rule}], "application/json-patch+json")
    assert answer.code == 200, answer.body


async def test_a_stale_leader_can_not_renew(graph: Release) -> None:
    """Whatever the clocks say: it is the version that counts (P-W3)."""
    grant_lease(graph, "stale")
    async with connect(str(graph.kubeconfig("controller"))) as api:
        store = LeaseStore(api, graph.namespace, "stale")
        mine = await store.write(LeaseRecord("c-0", 4.0, 0, ""), create=True)
        await store.write(replace(mine, holder="c-1", transitions=1), create=False)
        with pytest.raises(Conflict):
            await store.write(mine, create=False)
        await store.write(replace(await theirs(store), holder="", duration_s=1.0), create=False)


async def theirs(store: LeaseStore) -> LeaseRecord:
    """The record now."""
    found = await store.read()
    assert found is not None
    return found


@needs_own(STOPPED)
async def test_the_pods_are_followed_through_a_restart_and_a_compaction(graph: Release) -> None:
    """The version the watch had is gone (410): it lists again, and what happened meanwhile is seen."""
    settings = from_env(
        {"POD_NAME": "c-0", "POD_NAMESPACE": "graph", "MEMGRAPH_HA_RELEASE": "graph",
         "KUBECONFIG": str(graph.kubeconfig("controller"))}
    )  # fmt: skip
    pods = graph.path("pods")
    stateful = next(obj for obj in graph.objects if obj["kind"] == "StatefulSet")
    template = stateful["spec"]["template"]
    spec = {**template["spec"], "volumes": [*template["spec"]["volumes"], {"name": "data", "emptyDir": {}}]}

    def make(ordinal: int) -> None:
        graph.admin.made(pods, {"metadata": {**template["metadata"], "name": f"graph-{ordinal}"}, "spec": spec})

    def break_it() -> None:
        graph.cluster.stop_api_server(kill=True)
        graph.cluster.start_api_server()
        make(1)
        graph.admin.delete(pods + "/graph-0", {"gracePeriodSeconds": 0})
        graph.cluster.compact()

    async def changed(_: Mapping[int, Pod], __: int) -> None:
        pass

    async with connect(settings.kubeconfig) as api, anyio.create_task_group() as group:
        follower = Cluster(api, settings)
        group.start_soon(follower.watch_pods, changed)
        await anyio.to_thread.run_sync(make, 0)
        await until("the first pod", lambda: set(follower.pods) == {0})
        await anyio.to_thread.run_sync(break_it)
        await until("the second one alone", lambda: set(follower.pods) == {1})
        group.cancel_scope.cancel()


async def test_a_pod_shows_its_role_and_its_readiness(graph: Release) -> None:
    """With the account's own rights; the kubelet's condition and the pod's other labels stay."""
    stateful = next(obj for obj in graph.objects if obj["kind"] == "StatefulSet")
    template = stateful["spec"]["template"]
    spec = {**template["spec"], "volumes": [*template["spec"]["volumes"], {"name": "data", "emptyDir": {}}]}
    made = graph.admin.made(graph.path("pods"), {"metadata": {**template["metadata"], "name": "graph-7"}, "spec": spec})
    path = graph.path("pods", "graph-7")
    ready = {"type": "ContainersReady", "status": "True"}
    assert graph.admin.patch(path + "/status", {"status": {"conditions": [ready]}}, STRATEGIC).code == 200
    uid = made["metadata"]["uid"]
    pod = Pod("graph-7", uid, "10.0.0.7", 7687, 10000, "graph-7:10000", uid)
    try:
        async with connect(str(graph.kubeconfig("controller"))) as api:
            faces = PodFaces(api, graph.namespace)
            await faces.show(pod, Shown("sync", True, "InSync", "m"))
            shown = graph.admin.get(path).body
            with pytest.raises((Conflict, Unavailable)):
                await faces.show(replace(pod, uid="another"), Shown("main", True))
        assert shown["metadata"]["labels"] == {**made["metadata"]["labels"], names.ROLE_LABEL: "sync"}
        found = {c["type"]: c for c in shown["status"]["conditions"]}
        assert (found["ContainersReady"]["status"], found[names.IN_SYNC_CONDITION]["status"]) == ("True", "True")
        assert found[names.IN_SYNC_CONDITION]["lastTransitionTime"]
        assert shown["spec"]["readinessGates"] == [{"conditionType": names.IN_SYNC_CONDITION}]
    finally:
        graph.admin.delete(path, {"gracePeriodSeconds": 0})


@needs_own(STOPPED)
async def test_a_frozen_api_server_costs_a_call_its_timeout(graph: Release, tmp_path: Path) -> None:
    """Neither a read nor a write waits longer than it may (P-W3)."""
    async with connect(str(graph.kubeconfig("controller"))) as api:
        store = StateStore(api, graph.namespace, "graph-state")
        await store.read()
        server = graph.cluster.process("kube-apiserver")
        server.freeze()
        try:
            began = anyio.current_time()
            with pytest.raises(Unavailable):
                await store.read()
            with pytest.raises(LostAnswer):
                await store.write(document("127.0.0.1:1", epoch=9), None)
            assert anyio.current_time() - began < 5
        finally:
            server.thaw()
    # TLS' good-byes to a frozen server are answered after it: their sockets must not outlive the loop.
    await until("its connections are closed", lambda: not connected_to(graph.cluster.port), seconds=35)


def connected_to(port: int) -> list[int]:
    """This process's sockets that are connected to a port of the loopback."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as copy:
                if copy.getpeername()[:2] == ("127.0.0.1", port):
                    found.append(int(name))
        except OSError:
            continue  # no socket, not connected, or closed meanwhile
    return found
