"""The controller's doors to Kubernetes, against the sandbox's API server over TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from api_server import api_server, until
from kubernetes.aio import client

from controller.core.actions import AnswerRequest
from controller.core.election import LeaseRecord, Timings
from controller.core.model import Absent, Found, Malformed, Pod, ReseedOrder, ReseedOrders, Shown
from controller.core.requests import Request, RequestAnswer, SwitchoverRequest
from controller.kube.client import connect
from controller.kube.cluster import Cluster
from controller.kube.faces import PodFaces
from controller.kube.lease import LeaseStore
from controller.kube.requests import RequestStore
from controller.kube.state import StateStore
from controller.leadership import Leadership
from controller.ports import Asked, Conflict, Unavailable
from controller.settings import Settings, from_env
from sidecar.contract import names
from sidecar.contract.state import CutKind, Document, Phase, advance

pytestmark = pytest.mark.anyio
NAMESPACE = "db"
DOCUMENT = Document(
    term=1, epoch=3, phase=Phase.SERVING, cut_kind=None, master_index=0, main_pod="r-0", main_uid="u0",
    main_address="10.0.0.1:7687", main_volume="v0", database_uuid="d", sync=None, read_addresses=(),
    reason="Published", message="m", writer="c-0", updated_at="t",
)  # fmt: skip


def name_of(thing: client.V1Pod | client.V1ConfigMap | client.V1Namespace) -> str:
    """The object's name."""
    assert thing.metadata is not None
    assert thing.metadata.name is not None
    return thing.metadata.name


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with api_server(tmp_path_factory.mktemp("kubernetes")) as path:
        yield path


@pytest.fixture
def settings(kubeconfig: Path) -> Settings:
    return from_env(
        {"POD_NAME": "c-0", "POD_NAMESPACE": NAMESPACE, "MEMGRAPH_HA_RELEASE": "r", "KUBECONFIG": str(kubeconfig)}
    )


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[client.ApiClient]:
    """A client, and a namespace emptied of what earlier tests left."""
    async with connect(settings.kubeconfig) as api:
        core = client.CoreV1Api(api)
        if NAMESPACE not in [name_of(n) for n in (await core.list_namespace()).items]:
            await core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
        for item in (await core.list_namespaced_config_map(NAMESPACE)).items:
            await core.delete_namespaced_config_map(name_of(item), NAMESPACE)
        for pod in (await core.list_namespaced_pod(NAMESPACE)).items:
            await core.delete_namespaced_pod(
                name_of(pod), NAMESPACE, body=client.V1DeleteOptions(grace_period_seconds=0)
            )
        yield api


async def test_the_document_is_written_by_compare_and_swap(api: client.ApiClient) -> None:
    """P-W1: who wrote on what is no longer there changes nothing (O-F2, O-L12)."""
    store = StateStore(api, NAMESPACE, "r-state")
    assert isinstance(await store.read(), Absent)
    await store.write(DOCUMENT, None)
    with pytest.raises(Conflict):
        await store.write(DOCUMENT, None)
    first = await store.read()
    assert isinstance(first, Found)
    assert first.document == DOCUMENT
    cut = advance(DOCUMENT, phase=Phase.CUT, cut_kind=CutKind.PLANNED)
    await store.write(cut, first.resource_version)
    with pytest.raises(Conflict):
        await store.write(advance(DOCUMENT, term=9), first.resource_version)
    second = await store.read()
    assert isinstance(second, Found)
    assert (second.document.epoch, second.document.term, second.uid) == (4, 1, first.uid)


async def test_a_malformed_document_is_told_from_an_absent_one(api: client.ApiClient) -> None:
    """It names the bad keys and keeps what is known of the epoch."""
    store = StateStore(api, NAMESPACE, "r-state")
    metadata = client.V1ObjectMeta(name="r-state")
    body = client.V1ConfigMap(metadata=metadata, data={"schema": "1", "epoch": "7", "phase": "resting"})
    await client.CoreV1Api(api).create_namespaced_config_map(NAMESPACE, body)
    stored = await store.read()
    assert isinstance(stored, Malformed)
    assert stored.epoch == 7
    assert any("phase" in problem for problem in stored.problems)


async def test_one_of_two_controllers_leads_and_the_other_follows_when_it_gives_up(api: client.ApiClient) -> None:
    """The Lease, with real timings and a real API server; a released lease is taken without waiting for its end.

    O-L13.
    """
    timings = Timings(2.0, 1.5, 0.05)
    store = LeaseStore(api, NAMESPACE, "r-controller")
    first = Leadership(store, "c-0", timings, lambda: None)
    second = Leadership(store, "c-1", timings, lambda: None)
    async with anyio.create_task_group() as group:
        group.start_soon(first.campaign)
        await until("c-0 leads", lambda: first.leading)
        group.start_soon(second.campaign)
        first.published(epoch=7, term=3)
        await until("the epoch is on the Lease", lambda: second.record is not None and second.record.epoch == 7)
        assert second.record is not None
        assert (second.record.holder, second.record.term) == ("c-0", 3)
        assert not second.leading
        first.resign()
        await until("c-1 leads", lambda: second.leading)
        assert not first.leading
        record = await store.read()
        assert record is not None
        assert (record.holder, record.epoch) == ("c-1", 7)
        group.cancel_scope.cancel()


async def test_a_stale_lease_write_is_refused(api: client.ApiClient) -> None:
    """Who slept cannot renew over its successor."""
    store = LeaseStore(api, NAMESPACE, "stale")
    leadership = Leadership(store, "c-0", Timings(), lambda: None)
    async with anyio.create_task_group() as group:
        group.start_soon(leadership.campaign)
        await until("c-0 leads", lambda: leadership.leading)
        group.cancel_scope.cancel()
    record = await store.read()
    assert record is not None
    await store.write(replace(record, holder="c-1"), create=False)
    with pytest.raises(Conflict):
        await store.write(record, create=False)


async def test_a_lease_can_be_written_at_a_whole_second(api: client.ApiClient) -> None:
    """Once in a million renewals; without a fraction the API server refuses the time."""
    store = LeaseStore(api, NAMESPACE, "whole", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    await store.write(LeaseRecord("c-0", 4.0, 0, ""), create=True)
    record = await store.read()
    assert record is not None
    assert record.renewed == "2026-01-01T00:00:00.000001+00:00"


def memgraph_pod(name: str, ip: str, container: str) -> client.V1Pod:
    """A Memgraph pod as its StatefulSet would make it."""
    ports = [
        client.V1ContainerPort(name="bolt", container_port=7687),
        client.V1ContainerPort(name="replication", container_port=10000),
    ]
    state = client.V1ContainerState(running=client.V1ContainerStateRunning())
    status = client.V1ContainerStatus(
        name="memgraph", container_id=container, image="m", image_id="m", ready=True, restart_count=0, state=state
    )
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name=name),
        spec=client.V1PodSpec(containers=[client.V1Container(name="memgraph", image="m", ports=ports)]),
        status=client.V1PodStatus(pod_ip=ip, container_statuses=[status]),
    )


async def create_pod(api: client.ApiClient, pod: client.V1Pod) -> None:
    core = client.CoreV1Api(api)
    created = await core.create_namespaced_pod(NAMESPACE, pod)
    created.status = pod.status
    await core.replace_namespaced_pod_status(name_of(created), NAMESPACE, created)


async def test_pods_are_followed_and_deleted_by_uid(api: client.ApiClient, settings: Settings) -> None:
    """Only the StatefulSet's pods count; a pod that was replaced meanwhile is not the one that was meant."""
    cluster = Cluster(api, settings)
    pictures: list[Mapping[int, Pod]] = []

    async def changed(pods: Mapping[int, Pod], wanted: int) -> None:
        pictures.append(dict(pods))

    async with anyio.create_task_group() as group:
        group.start_soon(cluster.watch_pods, changed)
        await create_pod(api, memgraph_pod("r-0", "10.0.0.7", "c1"))
        await create_pod(api, memgraph_pod("r-controller-x", "10.0.0.8", "c1"))
        await until("r-0 runs", lambda: 0 in cluster.pods and cluster.pods[0].running)
        pod = cluster.pods[0]
        assert (pod.bolt_address, pod.incarnation) == ("10.0.0.7:7687", f"{pod.uid}/c1")
        assert pod.replication_address == "r-0.r-nodes.db.svc.cluster.local:10000"
        assert pod.volume == pod.uid, "without a claim, the pod is its own volume"
        assert set(cluster.pods) == {0}
        with pytest.raises(Conflict):
            await cluster.delete_pod(replace(pod, uid="another"), graceful=True)
        with pytest.raises(Conflict):
            await cluster.delete_pod(replace(pod, uid="another"))
        await cluster.delete_pod(pod)
        await until("r-0 is gone", lambda: not cluster.pods)
        group.cancel_scope.cancel()
    assert pictures[-1] == {}


async def test_pods_are_listed_anew_when_the_watch_is_doubted(api: client.ApiClient, settings: Settings) -> None:
    """Before a watch is under way there is nothing to doubt; afterwards the pods are listed and followed again."""
    cluster = Cluster(api, settings)

    async def changed(_: Mapping[int, Pod], __: int) -> None:
        pass

    cluster.look_again()
    async with anyio.create_task_group() as group:
        group.start_soon(cluster.watch_pods, changed)
        await create_pod(api, memgraph_pod("r-0", "10.0.0.7", "c1"))
        await until("r-0 runs", lambda: 0 in cluster.pods and cluster.pods[0].running)
        before = cluster.listed_at
        cluster.look_again()
        await until("the pods are listed", lambda: cluster.listed_at > before)
        await create_pod(api, memgraph_pod("r-1", "10.0.0.8", "c1"))
        await until("r-1 runs", lambda: 1 in cluster.pods and cluster.pods[1].running)
        assert set(cluster.pods) == {0, 1}
        group.cancel_scope.cancel()


async def test_a_pod_shows_what_it_is_told_and_keeps_the_rest(api: client.ApiClient, settings: Settings) -> None:
    """Label and condition in one write; the kubelet's condition, other labels and the transition time stay."""
    cluster = Cluster(api, settings)
    moments = iter(datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in range(9))
    faces = PodFaces(api, NAMESPACE, lambda: next(moments))
    core = client.CoreV1Api(api)
    made = memgraph_pod("r-0", "10.0.0.7", "c1")
    assert made.metadata is not None
    made.metadata.labels = {"app": "m"}
    assert made.status is not None
    made.status.conditions = [client.V1PodCondition(type="Ready", status="True")]

    async def changed(_: Mapping[int, Pod], __: int) -> None:
        pass

    async def now_shows(shown: Shown) -> client.V1Pod:
        await faces.show(cluster.pods[0], shown)
        await until("the watch says so", lambda: cluster.pods[0].shown == shown)
        return await core.read_namespaced_pod("r-0", NAMESPACE)

    def conditions(pod: client.V1Pod) -> dict[str, tuple[str, str | None, datetime | None]]:
        found = (pod.status and pod.status.conditions) or []
        return {c.type: (c.status, c.reason, c.last_transition_time) for c in found}

    async with anyio.create_task_group() as group:
        group.start_soon(cluster.watch_pods, changed)
        await create_pod(api, made)
        await until("r-0 runs", lambda: 0 in cluster.pods and cluster.pods[0].running)
        assert cluster.pods[0].shown == Shown()
        first = await now_shows(Shown("sync", True, "InSync", "m"))
        at = datetime(2026, 1, 1, tzinfo=UTC)
        assert conditions(first) == {"Ready": ("True", None, None), names.IN_SYNC_CONDITION: ("True", "InSync", at)}
        assert first.metadata is not None
        assert first.metadata.labels == {"app": "m", names.ROLE_LABEL: "sync"}
        second = await now_shows(Shown("main", True, "Main", "m"))
        assert conditions(second)[names.IN_SYNC_CONDITION] == ("True", "Main", at), "it was True all the time"
        third = await now_shows(Shown("", False, "NoDocument", "m"))
        assert third.metadata is not None
        assert third.metadata.labels == {"app": "m"}
        later = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
        assert conditions(third)[names.IN_SYNC_CONDITION] == ("False", "NoDocument", later)
        with pytest.raises((Conflict, Unavailable)):
            await faces.show(replace(cluster.pods[0], uid="another"), Shown("main", True))
        group.cancel_scope.cancel()


async def test_one_re_seed_order_is_open_at_a_time(api: client.ApiClient, settings: Settings) -> None:
    """Created, replaced and closed by compare-and-swap; nothing else in the ConfigMap survives."""
    cluster = Cluster(api, settings)
    assert await cluster.reseed_orders() == ReseedOrders()
    order = ReseedOrder(2, "uid-2", 7, 1_800_000_000)
    await cluster.write_reseed_order(order, None)
    first = await cluster.reseed_orders()
    assert first.open == order
    with pytest.raises(Conflict):
        await cluster.write_reseed_order(order, None)
    other = replace(order, ordinal=1)
    await cluster.write_reseed_order(other, first.resource_version)
    with pytest.raises(Conflict):
        await cluster.write_reseed_order(None, first.resource_version)
    second = await cluster.reseed_orders()
    assert second.open == other
    await cluster.write_reseed_order(None, second.resource_version)
    assert (await cluster.reseed_orders()).open is None
    stored = await client.CoreV1Api(api).read_namespaced_config_map(names.reseed_config_map("r"), NAMESPACE)
    assert not stored.data


async def test_a_request_is_taken_and_answered_in_one_write(api: client.ApiClient) -> None:
    """Requests are Kubernetes objects; other keys, labels and annotations stay."""
    name = names.requests_config_map("r")
    core, store = client.CoreV1Api(api), RequestStore(api, NAMESPACE, name)
    assert await store.read() == Asked()
    metadata = client.V1ObjectMeta(name=name, annotations={"a": "b"}, labels={"c": "d"})
    body = client.V1ConfigMap(metadata=metadata, data={"switchover": " 2", "note": "n"})
    await core.create_namespaced_config_map(NAMESPACE, body)
    assert (await store.read()).request == Request("switchover", " 2", SwitchoverRequest(2))
    answer = RequestAnswer("switchover", " 2", True, "RequestAnswered", "switchover accepted", "t", "c-0")
    await store.answer(AnswerRequest(answer, paused="by me"))
    assert await store.read() == Asked(None, "by me", answer)
    stored = await core.read_namespaced_config_map(name, NAMESPACE)
    assert stored.data == {"note": "n"}
    assert stored.metadata is not None
    assert stored.metadata.labels == {"c": "d"}
    assert (stored.metadata.annotations or {}).keys() == {"a", names.ANSWER_ANNOTATION, names.PAUSED_ANNOTATION}


async def test_a_request_that_changed_meanwhile_stays(api: client.ApiClient) -> None:
    """What is answered is what was read."""
    name = names.requests_config_map("r")
    store = RequestStore(api, NAMESPACE, name)
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data={"switchover": "1"})
    await client.CoreV1Api(api).create_namespaced_config_map(NAMESPACE, body)
    with pytest.raises(Conflict):
        await store.answer(AnswerRequest(RequestAnswer("switchover", "2", True, "RequestAnswered", "m", "t", "c-0")))
    assert await store.read() == Asked(Request("switchover", "1", SwitchoverRequest(1)))


async def test_changes_of_the_document_are_noticed(api: client.ApiClient, settings: Settings) -> None:
    """Created, replaced, deleted: each calls `changed`."""
    cluster, store = Cluster(api, settings), StateStore(api, NAMESPACE, "r-state")
    calls: list[int] = []
    async with anyio.create_task_group() as group:
        group.start_soon(cluster.watch_config_map, "r-state", lambda: calls.append(1))
        await until("the first look", lambda: len(calls) == 1)
        await store.write(DOCUMENT, None)
        await until("created", lambda: len(calls) == 2)
        found = await store.read()
        assert isinstance(found, Found)
        await store.write(advance(DOCUMENT, term=2), found.resource_version)
        await until("replaced", lambda: len(calls) == 3)
        await client.CoreV1Api(api).delete_namespaced_config_map("r-state", NAMESPACE)
        await until("deleted", lambda: len(calls) == 4)
        group.cancel_scope.cancel()


async def test_an_event_is_recorded_on_the_statefulset(api: client.ApiClient, settings: Settings) -> None:
    """`kubectl describe statefulset` shows why."""
    await Cluster(api, settings).record_event("MainSilent", "it hangs", warning=True)
    events = (await client.CoreV1Api(api).list_namespaced_event(NAMESPACE)).items
    assert [(e.reason, e.type, e.involved_object and e.involved_object.name) for e in events] == [
        ("MainSilent", "Warning", "r")
    ]


async def test_without_an_api_server_reads_are_unavailable(tmp_path: Path) -> None:
    """Expected trouble has a type of its own."""
    with api_server(tmp_path) as kubeconfig:
        pass
    async with connect(str(kubeconfig)) as api:
        with pytest.raises(Unavailable):
            await StateStore(api, NAMESPACE, "r-state").read()
        with pytest.raises(Unavailable):
            await StateStore(api, NAMESPACE, "r-state").write(DOCUMENT, None)
