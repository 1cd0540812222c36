"""The controller's token: every call of its doors to Kubernetes is allowed, and no right is left over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import anyio
import pytest
from api_server import until
from plain_client import Object
from real import needs_own
from real_release import Release
from release import rights, used

from controller.core.actions import AnswerRequest
from controller.core.election import LeaseRecord
from controller.core.fleet.model import Finding, Health, Owner
from controller.core.model import Found, Pod, Shown
from controller.core.requests import RequestAnswer
from controller.kube.client import connect
from controller.kube.cluster import Cluster
from controller.kube.faces import PodFaces
from controller.kube.fleet import FleetStore
from controller.kube.lease import LeaseStore
from controller.kube.requests import RequestStore
from controller.kube.state import StateStore
from controller.settings import Settings, from_env
from sidecar.contract import names
from tests.integration.sidecar.conftest import document

pytestmark = pytest.mark.anyio


def settings_of(release: Release) -> Settings:
    """As its container has them, but for the kubeconfig."""
    return from_env(
        {
            "POD_NAME": "c-0", "POD_NAMESPACE": release.namespace, "MEMGRAPH_HA_RELEASE": release.name,
            "KUBECONFIG": str(release.kubeconfig("controller")),
        }
    )  # fmt: skip


def make_pod(release: Release) -> None:
    """The first instance's pod with its claim, as the StatefulSet controller would make them."""
    stateful = next(obj for obj in release.objects if obj["kind"] == "StatefulSet")
    template: Object = stateful["spec"]["template"]
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": f"data-{release.name}-0"}}
    spec = {**template["spec"], "volumes": [*template["spec"]["volumes"], claim]}
    metadata = {**template["metadata"], "name": f"{release.name}-0"}
    release.admin.made(release.path("pods"), {"metadata": metadata, "spec": spec})
    (claimed,) = stateful["spec"]["volumeClaimTemplates"]
    body = {**claimed, "metadata": {"name": f"data-{release.name}-0"}}
    release.admin.made(release.path("persistentvolumeclaims"), body)


@needs_own("the API server's audit log")
async def test_it_uses_every_right_it_has_and_no_other(release: Release) -> None:
    """Every method of every adapter, with the token of the chart's service account; judged by the audit log."""
    settings = settings_of(release)
    release.put(names.requests_config_map(release.name), {"switchover": "any"})
    make_pod(release)
    async with connect(settings.kubeconfig) as api:
        lease = LeaseStore(api, release.namespace, names.lease(release.name))
        # One that an earlier test of this release left would make the creation a conflict.
        leases = f"/apis/coordination.k8s.io/v1/namespaces/{release.namespace}/leases"
        release.admin.delete(f"{leases}/{names.lease(release.name)}")
        record = await lease.write(LeaseRecord("c-0", 4.0, 0, ""), create=True)
        await lease.write(replace(record, transitions=1), create=False)
        assert (await lease.read()) is not None
        await the_document(StateStore(api, release.namespace, names.state_config_map(release.name)))
        await the_requests(RequestStore(api, release.namespace, names.requests_config_map(release.name)))
        await the_cluster(Cluster(api, settings), PodFaces(api, release.namespace), release)
        await the_fleet(FleetStore(api, release.namespace, release.name), release)
    roles = (("Role", f"{release.name}-controller"), ("ClusterRole", f"{release.name}-controller"))
    granted = rights(release.objects, *roles)
    asked = release.cluster.audited(release.account("controller"))
    assert used(asked, granted) == granted
    assert {event.code for event in asked} <= {200, 201, 404}


async def the_document(store: StateStore) -> None:
    """Made or replaced, and read back."""
    found = await store.read()
    await store.write(document("127.0.0.1:1", epoch=8), found.resource_version if isinstance(found, Found) else None)
    found = await store.read()
    assert isinstance(found, Found)
    await store.write(document("127.0.0.1:1", epoch=9), found.resource_version)


async def the_requests(store: RequestStore) -> None:
    """Read, and answered."""
    asked = (await store.read()).request
    assert asked is not None
    await store.answer(AnswerRequest(RequestAnswer(asked.key, asked.value, True, "RequestAnswered", "m", "t", "c-0")))
    assert (await store.read()).request is None


async def the_fleet(store: FleetStore, release: Release) -> None:
    """Without RoleBindings: this release lets every service account in (test_fleet_real.py has the other one)."""
    finding = Finding(release.namespace, Owner("Pod", "p"), Health.MISSING, ("p",), "m", ("c",))
    assert (await store.namespaces(labelled=False)).complete
    assert (await store.pods(lambda pod: pod, namespace=release.namespace, most=10)).complete
    assert (await store.pods(lambda pod: pod, selector="a=b", most=10)).items == ()
    edge = {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]}
    where = f"/api/v1/namespaces/{release.namespace}/limitranges"
    release.admin.made(where, {"metadata": {"name": "edge"}, "spec": edge})
    (found,) = (await store.limit_ranges())[release.namespace]
    assert found["spec"]["limits"][0]["max"] == {"memory": "1Gi"}
    assert release.admin.delete(f"{where}/edge").code == 200
    assert await store.old_nodes() == ()
    await store.record_finding(finding)


async def the_cluster(cluster: Cluster, faces: PodFaces, release: Release) -> None:
    """Followed, asked, acted on."""
    looks: list[str] = []

    async def changed(_: Mapping[int, Pod], wanted: int) -> None:
        looks.append("pods" if wanted == 0 else "size")

    async with anyio.create_task_group() as group:
        group.start_soon(cluster.watch_pods, changed)
        group.start_soon(cluster.watch_size, changed)
        for name in (names.state_config_map(release.name), names.requests_config_map(release.name)):
            group.start_soon(cluster.watch_config_map, name, lambda: looks.append("document"))
        await until("its pods and their number", lambda: 0 in cluster.pods and cluster.replicas_wanted == 3)
        await until("both ConfigMaps", lambda: looks.count("document") >= 2)
        assert cluster.pods[0].volume not in ("", cluster.pods[0].uid), "its claim was read"
        for _ in range(2):
            await cluster.write_reseed_order(None, (await cluster.reseed_orders()).resource_version)
        await cluster.record_event("Published", "m", warning=False)
        await faces.show(cluster.pods[0], Shown("sync", True, "InSync", "m"))
        await until("the pod says so", lambda: cluster.pods[0].shown == Shown("sync", True, "InSync", "m"))
        await cluster.delete_pod(cluster.pods[0])
        await until("the pod is gone", lambda: not cluster.pods)
        # A watch is in the audit log from its first byte on: something has to change.
        for name in (names.state_config_map(release.name), names.requests_config_map(release.name)):
            release.put(name, {"changed": "yes"})
        await until("both are watched", lambda: looks.count("document") >= 4)
        group.cancel_scope.cancel()
