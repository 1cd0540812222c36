"""Patches: the webhook's own (server-side apply, on its configuration) and the sandbox's (merge)."""

from __future__ import annotations

from typing import Any

import pytest
from hook import CONFIGURATIONS
from plain_client import JSON_PATCH, STRATEGIC, Answer, Object, PlainClient
from release import APPLY

MAPS = "/api/v1/namespaces/{}/configmaps"


def an_entry(**changes: Any) -> Object:
    """A webhook that is never asked."""
    entry = {"name": "a.hook.example", "clientConfig": {"url": "https://127.0.0.1:1"}, "sideEffects": "None"}
    return {**entry, "admissionReviewVersions": ["v1"], "namespaceSelector": {"matchLabels": {"no": "such"}}, **changes}


def test_a_ca_bundle_is_applied(api: PlainClient, ns: str) -> None:
    """Server-side, into one of several webhooks, only if nothing was changed meanwhile; all else stays."""
    service = {"service": {"name": "s", "namespace": ns}}
    entries = [an_entry(name=f"{which}.hook.example", clientConfig=service) for which in ("a", "b")]
    made = api.made(CONFIGURATIONS, {"metadata": {"name": ns}, "webhooks": entries})
    path = f"{CONFIGURATIONS}/{ns}"
    query = {"fieldManager": "test", "force": "true"}

    def body(bundle: str, **more: str) -> Object:
        webhooks = [{"name": "b.hook.example", "clientConfig": {"caBundle": bundle}}]
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
        return {**kind, "metadata": {"name": ns, **more}, "webhooks": webhooks}

    try:
        stale = api.patch(path, body("", resourceVersion="1"), APPLY, **query)
        assert stale.refusal[:2] == (409, "Conflict")
        bundle = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJkRENDQVJxZ0F3SUJBZ0lVRTkK"
        version = made["metadata"]["resourceVersion"]
        patched = api.patch(path, body(bundle, resourceVersion=version), APPLY, **query)
        assert (patched.code, patched.body["metadata"]["generation"]) == (200, 2)
        assert [w["clientConfig"].get("caBundle") for w in patched.body["webhooks"]] == [None, bundle]
        patched.body["webhooks"][1]["clientConfig"].pop("caBundle")
        assert patched.body["webhooks"] == made["webhooks"]
        assert api.patch(path, body(bundle), APPLY, **query).body["metadata"]["generation"] == 2, "nothing was changed"
    finally:
        api.delete(path)


def test_the_defaults_of_a_webhook(api: PlainClient, ns: str) -> None:
    """What the API server fills in where a configuration says nothing."""
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    entry = an_entry(clientConfig={"service": {"name": "s", "namespace": ns}}, rules=[rule])
    (made,) = api.made(CONFIGURATIONS, {"metadata": {"name": ns}, "webhooks": [entry]})["webhooks"]
    assert api.delete(f"{CONFIGURATIONS}/{ns}").code == 200
    defaults = {"failurePolicy": "Fail", "matchPolicy": "Equivalent", "reinvocationPolicy": "Never",
                "timeoutSeconds": 10, "objectSelector": {}}  # fmt: skip
    assert {key: made[key] for key in defaults} == defaults
    assert made["clientConfig"]["service"] == {"name": "s", "namespace": ns, "port": 443}
    assert made["rules"][0]["scope"] == "*"


@pytest.mark.parametrize(
    "wrong",
    [
        {"sideEffects": "Some"},
        {"admissionReviewVersions": []},
        {"timeoutSeconds": 31},
        {"clientConfig": {}},
        {"name": "a.b"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_webhook_that_is_impossible(api: PlainClient, ns: str, wrong: Object) -> None:
    answer = api.create(CONFIGURATIONS, {"metadata": {"name": ns}, "webhooks": [an_entry(**wrong)]})
    if answer.code == 201:
        api.delete(f"{CONFIGURATIONS}/{ns}")
    code, reason, message = answer.refusal
    assert (code, reason) == (422, "Invalid")
    assert f"webhooks[0].{next(iter(wrong))}" in message


def test_a_merge(api: PlainClient, ns: str) -> None:
    """null removes; an emptied map is gone; a version in the patch is a precondition."""
    path = MAPS.format(ns) + "/x"
    made = api.made(MAPS.format(ns), {"metadata": {"name": "x"}, "data": {"k": "1", "l": "2"}})
    assert api.patch(path, {"data": {"k": None, "m": "3"}}).body["data"] == {"l": "2", "m": "3"}
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"k": "4"}}
    because = "the object has been modified; please apply your changes to the latest version and try again"
    assert api.patch(path, stale).refusal == (
        409, "Conflict", f'Operation cannot be fulfilled on configmaps "x": {because}',
    )  # fmt: skip
    assert "data" not in api.patch(path, {"data": {"l": None, "m": None}}).body
    assert api.patch(MAPS.format(ns) + "/y", {"data": {}}).refusal == (404, "NotFound", 'configmaps "y" not found')


def test_patches_that_are_none(api: PlainClient, ns: str) -> None:
    path = MAPS.format(ns) + "/x"
    made = api.made(MAPS.format(ns), {"metadata": {"name": "x"}, "data": {"k": "1"}})
    assert api.patch(path, {}, "application/x-unknown").refusal[:2] == (415, "UnsupportedMediaType")
    assert api.patch(path, {"a": "b"}, JSON_PATCH).refusal[:2] == (400, "BadRequest")
    assert api.patch(path, [1]).refusal[:2] == (400, "BadRequest")
    missing = [{"op": "remove", "path": "/data/no"}]
    assert api.patch(path, missing, JSON_PATCH).refusal[:2] == (422, "Invalid")
    assert api.get(path).body == made


def test_the_status_is_apart(api: PlainClient, ns: str) -> None:
    """Neither a creation nor a replacement touches it; its own path touches nothing else."""
    pods = f"/api/v1/namespaces/{ns}/pods"
    body: Object = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    made = api.made(pods, {**body, "status": {"podIP": "10.0.0.1"}})
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    status = {"podIP": "10.0.0.2", "podIPs": [{"ip": "10.0.0.2"}], "phase": "Running"}
    changed = api.patch(pods + "/p/status", {"status": status, "metadata": {"labels": {"a": "b"}}}).body
    assert (changed["status"]["podIP"], changed["metadata"]["generation"]) == ("10.0.0.2", 1)
    changed["status"] = {}
    changed["metadata"]["labels"] = {"c": "d"}
    replaced = api.replace(pods + "/p", changed).body
    assert (replaced["status"]["podIP"], replaced["metadata"]["labels"]) == ("10.0.0.2", {"c": "d"})


def test_conditions_have_an_owner_each(api: PlainClient, ns: str) -> None:
    """A strategic merge of a pod's status knows conditions by their type, and brings labels along; a spec it leaves."""
    pods = f"/api/v1/namespaces/{ns}/pods"
    made = api.made(pods, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    uid = made["metadata"]["uid"]

    def patch(of: str, labels: Object, *conditions: Object) -> Answer:
        body = {"metadata": {"uid": of, "labels": labels}, "status": {"conditions": list(conditions)},
                "spec": {"activeDeadlineSeconds": 5}}  # fmt: skip
        return api.patch(pods + "/p/status", body, STRATEGIC)

    moment = {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    ready, gate = {"type": "Ready", "status": "True"}, {"type": "example.io/gate", "status": "True", "reason": "A"}
    assert patch(uid, {"a": "b", "c": "d"}, {**ready, **moment}, {**gate, **moment}).code == 200
    changed = patch(uid, {"a": None}, {**gate, "reason": "B", "message": "m"})
    assert changed.code == 200
    found = {c["type"]: c for c in changed.body["status"]["conditions"]}
    assert (found["Ready"]["status"], found["Ready"]["lastTransitionTime"]) == ("True", "2026-01-01T00:00:00Z")
    mine = {**gate, "reason": "B", "message": "m", **moment}
    assert {key: found["example.io/gate"].get(key) for key in mine} == mine
    assert changed.body["metadata"]["labels"] == {"c": "d"}
    assert (changed.body["metadata"]["generation"], "activeDeadlineSeconds" in changed.body["spec"]) == (1, False)
    assert patch("another", {}, gate).code in (409, 422), "another pod of this name is not the one that was meant"
