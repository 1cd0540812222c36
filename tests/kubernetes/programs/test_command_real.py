"""The command on the real API server, with the webhook running: what a person's own rights are enough for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from plain_client import MERGE, Object, PlainClient
from real import account_token, make_default_account, new_namespace
from real_release import Release
from release import RESTRICTED
from webhook_process import CONFIGURATIONS, serving

from memgraph_ha.cli import main
from memgraph_ha.kube import Api, Problem, connect
from sidecar.contract import names
from tests.integration.webhook.test_webhook_process import Webhook

pytestmark = pytest.mark.anyio
RBAC = "/apis/rbac.authorization.k8s.io/v1"
UPGRADES = [
    {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["mutatingwebhookconfigurations"], "verbs": ["list"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "patch"]},
]
"""As docs/commands.md lists them."""
LOOKS = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]},
    {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
]


@pytest.fixture(scope="module")
def webhook(release: Release) -> Iterator[Webhook]:
    with serving(release) as started:
        note = {"metadata": {"annotations": {"meta.helm.sh/release-namespace": release.namespace}}}
        assert release.admin.patch(f"{CONFIGURATIONS}/{release.name}", note, MERGE).code == 200  # as Helm does
        yield started


CONTAINER = {
    "name": "app", "image": "app:1",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
                        "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
}  # fmt: skip


def create(admin: PlainClient, namespace: str) -> Object:
    """A pod `app` as its developer writes it."""
    body = {"metadata": {"name": "app"}, "spec": {"containers": [CONTAINER]}}
    return admin.made(f"/api/v1/namespaces/{namespace}/pods", body)


def person(release: Release, name: str, rules: list[Object]) -> Path:
    """A kubeconfig of somebody with these rights everywhere."""
    admin, full = release.admin, f"{release.namespace}-{name}"
    accounts = f"/api/v1/namespaces/{release.namespace}/serviceaccounts"
    if admin.create(accounts, {"metadata": {"name": name}}).code == 201:
        admin.made(f"{RBAC}/clusterroles", {"metadata": {"name": full}, "rules": rules})
        admin.made(f"{RBAC}/clusterrolebindings", {
            "metadata": {"name": full},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": full},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": release.namespace}],
        })  # fmt: skip
    return release.cluster.kubeconfig_for(account_token(admin, release.namespace, name), full, "")


async def type_as(kubeconfig: Path, release: Release, *words: str) -> int:
    return await anyio.to_thread.run_sync(main, [*words, "--kubeconfig", str(kubeconfig), "--release", release.name])


def checks(said: str) -> dict[str, list[str]]:
    """Check -> messages of the doctor's JSON."""
    return {one["check"]: [f["message"] for f in one["findings"]] for one in json.loads(said)}


async def test_doctor_tries_a_pod_and_asks_for_rights(
    release: Release, apps: str, webhook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it says of a namespace in which all is well, then of one whose quota would refuse the sidecar."""
    looks = person(release, "looks", LOOKS)
    assert await type_as(looks, release, "doctor", "-N", apps, "-o", "json") == 1
    found = checks(capsys.readouterr().out)
    for well in (
        "certificates",
        "rights of the programs",
        "rights of sidecars",
        "a pod on trial",
        "quotas",
        "kubelets",
    ):
        assert found[well] == [], well
    before = release.admin.get(f"/api/v1/namespaces/{apps}/pods").body["items"]
    assert before == [], "it leaves nothing behind"
    edge = {"limits": [{"type": "Container", "max": {"memory": "32Mi"}}]}
    release.admin.made(f"/api/v1/namespaces/{apps}/limitranges", {"metadata": {"name": "small"}, "spec": edge})
    assert await type_as(looks, release, "doctor", "-N", apps, "-o", "json") == 1
    found = checks(capsys.readouterr().out)
    assert found["limit ranges"] or found["a pod on trial"], "the sidecar has 96Mi"
    assert "maximum memory usage per Container is 32Mi" in found["a pod on trial"][0]


async def test_doctor_tries_a_namespace_before_it_is_labelled(
    release: Release, webhook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether a sidecar would stop an app there is known before the label is set."""
    plain = new_namespace(release.admin, **RESTRICTED)
    looks = person(release, "looks", LOOKS)
    await type_as(looks, release, "doctor", "-N", plain, "-o", "json")
    assert checks(capsys.readouterr().out)["a pod on trial"] == []


async def test_doctor_with_few_rights_says_what_it_does_not_know(
    release: Release, apps: str, webhook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrades = person(release, "upgrades", UPGRADES)
    assert await type_as(upgrades, release, "doctor", "-N", apps) == 1
    said = capsys.readouterr().out
    assert "unknown  kubelets: kubelet versions: not allowed to list /api/v1/nodes" in said
    assert "unknown  a pod on trial: a pod on trial in" in said


async def test_running_sidecars_get_another_image_with_the_person_s_own_rights(
    release: Release, apps: str, webhook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    """The API server takes the patch of a running pod, under the restricted standard; nothing else of it changes."""
    make_default_account(release.admin, apps)
    before = create(release.admin, apps)
    path = f"/api/v1/namespaces/{apps}/pods/app"
    running = {"status": {"phase": "Running"}}
    assert release.admin.patch(f"{path}/status", running, MERGE).code == 200
    upgrades = person(release, "upgrades", UPGRADES)
    assert await type_as(upgrades, release, "upgrade-sidecars", "-n", apps, "--no-wait") == 0
    assert capsys.readouterr().err == f"[1/1] {apps}/app: patched\n"
    after = release.admin.get(path).body
    sidecar = after["spec"]["initContainers"][0]
    assert (sidecar["name"], sidecar["image"]) == (names.SIDECAR_CONTAINER, "memgraph-ha-sidecar:0.1.0")
    sidecar["image"] = before["spec"]["initContainers"][0]["image"]
    assert after["spec"] == before["spec"]
    assert await type_as(upgrades, release, "explain", "app", "-n", apps) == 0


async def test_explain_of_a_pod_that_is_older_than_the_label(
    release: Release, webhook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    apps = new_namespace(release.admin, **RESTRICTED)
    create(release.admin, apps)
    label = {"metadata": {"labels": {names.INJECT_LABEL: names.INJECT_ENABLED}}}
    release.admin.patch(f"/api/v1/namespaces/{apps}", label, MERGE)
    upgrades = person(release, "upgrades", UPGRADES)
    assert await type_as(upgrades, release, "explain", "app", "-n", apps) == 1
    said = capsys.readouterr().out
    assert "lacks the sidecar of release memgraph-ha" in said
    assert "the namespace's LimitRanges were not read: they may keep the sidecar away (not allowed to list" in said
    assert "the nodes' versions were not read" in said
    assert await type_as(person(release, "looks", LOOKS), release, "explain", "app", "-n", apps) == 1
    assert "were not read" not in capsys.readouterr().out


async def test_doctor_names_the_fix_for_a_quota_without_room(
    release: Release, webhook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the label is set."""
    apps = new_namespace(release.admin, **RESTRICTED)
    full = {"hard": {"requests.memory": "1Gi"}, "used": {"requests.memory": "1000Mi"}}
    quotas = f"/api/v1/namespaces/{apps}/resourcequotas"
    release.admin.made(quotas, {"metadata": {"name": "full"}, "spec": {"hard": full["hard"]}})
    assert release.admin.patch(f"{quotas}/full/status", {"status": full}, MERGE).code == 200
    looks = person(release, "looks", LOOKS)
    assert await type_as(looks, release, "doctor", "-N", apps) == 1
    said = capsys.readouterr().out
    for expected in (
        f"error    a pod on trial: namespace {apps} refuses a pod with a sidecar: not allowed to create",
        "exceeded quota: full",
        f"fix: change what refuses it; kubectl -n {apps} describe resourcequota,limitrange",
        f"warning  quotas: quota full of {apps} has no room for one more sidecar (requests.memory: 1Gi in all)",
        f"fix: kubectl -n {apps} edit resourcequota",
    ):
        assert expected in said


async def test_a_long_list_is_read_page_by_page(release: Release, apps: str) -> None:
    """201 objects are two pages of the command's; and there is an end to what it reads."""
    collection = f"/api/v1/namespaces/{apps}/configmaps"
    for number in range(201):
        release.admin.made(collection, {"metadata": {"name": f"m-{number}"}})
    async with connect(str(person(release, "looks", LOOKS)), None) as (client, _):
        found = {one["metadata"]["name"] for one in await Api(client).all(collection)}
        assert {f"m-{number}" for number in range(201)} <= found
        with pytest.raises(Problem, match="has more than 100 objects: name a namespace"):
            await Api(client).all(collection, most=100)


async def test_admission_s_warnings_are_read(release: Release, apps: str, webhook: Webhook) -> None:
    """They are the only channel in which a webhook speaks."""
    host = {"metadata": {"name": "h"}, "spec": {"containers": [{**CONTAINER, "ports": [{"containerPort": 7687}]}]}}
    async with connect(str(person(release, "looks", LOOKS)), None) as (client, _):
        made = await Api(client).create(f"/api/v1/namespaces/{apps}/pods", host, dryRun="All")
    assert any(text.startswith("memgraph-ha: not injected: port 7687") for text in made.warnings)
