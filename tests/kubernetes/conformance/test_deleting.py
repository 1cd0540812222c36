"""Deleting: by uid and version, with grace, and what watchers see of it."""

from __future__ import annotations

from typing import Any

from plain_client import Object, PlainClient

MAPS = "/api/v1/namespaces/{}/configmaps"
PODS = "/api/v1/namespaces/{}/pods"


def a_pod(name: str = "p", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


def test_delete(api: PlainClient, ns: str) -> None:
    """The answer names what is gone; it is gone."""
    made = api.made(MAPS.format(ns), {"metadata": {"name": "x"}})
    gone = api.delete(MAPS.format(ns) + "/x")
    details = {"name": "x", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (gone.code, gone.body["status"], gone.body["details"]) == (200, "Success", details)
    assert api.get(MAPS.format(ns) + "/x").code == 404
    assert api.delete(MAPS.format(ns) + "/x").refusal == (404, "NotFound", 'configmaps "x" not found')


def test_delete_by_uid(api: PlainClient, ns: str) -> None:
    """The controller means this very pod, not its successor."""
    made = api.made(PODS.format(ns), a_pod())
    options = {"gracePeriodSeconds": 0, "preconditions": {"uid": "another"}}
    refused = api.delete(PODS.format(ns) + "/p", options)
    message = (
        'Operation cannot be fulfilled on Pod "p": the UID in the precondition (another) does not match the UID in '
        f"record ({made['metadata']['uid']}). The object might have been deleted and then recreated"
    )
    assert refused.refusal == (409, "Conflict", message)
    assert refused.body["details"] == {"name": "p", "kind": "Pod"}
    options = {"gracePeriodSeconds": 0, "preconditions": {"uid": made["metadata"]["uid"]}}
    assert api.delete(PODS.format(ns) + "/p", options).code == 200
    assert api.get(PODS.format(ns) + "/p").code == 404


def test_delete_by_version(api: PlainClient, ns: str) -> None:
    made = api.made(MAPS.format(ns), {"metadata": {"name": "x"}})
    version = made["metadata"]["resourceVersion"]
    code, reason, message = api.delete(MAPS.format(ns) + "/x", {"preconditions": {"resourceVersion": "1"}}).refusal
    assert (code, reason) == (409, "Conflict")
    assert (
        f"the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({version})"
        in message
    )
    assert api.delete(MAPS.format(ns) + "/x", {"preconditions": {"resourceVersion": version}}).code == 200


def test_a_pod_on_no_node_goes_at_once(api: PlainClient, ns: str) -> None:
    """And the answer shows it as deleted."""
    api.made(PODS.format(ns), a_pod())
    gone = api.delete(PODS.format(ns) + "/p").body
    assert (gone["kind"], gone["metadata"]["deletionGracePeriodSeconds"]) == ("Pod", 0)
    assert gone["metadata"]["deletionTimestamp"].endswith("Z")
    assert api.get(PODS.format(ns) + "/p").code == 404


def test_a_pod_on_a_node_is_marked_first(api: PlainClient, ns: str) -> None:
    """A second deletion can only shorten its grace; grace 0 ends it. Watchers see each step."""
    made = api.made(PODS.format(ns), a_pod(nodeName="n1"))
    path, since = PODS.format(ns) + "/p", made["metadata"]["resourceVersion"]

    def marks(found: Object) -> tuple[int, bool, int]:
        metadata = found["metadata"]
        return metadata["deletionGracePeriodSeconds"], "deletionTimestamp" in metadata, metadata["generation"]

    assert marks(api.delete(path).body) == (30, True, 2)
    assert marks(api.get(path).body) == (30, True, 2)
    assert marks(api.delete(path, {"gracePeriodSeconds": 60}).body) == (30, True, 2)
    assert marks(api.delete(path, {"gracePeriodSeconds": 5}).body) == (5, True, 2)
    assert marks(api.delete(path, {"gracePeriodSeconds": 0}).body) == (0, True, 2)
    assert api.get(path).code == 404
    with api.watch(PODS.format(ns), resourceVersion=since, timeoutSeconds=1) as watch:
        seen = [(event["type"], *marks(event["object"])[:2]) for event in watch.rest()]
    assert seen[:2] == [("MODIFIED", 30, True), ("MODIFIED", 5, True)]
    assert seen[-1] == ("DELETED", 0, True)
