"""The fleet on the real API server: who may read the document, by tokens; what `bind` allows; pages; Events."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from fleet_pods import injected as with_sidecar
from fleet_pods import pod
from plain_client import MERGE, Answer, Object, PlainClient
from real import AnyCluster, account_token, needs_own, new_namespace
from real_release import Release, installed
from release import apply, rights, used
from thief import attempts

from controller.core.fleet.model import ClientAccess, Rules
from controller.fleet import AUDIT_S, Fleet
from controller.kube.client import connect
from controller.kube.fleet import FleetStore
from controller.metrics import Metrics
from sidecar.contract import names
from webhook.core.model import Release as Named

pytestmark = pytest.mark.anyio
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"
ON = {names.INJECT_LABEL: names.INJECT_ENABLED}


@dataclass
class Bench:
    """A release whose controllers don't run: the test is their fleet's clock."""

    release: Release
    named: Named
    now: float = 0.0

    @asynccontextmanager
    async def fleet(self) -> AsyncIterator[Fleet]:
        """With the controller's own token."""
        rules = Rules(self.named, ClientAccess.PER_NAMESPACE)
        async with connect(str(self.release.kubeconfig("controller"))) as api:
            store = FleetStore(api, self.release.namespace, self.release.name)
            yield Fleet(store, rules, lambda: 4.0, Metrics(), clock=lambda: self.now)

    async def audit(self) -> Fleet:
        """By a leader that has just begun."""
        self.now += AUDIT_S
        async with self.fleet() as fleet:
            await fleet.look()
        status = fleet.status()
        assert status is not None
        assert status.problem is None
        return fleet

    def may_read(self, namespace: str) -> bool:
        """Whether a sidecar there may: by the token that the webhook mounts."""
        answer = self.ask_as_sidecar(namespace, self.release.path("configmaps", names.state_config_map(self.name)))
        assert answer.code in (200, 403), answer.body
        return answer.code == 200

    def ask_as_sidecar(self, namespace: str, path: str, method: str = "GET", **query: str) -> Answer:
        """One request with its token."""
        return self.client(account_token(self.release.admin, namespace, "default")).ask(method, path, None, **query)

    def client(self, token: str) -> PlainClient:
        return PlainClient(self.release.cluster.url, self.release.cluster.ca, token)

    @property
    def name(self) -> str:
        return self.release.name


def bench(cluster: AnyCluster, default: bool) -> Bench:
    """Names of one run."""
    name = f"fleet-{secrets.token_hex(4)}"
    values = {"cluster": {"default": default}, "images": {"sidecar": {"tag": "2"}}}
    release = installed(cluster, name, name, restricted=False, values=values)
    release.put(names.state_config_map(name), {"epoch": "1"})
    return Bench(release, Named(name, name, name, default, "memgraph-ha-sidecar:2"))


@pytest.fixture(scope="module")
def ours(cluster: AnyCluster) -> Bench:
    return bench(cluster, default=True)


@pytest.fixture(scope="module")
def theirs(cluster: AnyCluster) -> Bench:
    """A second release in the same Kubernetes."""
    return bench(cluster, default=False)


def label(admin: PlainClient, namespace: str, **labels: str | None) -> None:
    """None takes one away."""
    assert admin.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels}}, MERGE).code == 200


def run_pod(release: Release, body: Object) -> str:
    """As if it had been injected; its path. The token's mount needs an account, which `default` is."""
    namespace = body["metadata"]["namespace"]
    release.admin.made(f"/api/v1/namespaces/{namespace}/pods", {**body, "status": {}})
    return f"/api/v1/namespaces/{namespace}/pods/{body['metadata']['name']}"


async def test_a_labelled_namespace_may_read_the_document_until_its_last_sidecar_is_gone(ours: Bench) -> None:
    """Unlabelled with live pods: a right that went with the label would strand them on a dead main."""
    admin, apps = ours.release.admin, new_namespace(ours.release.admin)
    await ours.audit()
    assert not ours.may_read(apps)
    label(admin, apps, **ON)
    async with ours.fleet() as fleet:
        await fleet.look()
        assert ours.may_read(apps)
    path = run_pod(ours.release, with_sidecar(ours.named, given=pod(apps)))
    label(admin, apps, **{names.INJECT_LABEL: None})
    await ours.audit()
    assert ours.may_read(apps)
    assert admin.delete(path, {"gracePeriodSeconds": 0}).code == 200
    await ours.audit()
    assert not ours.may_read(apps)


async def test_it_may_read_this_config_map_and_nothing_else(ours: Bench) -> None:
    """O-S9, by the RoleBinding that the controller writes."""
    apps = new_namespace(ours.release.admin, **ON)
    await ours.audit()
    assert ours.may_read(apps)
    for what, (method, path, query) in attempts(ours.release.namespace, apps).items():
        assert ours.ask_as_sidecar(apps, path, method, **query).code in (403, 405), what


async def test_of_two_releases_each_lets_its_own_namespaces_in(ours: Bench, theirs: Bench) -> None:
    plain = new_namespace(ours.release.admin, **ON)
    named = new_namespace(ours.release.admin, **ON, **{names.CLUSTER_LABEL: theirs.name})
    await ours.audit()
    await theirs.audit()
    assert [ours.may_read(plain), ours.may_read(named)] == [True, False]
    assert [theirs.may_read(plain), theirs.may_read(named)] == [False, True]
    label(ours.release.admin, named, **{names.CLUSTER_LABEL: None})
    run_pod(theirs.release, with_sidecar(theirs.named, given=pod(named)))
    await ours.audit()
    await theirs.audit()
    assert [ours.may_read(named), theirs.may_read(named)] == [True, True], "it changes hands; a live sidecar stays"


def binding(role: str, name: str) -> Object:
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts:x"}],
    }


async def test_the_right_to_bind_is_for_that_one_role(ours: Bench) -> None:
    """It binds that Role even when that may more than the controller itself; of any other it would have to own it."""
    admin, namespace = ours.release.admin, ours.release.namespace
    controller = ours.client(account_token(admin, namespace, f"{ours.name}-controller"))
    bindings, role = f"{RBAC}/{namespace}/rolebindings", names.sidecar_role(ours.name)
    more = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    assert admin.patch(f"{RBAC}/{namespace}/roles/{role}", {"rules": more}, MERGE).code == 200
    admin.made(f"{RBAC}/{namespace}/roles", {"metadata": {"name": "like-it"}, "rules": more})
    assert controller.create(bindings, binding(role, "allowed")).code == 201
    for other in (f"{ours.name}-webhook", "like-it"):
        refused = controller.create(bindings, binding(other, "refused"))
        assert (refused.code, "attempting to grant RBAC permissions" in refused.body["message"]) == (403, True)
    assert controller.delete(f"{bindings}/allowed").code == 200
    apply(admin, [obj for obj in ours.release.objects if obj["metadata"]["name"] == role])


async def test_no_stranger_s_binding_is_removed(ours: Bench) -> None:
    """Not even one with all of our labels and our name; RBAC alone would let the controller. It is said to be there."""
    admin, apps, namespace = ours.release.admin, new_namespace(ours.release.admin, **ON), ours.release.namespace
    role = names.sidecar_role(ours.name)
    theirs = binding(role, f"{role}-{apps}")
    theirs["metadata"]["labels"] = {
        "app.kubernetes.io/name": "memgraph-ha", names.INSTANCE_LABEL: ours.name,
        "app.kubernetes.io/component": "client-access", "app.kubernetes.io/managed-by": "memgraph-ha-controller",
    }  # fmt: skip
    made = admin.made(f"{RBAC}/{namespace}/rolebindings", theirs)
    async with ours.fleet() as fleet:
        await fleet.look()
    assert (status := fleet.status()) is not None
    assert status.problem is not None
    assert "is there, and not known as ours" in status.problem
    label(admin, apps, **{names.INJECT_LABEL: None})
    await ours.audit()
    path = f"{RBAC}/{namespace}/rolebindings/{role}-{apps}"
    assert admin.get(path).body["metadata"]["uid"] == made["metadata"]["uid"]
    assert admin.delete(path).code == 200


async def test_a_role_that_was_made_anew_gets_its_bindings_anew(ours: Bench) -> None:
    """Those of the former one are going to be collected with it."""
    admin, apps = ours.release.admin, new_namespace(ours.release.admin, **ON)
    await ours.audit()
    role, namespace = names.sidecar_role(ours.name), ours.release.namespace
    admin.delete(f"{RBAC}/{namespace}/roles/{role}")
    apply(admin, [obj for obj in ours.release.objects if obj["metadata"]["name"] == role])
    await ours.audit()
    uid = admin.get(f"{RBAC}/{namespace}/roles/{role}").body["metadata"]["uid"]
    found = admin.get(f"{RBAC}/{namespace}/rolebindings/{role}-{apps}").body
    assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [uid]
    assert ours.may_read(apps)


async def test_what_lacks_a_sidecar_is_found_on_every_page_and_told_to_its_owner(ours: Bench) -> None:
    """101 pods are three pages."""
    admin, apps = ours.release.admin, new_namespace(ours.release.admin, **ON)
    owner = {"apiVersion": "apps/v1", "uid": "u", "kind": "StatefulSet", "name": "many", "controller": True}
    for number in range(101):
        body = pod(apps, f"many-{number}")
        body["metadata"]["ownerReferences"] = [owner]
        run_pod(ours.release, body)
    status = (await ours.audit()).status()
    assert status is not None
    found = [finding for finding in status.findings if finding.namespace == apps]
    assert [(len(f.pods), f.commands) for f in found] == [
        (101, (f"kubectl -n {apps} rollout restart statefulset/many",))
    ]
    (event,) = admin.get(f"/api/v1/namespaces/{apps}/events").body["items"]
    assert (event["reason"], event["involvedObject"]["name"]) == ("SidecarMissing", "many")
    assert event["message"].startswith("101 pods of statefulset/many: it lacks the sidecar")


@needs_own("the API server's audit log")
async def test_it_uses_every_right_it_has_for_that(ours: Bench) -> None:
    """All but `bind`, which is no request of its own; what a controller does besides is test_controller_rights.py's."""
    granted = rights(ours.release.objects, ("Role", f"{ours.name}-controller"))
    rbac = {right for right in granted if right[0] == "rbac.authorization.k8s.io"}
    asked = [e for e in ours.release.cluster.audited(ours.release.account("controller")) if e.code < 400]
    assert used(asked, granted) >= {right for right in rbac if right[3] != "bind"}
