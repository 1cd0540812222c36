"""The chart, installed, upgraded and removed by Helm itself on a real control plane that enforces Pod Security."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from envtest.control_plane import ControlPlane
from helm_python import Config
from managed import becomes, cluster_wide, components, everything, pods
from plain_client import Object, PlainClient
from real import admin_of
from release import APPLY, CHART, RESTRICTED, path_of, render

from controller.kube.client import connect
from controller.kube.fleet import FleetStore

pytestmark = pytest.mark.timeout(180)
NAMESPACE, NAME = "database", "graph"
SMALL: Object = {"webhook": {"replicas": 1}, "memgraph": {"replicas": 2, "walFlushEveryTransactions": 100}}
"""What somebody tried it with, before the upgrade to the defaults."""
CONFIGURATION = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{NAME}"
BINDING = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings/graph-sidecar-apps"
OURS_AT_RUN_TIME = {
    "configmaps/graph-state", "configmaps/graph-requests", "leases/graph-controller", "secrets/graph-webhook-ca",
}  # fmt: skip


@pytest.fixture(scope="module")
def admin(managed: ControlPlane) -> PlainClient:
    admin = admin_of(managed)
    admin.made("/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": RESTRICTED}})
    becomes(200, 30, lambda: admin.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default").code)
    return admin


@pytest.fixture(scope="module")
def helm(managed: ControlPlane) -> Iterator[Config]:
    with Config(kubeconfig_path=managed.kubeconfig, namespace=NAMESPACE) as config:
        yield config


@pytest.mark.parametrize("values", [{}, SMALL], ids=["defaults", "small"])
def test_a_strict_api_server_accepts_every_object(admin: PlainClient, values: Object) -> None:
    """No unknown field, no doubled one, no warning: `helm template | kubectl apply --validate=strict`."""
    for obj in render(NAME, NAMESPACE, values):
        query = {"fieldManager": "t", "fieldValidation": "Strict", "force": "true", "dryRun": "All"}
        answer = admin.patch(path_of(obj), obj, APPLY, **query)
        assert (answer.code, answer.warnings) == (201, []), (path_of(obj), answer.body)


def test_installed_upgraded_and_removed(admin: PlainClient, helm: Config, managed: ControlPlane) -> None:
    """Under the restricted standard; what the programs made survives; nothing is left but what is the user's."""
    before = {"serviceaccounts/default", "configmaps/kube-root-ca.crt"}
    becomes(before, 30, lambda: everything(admin, NAMESPACE))
    helm.install(CHART, NAME, SMALL, namespace=NAMESPACE, timeout=60)
    becomes({"controller": 2, "webhook": 1, "memgraph": 2}, 60, lambda: components(admin, NAMESPACE))
    bundle, state = live_like_programs(admin, managed.kubeconfig)
    helm.upgrade(CHART, NAME, {}, namespace=NAMESPACE, reset_values=True, timeout=60)
    # The controller is told of the flush interval: its roll-out begins, and without a kubelet no pod becomes ready.
    becomes({"controller": 3, "webhook": 2, "memgraph": 3}, 60, lambda: components(admin, NAMESPACE))
    becomes(True, 60, lambda: "--storage-wal-file-flush-every-n-tx=1" in arguments(admin, "graph-2"))
    assert [w["clientConfig"].get("caBundle") for w in admin.get(CONFIGURATION).body["webhooks"]] == [bundle, bundle]
    assert admin.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/graph-state").body == state
    assert admin.get(BINDING).code == 200, "an upgrade leaves live sidecars their right"
    assert complaints(admin) == []
    helm.uninstall(NAME, timeout=60)
    claims = {f"persistentvolumeclaims/data-graph-{ordinal}" for ordinal in range(3)}
    becomes(claims | OURS_AT_RUN_TIME, 30, lambda: everything(admin, NAMESPACE) - before)
    assert admin.get(CONFIGURATION).code == 404
    assert cluster_wide(admin, NAME) == set()


def live_like_programs(admin: PlainClient, kubeconfig: Path) -> tuple[str, Object]:
    """Make what controller and webhook make at run time: the caBundle, and the document as it was stored."""
    core = f"/api/v1/namespaces/{NAMESPACE}"
    state = admin.made(f"{core}/configmaps", {"metadata": {"name": "graph-state"}, "data": {"epoch": "1"}})
    admin.made(f"{core}/configmaps", {"metadata": {"name": "graph-requests"}})
    admin.made(f"{core}/secrets", {"metadata": {"name": "graph-webhook-ca"}})
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
    admin.made(leases, {"metadata": {"name": "graph-controller"}})
    bundle = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJkRENDQVJxZ0F3SUJBZ0lVRTkK"
    operations = [
        {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": bundle} for index in (0, 1)
    ]
    assert admin.patch(CONFIGURATION, operations, "application/json-patch+json").code == 200
    anyio.run(let_a_namespace_in, kubeconfig)
    assert admin.get(BINDING).code == 200
    return bundle, state


async def let_a_namespace_in(kubeconfig: Path) -> None:
    """A RoleBinding as the controller writes it: it is to go with the release, without a hook."""
    async with connect(str(kubeconfig)) as api:
        store = FleetStore(api, NAMESPACE, NAME)
        await store.bind("apps", await store.role_uid())


def arguments(admin: PlainClient, name: str) -> list[str]:
    """Of the first container of this pod; empty if there is none now."""
    nothing: Object = {"spec": {"containers": [{"args": []}]}}
    found: list[str] = pods(admin, NAMESPACE).get(name, nothing)["spec"]["containers"][0]["args"]
    return found


def complaints(admin: PlainClient) -> list[str]:
    """What a controller could not do, such as make a pod that Pod Security refuses."""
    events = admin.get(f"/api/v1/namespaces/{NAMESPACE}/events", fieldSelector="type=Warning").body["items"]
    return [event["message"] for event in events]


def test_our_pods_would_be_refused_without_their_security_context(admin: PlainClient) -> None:
    """That the namespace does enforce the standard."""
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    refused = admin.create(f"/api/v1/namespaces/{NAMESPACE}/pods", pod, dryRun="All")
    assert refused.code == 403
    assert 'violates PodSecurity "restricted' in refused.body["message"]
