"""Mutating admission: who is asked, what a review says, and what becomes of each kind of answer."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from conformance_server import Server
from hook import CONFIGURATIONS, Hook, configured, patch
from plain_client import JSON_PATCH, Object, PlainClient

PODS = "/api/v1/namespaces/{}/pods"


@pytest.fixture
def hook(server: Server) -> Iterator[Hook]:
    server.needs_calls()
    with Hook().serving() as hook:
        yield hook


def a_pod(name: str = "p", **metadata: Any) -> Object:
    return {"metadata": {"name": name, **metadata}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def test_a_pod_is_patched(api: PlainClient, ns: str, hook: Hook) -> None:
    """And its creator is told what the webhook wants to say."""
    hook.answer = lambda _: patch(
        {"op": "add", "path": "/metadata/annotations", "value": {"seen": "yes"}}, warnings=['look "out"', "twice"]
    )
    with configured(api, hook, ns, hook.entry(ns)):
        made = api.create(PODS.format(ns), a_pod())
    assert made.body["metadata"]["annotations"] == {"seen": "yes"}
    assert made.warnings == ['299 - "look \\"out\\""', '299 - "twice"']


def test_a_review(api: PlainClient, ns: str, hook: Hook) -> None:
    """Everything our webhook reads: kinds, names, who asks, and the object with its defaults."""
    with configured(api, hook, ns, hook.entry(ns)):
        api.made(PODS.format(ns), a_pod())
    (review,) = hook.asked
    request = review["request"]
    assert (review["kind"], review["apiVersion"]) == ("AdmissionReview", "admission.k8s.io/v1")
    assert request["kind"] == request["requestKind"] == {"group": "", "version": "v1", "kind": "Pod"}
    assert request["resource"] == request["requestResource"] == {"group": "", "version": "v1", "resource": "pods"}
    assert (request["name"], request["namespace"], request["operation"]) == ("p", ns, "CREATE")
    assert (request["dryRun"], request["oldObject"]) == (False, None)
    assert request["options"]["kind"] == "CreateOptions"
    assert request["userInfo"]["username"] == "kubernetes-admin"
    assert "system:masters" in request["userInfo"]["groups"]
    pod = request["object"]
    assert (pod["kind"], pod["apiVersion"], pod["metadata"]["namespace"]) == ("Pod", "v1", ns)
    assert (pod["spec"]["restartPolicy"], pod["spec"]["serviceAccountName"]) == ("Always", "default")
    assert "resourceVersion" not in pod["metadata"]


def test_a_name_yet_to_be_made(api: PlainClient, ns: str, hook: Hook) -> None:
    """As for every pod of a ReplicaSet: the review has no name."""
    with configured(api, hook, ns, hook.entry(ns)):
        made = api.made(PODS.format(ns), {**a_pod(), "metadata": {"generateName": "p-"}})
    request = hook.asked[0]["request"]
    assert request.get("name", "") == ""
    assert "name" not in request["object"]["metadata"]
    assert request["object"]["metadata"]["generateName"] == "p-"
    assert made["metadata"]["name"].startswith("p-")


def test_a_dry_run_is_reviewed_as_such(api: PlainClient, ns: str, hook: Hook) -> None:
    with configured(api, hook, ns, hook.entry(ns)):
        tried = api.create(PODS.format(ns), a_pod(), dryRun="All")
    assert (tried.code, hook.asked[0]["request"]["dryRun"]) == (201, True)
    assert api.get(PODS.format(ns) + "/p").code == 404


def test_selectors_decide_who_is_asked(api: PlainClient, ns: str, hook: Hook) -> None:
    """By labels of the pod and of its namespace, operation and resource."""
    nowhere = hook.entry(ns, name="other.hook.example", namespaceSelector={"matchLabels": {"a": "b"}})
    with configured(api, hook, ns, hook.entry(ns), nowhere):
        api.made(PODS.format(ns), a_pod("skipped", labels={"skip": ""}))
        api.made(f"/api/v1/namespaces/{ns}/serviceaccounts", {"metadata": {"name": "x"}})
        api.patch(PODS.format(ns) + "/skipped", {"metadata": {"labels": {"skip": None}}})
        assert hook.asked == []
        api.made(PODS.format(ns), a_pod("asked"))
    assert [review["request"]["name"] for review in hook.asked] == ["asked"]


def test_a_denial(api: PlainClient, ns: str, hook: Hook) -> None:
    """Is the webhook's own word, whatever the failure policy."""
    with configured(api, hook, ns, hook.entry(ns, failurePolicy="Ignore")):
        hook.answer = lambda _: {"allowed": False, "status": {"message": "no", "code": 403}}
        message = 'admission webhook "pod.hook.example" denied the request: no'
        refused = api.create(PODS.format(ns), a_pod())
        assert (refused.code, refused.body["message"]) == (403, message)
        hook.answer = lambda _: {"allowed": False}
        message = 'admission webhook "pod.hook.example" denied the request without explanation'
        assert api.create(PODS.format(ns), a_pod()).body["message"] == message
    assert api.get(PODS.format(ns)).body["items"] == []


@pytest.mark.parametrize("fault", ["authority", "address", "uid", "slow"])
@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
def test_the_failure_policy(api: PlainClient, ns: str, hook: Hook, fault: str, policy: str) -> None:
    """Decides when a webhook can't be asked: another authority, nobody there, another's answer, no answer."""
    entry, end = hook.entry(ns, failurePolicy=policy, timeoutSeconds=1), threading.Event()

    def late(_: Object) -> Object:
        end.wait(20)
        return {"allowed": True}

    match fault:
        case "authority":
            entry["clientConfig"]["caBundle"] = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
        case "address":
            entry["clientConfig"]["url"] = "https://127.0.0.1:1/inject"
        case "uid":
            hook.answer = lambda _: {"allowed": True, "uid": "another"}
        case "slow":
            hook.answer = late
    with configured(api, hook, ns, entry):
        answer = api.create(PODS.format(ns), a_pod())
        end.set()
    if policy == "Ignore":
        assert answer.code == 201
        return
    code, reason, message = answer.refusal
    assert (code, reason) == (500, "InternalError")
    assert message.startswith('Internal error occurred: failed calling webhook "pod.hook.example": ')
    assert api.get(PODS.format(ns) + "/p").code == 404


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
def test_a_patch_that_does_not_apply(api: PlainClient, ns: str, hook: Hook, policy: str) -> None:
    """Is an error even under Ignore: the webhook was asked and did answer."""
    hook.answer = lambda _: patch({"op": "remove", "path": "/not/there"})
    with configured(api, hook, ns, hook.entry(ns, failurePolicy=policy)):
        code, reason, _ = api.create(PODS.format(ns), a_pod()).refusal
    assert (code, reason) == (500, "InternalError")
    assert api.get(PODS.format(ns) + "/p").code == 404


def test_a_webhook_is_asked_again_when_a_later_one_changes_the_pod(api: PlainClient, ns: str, hook: Hook) -> None:
    """With reinvocationPolicy IfNeeded, once; without, and without a change, not."""

    def add(request: Object) -> Object:
        names = [c["name"] for c in request["object"]["spec"]["containers"]]
        return patch({"op": "add", "path": "/spec/containers/-", "value": {"name": f"c{len(names)}", "image": "i"}})

    with Hook().serving() as second, Hook().serving() as never:
        entries = [
            hook.entry(ns, name="a.hook.example", reinvocationPolicy="IfNeeded"),
            never.entry(ns, name="b.hook.example", reinvocationPolicy="Never"),
            second.entry(ns, name="c.hook.example"),
        ]
        with configured(api, hook, ns, *entries):
            api.made(PODS.format(ns), a_pod("quiet"))
            assert [len(one.asked) for one in (hook, never, second)] == [1, 1, 1]
            second.answer = add
            made = api.made(PODS.format(ns), a_pod("changed"))
    assert [len(one.asked) for one in (hook, never, second)] == [3, 2, 2]
    assert len(hook.asked[2]["request"]["object"]["spec"]["containers"]) == 2
    assert [c["name"] for c in made["spec"]["containers"]] == ["c", "c1"]


def test_a_ca_bundle_that_is_put_in_place_later(api: PlainClient, ns: str, hook: Hook) -> None:
    """As our webhook does it with its own configuration; the API server notices."""
    entry = hook.entry(ns, failurePolicy="Ignore")
    bundle = entry["clientConfig"].pop("caBundle")
    with configured(api, hook, ns, entry):
        api.made(PODS.format(ns), a_pod("before"))
        assert hook.asked == []
        operation = {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}
        assert api.patch(f"{CONFIGURATIONS}/{ns}", [operation], JSON_PATCH).code == 200
        for number in range(500):
            api.made(PODS.format(ns), a_pod(f"after-{number}"))
            if hook.asked:
                break
    assert hook.asked
