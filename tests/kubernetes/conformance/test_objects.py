"""Objects: created, read, replaced by compare-and-swap, refused with words that programs understand."""

from __future__ import annotations

from typing import Any

import pytest
from plain_client import PlainClient

Object = dict[str, Any]
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
MAPS = "/api/v1/namespaces/{}/configmaps"


def refusal(code: int, reason: str, message: str, **details: Any) -> Object:
    """A Status as an API server writes it."""
    found: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    return {**found, "reason": reason, **({"details": details} if details else {}), "code": code}


def a_map(name: str = "x", **data: str) -> Object:
    return {"metadata": {"name": name}, "data": data}


def a_lease(name: str = "l", **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "annotations": {"memgraph-ha.io/epoch": "3"}},
        "spec": {"holderIdentity": "c-0", "leaseDurationSeconds": 4, "leaseTransitions": 0,
                 "renewTime": "2026-01-02T03:04:05.678901Z", **spec},
    }  # fmt: skip


def test_create_and_read(api: PlainClient, ns: str) -> None:
    """What the server adds, and that reading gives the same object."""
    made = api.create(MAPS.format(ns), a_map(k="1"))
    assert made.code == 201
    assert made.headers["content-type"] == "application/json"
    assert (made.body["kind"], made.body["apiVersion"], made.body["data"]) == ("ConfigMap", "v1", {"k": "1"})
    metadata = made.body["metadata"]
    assert (metadata["name"], metadata["namespace"], len(metadata["uid"])) == ("x", ns, 36)
    assert metadata["creationTimestamp"].endswith("Z")
    read = api.get(MAPS.format(ns) + "/x")
    assert (read.code, read.body) == (200, made.body)


def test_create_what_exists(api: PlainClient, ns: str) -> None:
    api.made(MAPS.format(ns), a_map())
    again = api.create(MAPS.format(ns), a_map())
    message = 'configmaps "x" already exists'
    assert again.body == refusal(409, "AlreadyExists", message, name="x", kind="configmaps")


def test_create_in_a_namespace_that_is_not_there(api: PlainClient) -> None:
    refused = api.create(MAPS.format("nowhere"), a_map())
    message = 'namespaces "nowhere" not found'
    assert refused.body == refusal(404, "NotFound", message, name="nowhere", kind="namespaces")


def test_read_what_is_not_there(api: PlainClient, ns: str) -> None:
    missing = api.get(MAPS.format(ns) + "/x")
    assert missing.body == refusal(404, "NotFound", 'configmaps "x" not found', name="x", kind="configmaps")
    missing = api.get(LEASES.format(ns) + "/x")
    message = 'leases.coordination.k8s.io "x" not found'
    details = {"name": "x", "group": "coordination.k8s.io", "kind": "leases"}
    assert missing.body == refusal(404, "NotFound", message, **details)


def test_replace_with_the_fresh_version(api: PlainClient, ns: str) -> None:
    made = api.made(MAPS.format(ns), a_map(k="1"))
    made["data"] = {"k": "2"}
    swapped = api.replace(MAPS.format(ns) + "/x", made)
    assert (swapped.code, swapped.body["data"]) == (200, {"k": "2"})
    assert int(swapped.version) > int(made["metadata"]["resourceVersion"])
    for kept in ("uid", "creationTimestamp"):
        assert swapped.body["metadata"][kept] == made["metadata"][kept]


@pytest.mark.parametrize(("path", "what", "body"), [
    (MAPS, "configmaps", a_map()),
    (LEASES, "leases.coordination.k8s.io", a_lease("x")),
], ids=["configmap", "lease"])  # fmt: skip
def test_replace_with_a_stale_version(api: PlainClient, ns: str, path: str, what: str, body: Object) -> None:
    """The whole protocol rests on this one (P-W1)."""
    made = api.made(path.format(ns), body)
    fresh = {**made, "metadata": {**made["metadata"], "annotations": {"a": "b"}}}
    after = api.replace(path.format(ns) + "/x", fresh).body
    stale = api.replace(path.format(ns) + "/x", made)
    because = "the object has been modified; please apply your changes to the latest version and try again"
    assert stale.refusal == (409, "Conflict", f'Operation cannot be fulfilled on {what} "x": {because}')
    assert stale.body["details"]["name"] == "x"
    assert api.get(path.format(ns) + "/x").body == after


def test_replace_without_a_version(api: PlainClient, ns: str) -> None:
    """A ConfigMap is overwritten, a Lease is not: who forgets the version there is told."""
    api.made(MAPS.format(ns), a_map(k="1"))
    assert api.replace(MAPS.format(ns) + "/x", a_map(k="2")).body["data"] == {"k": "2"}
    api.made(LEASES.format(ns), a_lease())
    code, reason, message = api.replace(LEASES.format(ns) + "/l", a_lease()).refusal
    assert (code, reason) == (422, "Invalid")
    assert message.startswith('leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: ')
    assert message.endswith(": must be specified for an update")


def test_replace_what_is_not_there(api: PlainClient, ns: str) -> None:
    """A ConfigMap is missing; nor does a Lease come back under a version that it had."""
    missing = api.replace(MAPS.format(ns) + "/x", a_map())
    assert missing.body == refusal(404, "NotFound", 'configmaps "x" not found', name="x", kind="configmaps")
    made = api.made(LEASES.format(ns), a_lease())
    assert api.delete(LEASES.format(ns) + "/l").code == 200
    assert api.replace(LEASES.format(ns) + "/l", made).code in (404, 409)
    assert api.get(LEASES.format(ns) + "/l").code == 404


def test_replace_another_object_of_the_name(api: PlainClient, ns: str) -> None:
    """By uid: the object was deleted and made again meanwhile."""
    made = api.made(MAPS.format(ns), a_map())
    other = {**made, "metadata": {**made["metadata"], "uid": "11111111-2222-3333-4444-555555555555"}}
    code, reason, message = api.replace(MAPS.format(ns) + "/x", other).refusal
    assert (code, reason) == (409, "Conflict")
    assert message.startswith('Operation cannot be fulfilled on configmaps "x": ')
    uid = made["metadata"]["uid"]
    assert message.endswith(
        f"Precondition failed: UID in precondition: 11111111-2222-3333-4444-555555555555, UID in object meta: {uid}"
    )


def test_a_replacement_that_changes_nothing_gets_no_version(api: PlainClient, ns: str) -> None:
    """So it wakes no watcher either."""
    made = api.made(MAPS.format(ns), a_map(k="1"))
    assert api.replace(MAPS.format(ns) + "/x", made).version == made["metadata"]["resourceVersion"]


def test_a_body_that_contradicts_its_path(api: PlainClient, ns: str) -> None:
    api.made(MAPS.format(ns), a_map())
    message = "the name of the object (y) does not match the name on the URL (x)"
    assert api.replace(MAPS.format(ns) + "/x", a_map("y")).refusal == (400, "BadRequest", message)
    elsewhere = {"metadata": {"name": "z", "namespace": "other"}}
    message = "the namespace of the provided object does not match the namespace sent on the request"
    assert api.create(MAPS.format(ns), elsewhere).refusal == (400, "BadRequest", message)
    code, reason, _ = api.create(MAPS.format(ns), {**a_map("z"), "kind": "Secret", "apiVersion": "v1"}).refusal
    assert (code, reason) == (400, "BadRequest")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"metadata":{"name":"x"},"data":{"k":1}}'], ids=["cut", "list", "numbers"]
)
def test_a_body_that_is_no_such_object(api: PlainClient, ns: str, body: bytes) -> None:
    code, reason, _ = api.create(MAPS.format(ns), body).refusal
    assert (code, reason) == (400, "BadRequest")


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "x" * 254], ids=["none", "upper", "slash", "long"])
def test_a_name_that_is_none(api: PlainClient, ns: str, name: str) -> None:
    code, reason, message = api.create(MAPS.format(ns), {"metadata": {"name": name}}).refusal
    assert (code, reason) == (422, "Invalid")
    assert message.startswith(f'ConfigMap "{name}" is invalid: ')
    assert "metadata.name: " in message


def test_a_name_that_the_server_makes(api: PlainClient, ns: str) -> None:
    made = api.made(MAPS.format(ns), {"metadata": {"generateName": "r-"}})
    assert made["metadata"]["name"].startswith("r-")
    assert len(made["metadata"]["name"]) == len("r-") + 5
    assert made["metadata"]["generateName"] == "r-"


def test_a_body_that_is_too_large(api: PlainClient, ns: str) -> None:
    code, reason, message = api.create(MAPS.format(ns), a_map(k="x" * (3 << 20))).refusal
    assert (code, reason) == (413, "RequestEntityTooLarge")
    assert message == "Request entity too large: limit is 3145728"


def test_a_lease_keeps_what_a_leader_writes(api: PlainClient, ns: str) -> None:
    """Its times to the microsecond, its annotations, and that nobody holds it."""
    made = api.made(LEASES.format(ns), a_lease())
    assert made["spec"] == a_lease()["spec"]
    assert made["metadata"]["annotations"] == {"memgraph-ha.io/epoch": "3"}
    made["spec"] = {**made["spec"], "leaseTransitions": 1, "renewTime": "2026-01-02T03:04:05.000006+00:00"}
    swapped = api.replace(LEASES.format(ns) + "/l", made).body
    assert swapped["spec"]["renewTime"] == "2026-01-02T03:04:05.000006Z"


@pytest.mark.parametrize(("spec", "where"), [
    ({"leaseDurationSeconds": 0}, "spec.leaseDurationSeconds"),
    ({"leaseTransitions": -1}, "spec.leaseTransitions"),
], ids=["duration", "transitions"])  # fmt: skip
def test_a_lease_that_is_impossible(api: PlainClient, ns: str, spec: Object, where: str) -> None:
    code, reason, message = api.create(LEASES.format(ns), a_lease(**spec)).refusal
    assert (code, reason) == (422, "Invalid")
    assert where in message


def test_a_lease_that_is_given_away(api: PlainClient, ns: str) -> None:
    """What a controller that ends writes: an empty holder."""
    answer = api.create(LEASES.format(ns), a_lease(holderIdentity="", leaseDurationSeconds=1))
    assert answer.code == 201, answer.body
    assert answer.body["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize(
    "time", ["yesterday", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"], ids=["word", "Z", "offset"]
)
def test_a_lease_s_time_that_is_none(api: PlainClient, ns: str, time: str) -> None:
    """Six digits of a second's fraction are demanded, also where they are zeros."""
    code, reason, message = api.create(LEASES.format(ns), a_lease(renewTime=time)).refusal
    assert (code, reason) == (400, "BadRequest")
    assert message.startswith('Lease in version "v1" cannot be handled as a Lease: parsing time "')


def test_a_tls_secret(api: PlainClient, ns: str) -> None:
    """The webhook's authority: stored as it is, refused without its key, refused if it is no base64."""
    path = f"/api/v1/namespaces/{ns}/secrets"
    body: Object = {
        "metadata": {"name": "ca"},
        "type": "kubernetes.io/tls",
        "data": {"tls.crt": "YQ==", "tls.key": "Yg=="},
    }
    assert api.made(path, body)["data"] == body["data"]
    half = {**body, "metadata": {"name": "half"}, "data": {"tls.crt": "YQ=="}}
    code, reason, message = api.create(path, half).refusal
    assert (code, reason) == (422, "Invalid")
    assert "data[tls.key]: Required value" in message
    wrong = {**body, "metadata": {"name": "wrong"}, "data": {"tls.crt": "!", "tls.key": "Yg=="}}
    assert api.create(path, wrong).refusal[:2] == (400, "BadRequest")


def test_an_event_on_a_statefulset(api: PlainClient, ns: str) -> None:
    """As the controller writes it; found by what it is about; one about another namespace is refused."""
    about = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "r", "namespace": ns}
    body: Object = {
        "metadata": {"generateName": "r-", "namespace": ns}, "involvedObject": about, "reason": "Published",
        "message": "m", "type": "Normal", "source": {"component": "memgraph-ha-controller"}, "count": 1,
        "firstTimestamp": "2026-01-02T03:04:05Z", "lastTimestamp": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    path = f"/api/v1/namespaces/{ns}/events"
    made = api.made(path, body)
    assert made["metadata"]["name"].startswith("r-")
    selector = "involvedObject.kind=StatefulSet,involvedObject.name=r,reason=Published"
    assert [e["message"] for e in api.get(path, fieldSelector=selector).body["items"]] == ["m"]
    assert api.get(path, fieldSelector="involvedObject.name=other").body["items"] == []
    code, reason, message = api.create(path, {**body, "involvedObject": {**about, "namespace": "other"}}).refusal
    assert (code, reason) == (422, "Invalid")
    assert "involvedObject.namespace" in message


def test_the_stateful_set_and_the_claim(api: PlainClient, ns: str) -> None:
    """What the controller reads of them."""
    labels = {"app": "m"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"serviceName": "s", "selector": {"matchLabels": labels}, "template": template}
    path = f"/apis/apps/v1/namespaces/{ns}/statefulsets"
    made = api.made(path, {"metadata": {"name": "m"}, "spec": spec})
    assert (made["spec"]["replicas"], made["metadata"]["generation"]) == (1, 1), "defaults"
    made["spec"]["replicas"] = 3
    changed = api.replace(path + "/m", made).body
    assert (changed["spec"]["replicas"], changed["metadata"]["generation"]) == (3, 2)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = f"/api/v1/namespaces/{ns}/persistentvolumeclaims"
    assert api.made(claims, {"metadata": {"name": "data-m-0"}, "spec": claim})["status"] == {"phase": "Pending"}
    assert len(api.get(claims + "/data-m-0").body["metadata"]["uid"]) == 36


def test_a_dry_run_changes_nothing(api: PlainClient, ns: str) -> None:
    """But is answered as the real thing would be."""
    tried = api.create(MAPS.format(ns), a_map(k="1"), dryRun="All")
    assert (tried.code, tried.body["data"]) == (201, {"k": "1"})
    assert len(tried.body["metadata"]["uid"]) == 36
    assert api.get(MAPS.format(ns) + "/x").code == 404
    api.made(MAPS.format(ns), a_map())
    assert api.create(MAPS.format(ns), a_map(), dryRun="All").refusal[1] == "AlreadyExists"
    assert api.create(MAPS.format(ns), a_map("y"), dryRun="Some").refusal[0] in (400, 422)
