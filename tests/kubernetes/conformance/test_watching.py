"""Lists and watches: what is seen, in which order, for how long, and what happens to those who come late."""

from __future__ import annotations

import time

import pytest
from conformance_server import Server
from plain_client import Object, PlainClient, kinds

MAPS = "/api/v1/namespaces/{}/configmaps"


def make(api: PlainClient, ns: str, name: str, **labels: str) -> str:
    """A ConfigMap; its version."""
    made = api.made(MAPS.format(ns), {"metadata": {"name": name, "labels": labels}, "data": {"k": name}})
    return str(made["metadata"]["resourceVersion"])


def test_a_list(api: PlainClient, ns: str) -> None:
    """Its kind, its version, its items; by field and by label."""
    make(api, ns, "a", tier="1")
    last = make(api, ns, "b", tier="2")
    listed = api.get(MAPS.format(ns))
    assert (listed.body["kind"], listed.body["apiVersion"]) == ("ConfigMapList", "v1")
    assert int(listed.version) >= int(last)
    names = {
        "": ["a", "b"], "metadata.name=a": ["a"], "metadata.name!=a": ["b"], "metadata.name=c": [],
        f"metadata.name=b,metadata.namespace={ns}": ["b"],
    }  # fmt: skip
    for selector, expected in names.items():
        items = api.get(MAPS.format(ns), fieldSelector=selector).body["items"]
        assert [name for item in items if (name := item["metadata"]["name"]) in "ab"] == expected, selector
    for selector, expected in {"tier=1": ["a"], "tier in (1,2)": ["a", "b"], "!tier": [], "tier!=1": ["b"]}.items():
        items = api.get(MAPS.format(ns), labelSelector=selector).body["items"]
        assert [name for item in items if (name := item["metadata"]["name"]) in "ab"] == expected, selector


def test_selectors_that_are_none(api: PlainClient, ns: str) -> None:
    message = '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"'
    assert api.get(MAPS.format(ns), fieldSelector="data.k=1").refusal == (400, "BadRequest", message)
    assert api.get(MAPS.format(ns), fieldSelector="metadata.name").refusal[:2] == (400, "BadRequest")
    assert api.get(MAPS.format(ns), labelSelector="a b").refusal[:2] == (400, "BadRequest")


def test_a_watch_from_a_list_on(api: PlainClient, ns: str) -> None:
    """Every change after the list, in order, as it was then; the stream is JSON lines."""
    listed = api.get(MAPS.format(ns)).version
    path = MAPS.format(ns)
    with api.watch(path, resourceVersion=listed, timeoutSeconds=20) as watch:
        assert (watch.code, watch.content_type) == (200, "application/json")
        make(api, ns, "x")
        api.patch(path + "/x", {"data": {"k": "2"}})
        last = api.get(path + "/x").body
        api.delete(path + "/x")
        events = [watch.next() for _ in range(3)]
    assert [(e["type"], e["object"]["data"]["k"]) for e in events if e] == [
        ("ADDED", "x"), ("MODIFIED", "2"), ("DELETED", "2"),
    ]  # fmt: skip
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events if e]
    assert versions == sorted(set(versions)), "a deletion has a version of its own"
    assert events[1] is not None
    assert events[1]["object"] == last


def test_a_watch_of_one_object(api: PlainClient, ns: str) -> None:
    """As each sidecar does it: others don't exist."""
    since = make(api, ns, "other")
    with api.watch(MAPS.format(ns), resourceVersion=since, fieldSelector="metadata.name=x", timeoutSeconds=1) as watch:
        make(api, ns, "another")
        make(api, ns, "x")
        api.delete(MAPS.format(ns) + "/other")
        assert kinds(watch.rest()) == [("ADDED", "x")]


def test_an_object_that_begins_and_ceases_to_match(api: PlainClient, ns: str) -> None:
    """Is added and deleted for this watcher."""
    since = make(api, ns, "x")
    path = MAPS.format(ns) + "/x"
    for label in ("yes", "no", None):
        api.patch(path, {"metadata": {"labels": {"take": label}}})
    with api.watch(MAPS.format(ns), resourceVersion=since, labelSelector="take=yes", timeoutSeconds=1) as watch:
        assert kinds(watch.rest()) == [("ADDED", "x"), ("DELETED", "x")]


@pytest.mark.parametrize("version", [None, "0"])
def test_a_watch_without_a_version(api: PlainClient, ns: str, version: str | None) -> None:
    """Begins with what is there, as ADDED."""
    make(api, ns, "x")
    assert api.get(MAPS.format(ns) + "/x").code == 200
    query: Object = {} if version is None else {"resourceVersion": version}
    with api.watch(MAPS.format(ns), fieldSelector="metadata.name=x", timeoutSeconds=20, **query) as watch:
        assert watch.until("ADDED")["object"]["metadata"]["name"] == "x"
        api.delete(MAPS.format(ns) + "/x")
        assert watch.until("DELETED")["object"]["metadata"]["name"] == "x"


def test_a_watch_ends_at_its_time(api: PlainClient, ns: str) -> None:
    """In good order: the stream is complete, without an error."""
    since = make(api, ns, "x")
    began = time.monotonic()
    with api.watch(MAPS.format(ns), resourceVersion=since, timeoutSeconds=1) as watch:
        assert watch.rest() == []
    assert 0.9 < time.monotonic() - began < 10


def test_a_bookmark_before_the_end(api: PlainClient, ns: str) -> None:
    """It carries a version to go on from, and nothing else; only for those who asked."""
    make(api, ns, "x")
    last = make(api, ns, "y")
    query = {"fieldSelector": "metadata.name=x", "timeoutSeconds": 3}
    with api.watch(MAPS.format(ns), allowWatchBookmarks="true", **query) as watch:
        assert watch.until("ADDED")
        bookmark = watch.until("BOOKMARK")["object"]
    assert (bookmark["kind"], bookmark["apiVersion"]) == ("ConfigMap", "v1")
    assert int(bookmark["metadata"]["resourceVersion"]) >= int(last)
    assert "name" not in bookmark["metadata"]
    assert "data" not in bookmark
    with api.watch(MAPS.format(ns), **query) as watch:
        assert [event["type"] for event in watch.rest()] == ["ADDED"]


def test_resuming_brings_what_was_missed(api: PlainClient, ns: str) -> None:
    """In order and without a hole, from any version still known."""
    since = make(api, ns, "a")
    for number in range(5):
        api.patch(MAPS.format(ns) + "/a", {"data": {"k": str(number)}})
    with api.watch(MAPS.format(ns), resourceVersion=since, timeoutSeconds=1) as watch:
        events = watch.rest()
    assert [e["object"]["data"]["k"] for e in events] == ["0", "1", "2", "3", "4"]
    middle = events[2]["object"]["metadata"]["resourceVersion"]
    with api.watch(MAPS.format(ns), resourceVersion=middle, timeoutSeconds=1) as watch:
        assert [e["object"]["data"]["k"] for e in watch.rest()] == ["3", "4"]


def test_a_version_that_is_too_old(server: Server, api: PlainClient, ns: str) -> None:
    """Is told inside the stream, which then ends; a list and a new watch go on from there."""
    old = make(api, ns, "a")
    make(api, ns, "b")
    server.forget()
    with api.watch(MAPS.format(ns), resourceVersion=old, timeoutSeconds=20) as watch:
        assert watch.code == 200
        (event,) = watch.rest()
    status = event["object"]
    assert (event["type"], status["kind"], status["code"], status["reason"]) == ("ERROR", "Status", 410, "Expired")
    assert status["message"].startswith(f"too old resource version: {old} (")
    listed = api.get(MAPS.format(ns))
    assert {item["metadata"]["name"] for item in listed.body["items"]} >= {"a", "b"}
    with api.watch(MAPS.format(ns), resourceVersion=listed.version, timeoutSeconds=20) as watch:
        make(api, ns, "c")
        assert watch.until("ADDED")["object"]["metadata"]["name"] == "c"


def test_a_list_of_a_version_from_the_future(api: PlainClient, ns: str) -> None:
    """Is waited for, then refused: this server may have lost its memory."""
    answer = api.get(MAPS.format(ns), resourceVersion="99999999")
    code, reason, message = answer.refusal
    assert (code, reason) == (504, "Timeout")
    assert message.startswith("Timeout: Too large resource version: 99999999, current: ")
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    assert answer.body["details"] == {"causes": [cause], "retryAfterSeconds": 1}
    assert answer.headers["retry-after"] == "1"


def test_a_watch_of_a_version_from_the_future(api: PlainClient, ns: str) -> None:
    """Is not refused: it is silent, and the changes that happen meanwhile never come."""
    query = {"resourceVersion": "99999999", "timeoutSeconds": 3, "allowWatchBookmarks": "true"}
    with api.watch(MAPS.format(ns), **query) as watch:
        assert watch.code == 200
        make(api, ns, "x")
        assert watch.rest() == []


def test_versions_that_are_none(api: PlainClient, ns: str) -> None:
    assert api.get(MAPS.format(ns), resourceVersion="abc").refusal[:2] == (400, "BadRequest")
