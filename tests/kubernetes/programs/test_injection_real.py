"""The injection, judged by a real API server: its validation, its quotas, its other injectors."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hook import Hook, configured, patch
from plain_client import Object, PlainClient
from real import new_namespace
from real_release import Release
from webhook_pods import CONTAINER, create, injected, sidecars
from webhook_process import serving

from sidecar.contract import names
from tests.integration.webhook.test_webhook_process import Webhook

GOLDEN = Path(__file__).parents[2] / "golden" / "webhook"
CASES = sorted(path.stem for path in GOLDEN.glob("*.json"))
ENABLED = {"memgraph-ha.io/inject": "enabled"}
STATED = {"cpu": "100m", "memory": "100Mi"}


@pytest.fixture(scope="module")
def webhook(release: Release) -> Iterator[Webhook]:
    with serving(release) as started:
        injected(release.admin, new_namespace(release.admin, **ENABLED))  # the API server calls us by now
        yield started


@pytest.fixture(scope="module")
def pair(release: Release, webhook: Webhook) -> tuple[str, str]:
    """A namespace without and one with the label, with what the golden pods refer to."""
    found = new_namespace(release.admin), new_namespace(release.admin, **ENABLED)
    for namespace in found:
        release.admin.made(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "app"}})
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_pod_that_starts_without_us_starts_with_us(release: Release, pair: tuple[str, str], name: str) -> None:
    """No golden pod is refused because of its patch, which no failurePolicy would forgive (O-S21)."""
    pod = json.loads((GOLDEN / f"{name}.json").read_text())["pod"]
    pod["metadata"].pop("namespace", None)
    plain = copy.deepcopy(pod)
    labels = plain["metadata"].get("labels") or {}
    plain["metadata"]["labels"] = {key: value for key, value in labels.items() if key != names.INJECT_LABEL}
    without, with_us = (
        release.admin.create(f"/api/v1/namespaces/{namespace}/pods", body, dryRun="All")
        for namespace, body in zip(pair, (plain, pod), strict=True)
    )
    assert with_us.code in (without.code, 201), with_us.body
    if with_us.code == 201:
        assert len(sidecars(with_us.body)) <= 1


def a_pod(admin: PlainClient, namespace: str, resources: Object | None = None) -> Object:
    """With these resources; it must be admitted, and its sidecar is returned."""
    container = {**CONTAINER, **({"resources": resources} if resources else {})}
    answer = create(admin, namespace, spec={"containers": [container]})
    assert answer.code == 201, answer.body
    (sidecar,) = sidecars(answer.body)
    return sidecar


@pytest.mark.parametrize(
    ("limits", "resources"),
    [
        ({"min": {"cpu": "50m", "memory": "64Mi"}}, {"requests": STATED}),
        ({"max": {"cpu": "200m", "memory": "128Mi"}}, {"limits": STATED}),
        ({"maxLimitRequestRatio": {"cpu": "2", "memory": "1"}}, {"limits": STATED, "requests": STATED}),
        (
            {"default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": STATED, "maxLimitRequestRatio": {"cpu": "10"}},
            None,
        ),
        ({"min": {"ephemeral-storage": "1Mi"}, "max": {"ephemeral-storage": "1Gi"}}, None),
    ],
    ids=["min", "max", "ratio", "default", "ephemeral-storage"],
)
def test_a_limit_range_admits_the_sidecar(
    release: Release, webhook: Webhook, limits: Object, resources: Object | None
) -> None:
    """The API server's own LimitRanger, which looks at every container (O-S23)."""
    namespace = new_namespace(release.admin, **ENABLED)
    body = {"metadata": {"name": "limits"}, "spec": {"limits": [{"type": "Container", **limits}]}}
    release.admin.made(f"/api/v1/namespaces/{namespace}/limitranges", body)
    a_pod(release.admin, namespace, resources)


def test_a_limit_range_on_the_pod_leaves_no_room(release: Release, webhook: Webhook) -> None:
    """Then the pod starts without the sidecar, and the reason is told."""
    namespace = new_namespace(release.admin, **ENABLED)
    body = {"metadata": {"name": "limits"}, "spec": {"limits": [{"type": "Pod", "max": {"memory": "120Mi"}}]}}
    release.admin.made(f"/api/v1/namespaces/{namespace}/limitranges", body)
    container = {**CONTAINER, "resources": {"limits": {"memory": "100Mi"}}}
    answer = create(release.admin, namespace, spec={"containers": [container]})
    assert (answer.code, sidecars(answer.body)) == (201, [])
    assert any("more memory than its LimitRange allows" in text for text in answer.warnings)


@pytest.mark.parametrize("guaranteed", [False, True])
def test_a_resource_quota_on_everything_admits_the_sidecar(
    release: Release, webhook: Webhook, guaranteed: bool
) -> None:
    """A quota refuses a pod in which one container does not state what it counts (O-S23)."""
    namespace = new_namespace(release.admin, **ENABLED)
    kinds = [
        f"{key}.{resource}" for key in ("requests", "limits") for resource in ("cpu", "memory", "ephemeral-storage")
    ]
    hard = {kind: "2" if "cpu" in kind else "2Gi" for kind in kinds}
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    made = release.admin.made(path, {"metadata": {"name": "all"}, "spec": {"hard": hard}})
    # Without a controller-manager the test says what is used so far.
    made["status"] = {"hard": hard, "used": dict.fromkeys(kinds, "0")}
    assert release.admin.replace(f"{path}/all/status", made).code == 200
    stated = {**STATED, "ephemeral-storage": "1Gi"}
    bare = create(release.admin, namespace, labels={"memgraph-ha.io/inject": "disabled"})
    assert bare.code == 403, "the quota is in force"
    resources = {"limits": stated, "requests": stated if guaranteed else {**stated, "cpu": "50m"}}
    sidecar = a_pod(release.admin, namespace, resources)
    assert (sidecar["resources"]["requests"] == sidecar["resources"]["limits"]) is guaranteed


def test_a_guaranteed_pod_stays_guaranteed(release: Release, webhook: Webhook) -> None:
    """By the API server's own account of it."""
    namespace = new_namespace(release.admin, **ENABLED)
    container = {**CONTAINER, "resources": {"limits": STATED}}
    pod = create(release.admin, namespace, spec={"containers": [container]}).body
    assert len(sidecars(pod)) == 1
    assert pod["status"]["qosClass"] == "Guaranteed"


@pytest.mark.parametrize(
    ("others", "order"),
    [
        ([{"name": "istio-init"}], ["istio-init", "memgraph-ha-sidecar", "migrate"]),
        ([{"name": "istio-init"}, {"name": "istio-proxy", "restartPolicy": "Always"}],
         ["istio-init", "istio-proxy", "memgraph-ha-sidecar", "migrate"]),
        ([{"name": "agent"}], ["memgraph-ha-sidecar", "agent", "migrate"]),
    ],
    ids=["istio", "istio-native", "agent"],
)  # fmt: skip
@pytest.mark.parametrize("first", ["a-first", "z-last"])
def test_the_order_is_the_same_whichever_injector_is_called_first(
    release: Release, webhook: Webhook, first: str, others: list[Object], order: list[str]
) -> None:
    """Configurations are called in the order of their names; ours is between these two (O-S22)."""
    namespace = new_namespace(release.admin, **ENABLED)
    added = [{**CONTAINER, **other} for other in others]

    def inject(request: Object) -> Object:
        spec = request["object"]["spec"]
        present = [one["name"] for one in spec["initContainers"]]
        if added[0]["name"] in present:
            return {"allowed": True}
        return patch(
            *({"op": "add", "path": f"/spec/initContainers/{at}", "value": one} for at, one in enumerate(added)),
            {"op": "add", "path": "/spec/containers/-", "value": {**CONTAINER, "name": "plain"}},
        )

    spec = {"initContainers": [{**CONTAINER, "name": "migrate"}]}
    with Hook().serving() as hook:
        hook.answer = inject
        name = f"{first}-{namespace}"
        with configured(release.admin, hook, namespace, hook.entry(namespace), name=name):
            pod = create(release.admin, namespace, spec=spec).body
    assert [one["name"] for one in pod["spec"]["initContainers"]] == order
    listed = pod["spec"]["initContainers"] + pod["spec"]["containers"]
    for container in listed:
        variables = [one["name"] for one in container.get("env") or []]
        assert ("MEMGRAPH_URI" in variables) is (container["name"] != names.SIDECAR_CONTAINER)
    assert "plain" in [one["name"] for one in listed]


@pytest.mark.parametrize(
    "spec",
    [{"hostNetwork": True}, {"os": {"name": "windows"}}, {"nodeName": "n", "hostNetwork": True}],
    ids=["hostNetwork", "windows", "on a node"],
)
def test_pods_that_can_not_have_it_are_not_asked_about(release: Release, webhook: Webhook, spec: Object) -> None:
    """By matchConditions: who is asked would warn."""
    namespace = new_namespace(release.admin, **ENABLED)
    container = {"name": "app", "image": "app:1"}
    answer = create(release.admin, namespace, spec={"containers": [container], **spec})
    assert (answer.code, sidecars(answer.body), answer.warnings) == (201, [], [])


@pytest.mark.parametrize("metadata", [{}, {"annotations": {"a": "b"}}, {"labels": {"a": "b"}}], ids=str)
def test_no_match_condition_fails_for_lack_of_a_field(release: Release, webhook: Webhook, metadata: Object) -> None:
    """An expression that fails would leave the pod without the sidecar, silently."""
    namespace = new_namespace(release.admin, **ENABLED)
    body = {"metadata": {"generateName": "app-", **metadata}, "spec": {"containers": [{"name": "app", "image": "i"}]}}
    assert len(sidecars(release.admin.made(f"/api/v1/namespaces/{namespace}/pods", body))) == 1


def test_a_strict_release_refuses_what_it_can_not_serve_with_the_reason(release: Release) -> None:
    namespace = new_namespace(release.admin, **ENABLED)
    taken = {"containers": [{**CONTAINER, "ports": [{"containerPort": 7687}]}]}
    with serving(release, MEMGRAPH_HA_STRICT="true"):
        injected(release.admin, namespace)
        refused = create(release.admin, namespace, spec=taken)
        assert refused.code == 403
        assert "PortTaken: port 7687 is the sidecar's, but container app declares it" in refused.body["message"]
        assert create(release.admin, namespace, labels={"memgraph-ha.io/inject": "disabled"}, spec=taken).code == 201


def test_a_node_that_is_too_old_is_told(release: Release) -> None:
    """A pod that may come there is left alone; one that can't is injected."""
    namespace = new_namespace(release.admin, **ENABLED)
    body = {"metadata": {"name": "old", "labels": {"pool": "old"}}}
    node = release.admin.made("/api/v1/nodes", body)
    try:
        node["status"] = {"nodeInfo": {**dict.fromkeys(NODE_INFO, "x"), "kubeletVersion": "v1.28.9"}}
        assert release.admin.replace("/api/v1/nodes/old/status", node).code == 200
        with serving(release):
            injected(release.admin, namespace, spec={"nodeSelector": {"pool": "new"}})
            answer = create(release.admin, namespace)
            assert (answer.code, sidecars(answer.body)) == (201, [])
            assert any("kubelet v1.28.9 of node old" in text for text in answer.warnings)
    finally:
        assert release.admin.delete("/api/v1/nodes/old").code == 200


NODE_INFO = (
    "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion",
    "kubeProxyVersion", "operatingSystem", "architecture",
)  # fmt: skip
