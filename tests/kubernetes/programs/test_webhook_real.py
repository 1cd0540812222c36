"""The webhook, called by a real API server over TLS, by the configuration the chart ships."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hook import Hook, configured, patch
from plain_client import JSON_PATCH, Object
from real import needs_own, new_namespace
from real_release import Release
from release import rights, used
from webhook_pods import CONTAINER, create, injected, sidecars
from webhook_process import CONFIGURATIONS, age_authority, serving

from sidecar.contract import names
from tests.integration.webhook.test_webhook_process import Webhook


@pytest.fixture(scope="module")
def webhook(release: Release) -> Iterator[Webhook]:
    release.admin.delete(release.path("secrets", f"{release.name}-webhook-ca"))  # another module's
    with serving(release):
        pass  # it makes its authority
    age_authority(release)  # so that it is renewed at once
    with serving(release) as started:
        yield started


def edit(release: Release, **changes: Any) -> None:
    """Change both webhooks of the live configuration."""
    operations = [
        {"op": "replace", "path": f"/webhooks/{index}/{key}", "value": value}
        for index in (0, 1)
        for key, value in changes.items()
    ]
    answer = release.admin.patch(f"{CONFIGURATIONS}/{release.name}", operations, JSON_PATCH)
    assert answer.code == 200, answer.body


def test_a_pod_gets_its_sidecar_under_the_restricted_standard(release: Release, apps: str, webhook: Webhook) -> None:
    """Native, first, with its own token; accepted by a namespace that enforces `restricted` (O-S10, O-S12, O-S23)."""
    pod = injected(release.admin, apps)
    (sidecar,) = sidecars(pod)
    assert (sidecar["restartPolicy"], sidecar["image"]) == ("Always", "memgraph-ha-sidecar:test")
    assert pod["spec"]["initContainers"][0] == sidecar
    mounted = {mount["mountPath"]: mount["name"] for mount in sidecar["volumeMounts"]}
    assert mounted[names.TOKEN_MOUNT_PATH] == names.TOKEN_VOLUME
    assert names.STATUS_ANNOTATION in pod["metadata"]["annotations"]


@needs_own("the API server's audit log")
def test_it_uses_every_right_it_has_and_no_other(release: Release, apps: str, webhook: Webhook) -> None:
    injected(release.admin, apps)
    roles = (("Role", f"{release.name}-webhook"), ("ClusterRole", f"{release.name}-webhook"))
    granted = rights(release.objects, *roles)
    asked = release.cluster.audited(release.account("webhook"))
    assert used(asked, granted) == granted
    # 409: another change of the configuration came first; the next look mends it.
    assert {event.code for event in asked} <= {200, 201, 404, 409}


@pytest.mark.parametrize(
    ("namespace", "pod", "wanted"),
    [("enabled", None, True), ("enabled", "disabled", False), (None, None, False), (None, "enabled", True),
     ("disabled", "enabled", True)],
)  # fmt: skip
def test_labels_decide(
    release: Release, apps: str, webhook: Webhook, namespace: str | None, pod: str | None, wanted: bool
) -> None:
    """Namespace and pod, by the API server's own selectors."""
    injected(release.admin, apps)  # the API server calls us by now
    where = new_namespace(release.admin, **({"memgraph-ha.io/inject": namespace} if namespace else {}))
    labels = {"memgraph-ha.io/inject": pod} if pod else {}
    answer = create(release.admin, where, labels=labels)
    assert answer.code == 201
    assert bool(sidecars(answer.body)) is wanted


def test_pods_of_our_own_are_left_alone(release: Release, apps: str, webhook: Webhook) -> None:
    """O-F22, O-S20."""
    injected(release.admin, apps)
    answer = create(release.admin, apps, labels={names.COMPONENT_LABEL: "memgraph"})
    assert not sidecars(answer.body)


def test_a_dry_run_shows_the_sidecar_and_leaves_nothing(release: Release, apps: str, webhook: Webhook) -> None:
    """`kubectl apply --dry-run=server`."""
    injected(release.admin, apps)
    tried = create(release.admin, apps, name="tried", dryRun="All")
    assert len(sidecars(tried.body)) == 1
    assert release.admin.get(f"/api/v1/namespaces/{apps}/pods/tried").code == 404


def test_with_a_second_injector_that_adds_containers(release: Release, apps: str, webhook: Webhook) -> None:
    """It comes after us, we are asked again, and the pod has one sidecar of each, ours still first (O-S22)."""
    injected(release.admin, apps)
    other = {**CONTAINER, "name": "mesh", "restartPolicy": "Always"}

    def mesh(request: Object) -> Object:
        spec = request["object"]["spec"]
        present = [c["name"] for c in spec.get("initContainers") or []]
        return {"allowed": True} if "mesh" in present else patch(add(spec, other))

    def add(spec: Object, container: Object) -> Object:
        if "initContainers" in spec:
            return {"op": "add", "path": "/spec/initContainers/0", "value": container}
        return {"op": "add", "path": "/spec/initContainers", "value": [container]}

    with Hook().serving() as hook:
        hook.answer = mesh
        with configured(release.admin, hook, apps, hook.entry(apps, reinvocationPolicy="IfNeeded")):
            pod = create(release.admin, apps).body
    present = [c["name"] for c in pod["spec"]["initContainers"]]
    assert sorted(present) == ["memgraph-ha-sidecar", "mesh"]
    assert [v["name"] for v in pod["spec"]["volumes"]].count(names.TOKEN_VOLUME) == 1


def test_a_webhook_that_hangs_costs_its_timeout_and_no_pod(release: Release, apps: str, webhook: Webhook) -> None:
    """As shipped: Ignore. Strict: the pod is refused, with the webhook's name (O-S21)."""
    injected(release.admin, apps)
    edit(release, timeoutSeconds=1)
    webhook.process.send_signal(signal.SIGSTOP)
    try:
        answer = create(release.admin, apps)
        assert (answer.code, sidecars(answer.body)) == (201, [])
        edit(release, failurePolicy="Fail")
        for _ in range(50):
            answer = create(release.admin, apps)
            if answer.code == 500:
                break
        assert answer.refusal[:2] == (500, "InternalError")
        assert 'failed calling webhook "inject.memgraph-ha.io"' in answer.body["message"]
    finally:
        webhook.process.send_signal(signal.SIGCONT)
        edit(release, failurePolicy="Ignore", timeoutSeconds=5)
    assert sidecars(injected(release.admin, apps))


def test_a_wiped_authority_costs_sidecars_until_it_is_back(release: Release, apps: str, webhook: Webhook) -> None:
    """A GitOps tool that reverts the configuration: pods start without, the webhook mends it by itself (O-S22)."""
    injected(release.admin, apps)
    path = f"{CONFIGURATIONS}/{release.name}"
    before = [entry["clientConfig"]["caBundle"] for entry in release.admin.get(path).body["webhooks"]]
    wrong = Hook().bundle
    operations = [
        {"op": "replace", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": wrong} for index in (0, 1)
    ]
    wiped = release.admin.patch(path, operations, JSON_PATCH).version
    only = f"metadata.name={release.name}"
    with release.admin.watch(CONFIGURATIONS, fieldSelector=only, resourceVersion=wiped) as watch:
        for _ in range(200):
            answer = create(release.admin, apps)
            assert answer.code == 201, "as shipped, pods start"
            if not sidecars(answer.body):
                break
        assert not sidecars(answer.body)
        while (event := watch.next()) is not None:
            if [entry["clientConfig"].get("caBundle") for entry in event["object"]["webhooks"]] == before:
                break
    assert event is not None
    assert sidecars(injected(release.admin, apps))


def test_a_webhook_that_is_gone(release: Release, apps: str) -> None:
    """Fail-open as shipped, refused where somebody chose to be strict; and with matchConditions of theirs (O-S21)."""
    with serving(release):
        injected(release.admin, apps)
        condition = {
            "name": "no-batch",
            "expression": "!has(object.metadata.labels) || !('batch' in object.metadata.labels)",
        }
        shipped = live(release)[0]["matchConditions"]
        edit(release, matchConditions=[*shipped, condition])
        for _ in range(200):
            if not sidecars(create(release.admin, apps, labels={"batch": ""}).body):
                break
        assert not sidecars(create(release.admin, apps, labels={"batch": ""}).body)
        assert sidecars(create(release.admin, apps).body)
    answer = create(release.admin, apps)
    assert (answer.code, sidecars(answer.body)) == (201, [])
    edit(release, failurePolicy="Fail")
    try:
        for _ in range(200):
            if create(release.admin, apps).code == 500:
                break
        assert create(release.admin, apps).refusal[:2] == (500, "InternalError")
        assert create(release.admin, apps, labels={"batch": ""}).code == 201, "who is not meant is not held up"
    finally:
        edit(release, failurePolicy="Ignore", matchConditions=shipped)


def live(release: Release) -> list[Object]:
    """The webhooks as they are now."""
    found: list[Object] = release.admin.get(f"{CONFIGURATIONS}/{release.name}").body["webhooks"]
    return found
