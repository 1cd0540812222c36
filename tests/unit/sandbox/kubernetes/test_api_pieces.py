"""Selectors, patches, paths, checks and defaults of the API server stand-in."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.kubernetes import discovery
from sandbox.kubernetes.core import checks, defaults, patches, selectors
from sandbox.kubernetes.core.problem import Problem
from sandbox.kubernetes.core.resources import BY_PLURAL, RESOURCES, Target, parse_path, path
from sandbox.kubernetes.core.tokens import ADMIN, ANONYMOUS, Tokens, service_account

PODS, CONFIG_MAPS = BY_PLURAL["pods"], BY_PLURAL["configmaps"]


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ("", {}, True),
        ("a=1", {"a": "1"}, True),
        ("a==1,b!=2", {"a": "1"}, True),
        ("a==1,b!=2", {"a": "1", "b": "2"}, False),
        ("a in (1, 2)", {"a": "2"}, True),
        ("a notin (1,2)", {}, True),
        ("a notin (1,2)", {"a": "1"}, False),
        ("example.io/a", {"example.io/a": ""}, True),
        ("!a", {"a": "1"}, False),
        ("a in (1,2),!b", {"a": "1"}, True),
    ],
)
def test_label_selectors(selector: str, labels: dict[str, str], matches: bool) -> None:
    """As `kubectl -l` writes them."""
    assert selectors.parse(PODS, selector, None)({"metadata": {"labels": labels}}) is matches


@pytest.mark.parametrize(
    ("labels", "fields"), [("a=(", None), ("a,=b", None), (None, "spec.hostname=x"), (None, "metadata.name")]
)
def test_a_selector_nobody_understands_is_a_bad_request(labels: str | None, fields: str | None) -> None:
    """Never "everything matches"."""
    with pytest.raises(Problem) as problem:
        selectors.parse(PODS, labels, fields)
    assert problem.value.code == 400


def test_a_field_selector_looks_into_the_object() -> None:
    """A missing field is the empty string."""
    matches = selectors.parse(PODS, None, "spec.nodeName=,status.phase!=Failed")
    assert matches({"metadata": {}, "spec": {}, "status": {"phase": "Running"}})
    assert not matches({"metadata": {}, "spec": {"nodeName": "n"}})


@pytest.mark.parametrize(
    ("operator", "values", "labels", "matches"),
    [
        ("In", ["x"], {"k": "x"}, True),
        ("In", ["x"], {}, False),
        ("NotIn", ["x"], {}, True),
        ("Exists", [], {"k": ""}, True),
        ("DoesNotExist", [], {"k": ""}, False),
    ],
)
def test_manifest_selectors(operator: str, values: list[str], labels: dict[str, str], matches: bool) -> None:
    """matchExpressions; an empty selector takes everything."""
    selector = {"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}
    assert selectors.matches_label_selector(selector, labels) is matches
    assert selectors.matches_label_selector({}, labels)
    assert selectors.matches_label_selector({"matchLabels": {"k": "x"}}, labels) is (labels.get("k") == "x")


def test_a_strategic_merge_knows_conditions_by_their_type() -> None:
    """Each writer of a status has its own; other lists are replaced whole."""
    held = {
        "conditions": [{"type": "Ready", "status": "True", "since": "t"}, {"type": "x", "status": "True"}],
        "l": [1],
    }
    patch = {"conditions": [{"type": "y", "status": "True"}, {"type": "Ready", "status": "False"}], "l": [2]}
    assert patches.apply(held, patch, patches.STRATEGIC) == {
        "conditions": [
            {"type": "Ready", "status": "False", "since": "t"},
            {"type": "x", "status": "True"},
            {"type": "y", "status": "True"},
        ],
        "l": [2],
    }
    assert patches.apply(held, patch, patches.MERGE) == patch
    with pytest.raises(Problem):
        patches.apply(held, {"conditions": [{"status": "True"}]}, patches.STRATEGIC)


@pytest.mark.parametrize(
    ("patch", "kind", "result"),
    [
        ({"data": {"a": None, "c": "3"}}, patches.MERGE, {"data": {"b": "2", "c": "3"}}),
        ({"list": [1]}, patches.STRATEGIC, {"data": {"a": "1", "b": "2"}, "list": [1]}),
        ([{"op": "replace", "path": "/data/a", "value": "9"}], patches.JSON_PATCH, {"data": {"a": "9", "b": "2"}}),
    ],
)
def test_patches(patch: Any, kind: str, result: dict[str, Any]) -> None:
    """On a copy: the original stays."""
    original = {"data": {"a": "1", "b": "2"}}
    assert patches.apply(original, patch, f"{kind}; charset=utf-8") == result
    assert original == {"data": {"a": "1", "b": "2"}}


@pytest.mark.parametrize(
    ("patch", "kind", "code"),
    [
        ([{"op": "test", "path": "/a", "value": 1}], patches.JSON_PATCH, 422),
        ([{"op": "remove", "path": "/no/where"}], patches.JSON_PATCH, 422),
        ({"op": "remove"}, patches.JSON_PATCH, 400),
        ([], patches.MERGE, 400),
        ({}, "application/x-unknown", 415),
    ],
)
def test_a_patch_that_cannot_be_applied_is_refused(patch: Any, kind: str, code: int) -> None:
    with pytest.raises(Problem) as problem:
        patches.apply({"a": 2}, patch, kind)
    assert problem.value.code == code


def test_every_resource_s_paths_lead_back_to_it() -> None:
    """Object, collection, all namespaces, and the status subresource."""
    for resource in RESOURCES:
        namespace = "ns" if resource.namespaced else None
        for name, subresource in (("", ""), ("x", ""), ("x", "status")):
            assert parse_path(path(resource, namespace, name, subresource)) == Target(
                resource, namespace, name, subresource
            )
        assert parse_path(path(resource)) == Target(resource)


@pytest.mark.parametrize(
    "wrong",
    ["/", "/api", "/api/v1", "/api/v2/pods", "/apis/apps/v1/pods", "/api/v1/pods/x", "/api/v1/bindings", "/x/v1/pods"],
)
def test_a_path_where_nothing_lives(wrong: str) -> None:
    """404 for the caller."""
    assert parse_path(wrong) is None


@pytest.mark.parametrize(
    ("plural", "body", "code"),
    [
        ("configmaps", {"metadata": {}}, 422),
        ("configmaps", {"metadata": {"name": "Not_a_name"}}, 422),
        ("configmaps", {"metadata": {"name": "x"}, "data": {"epoch": 1}}, 400),
        ("configmaps", {"metadata": {"name": "x"}, "kind": "Secret"}, 400),
        ("configmaps", {"metadata": {"name": "x", "namespace": "other"}}, 400),
        ("configmaps", {"metadata": {"name": "x", "labels": {"a": True}}}, 400),
        ("pods", {"metadata": {"name": "x"}, "spec": {}}, 422),
    ],
)
def test_what_the_real_server_would_refuse_is_refused(plural: str, body: dict[str, Any], code: int) -> None:
    """The mistakes our own programs could make."""
    with pytest.raises(Problem) as problem:
        checks.check(BY_PLURAL[plural], body, "ns")
    assert problem.value.code == code


def test_defaults_that_programs_rely_on() -> None:
    """A pod's grace and restart policy, a namespace's own label, a secret's encoded data."""
    pod = defaults.fill(
        PODS, {"metadata": {}, "spec": {"containers": [], "restartPolicy": "Never"}, "status": {"phase": "x"}}
    )
    assert pod["spec"]["terminationGracePeriodSeconds"] == 30
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["status"]["phase"] == "Pending"
    namespace = defaults.fill(BY_PLURAL["namespaces"], {"metadata": {"name": "x", "labels": {"a": "b"}}})
    assert namespace["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "x"}
    secret = defaults.fill(BY_PLURAL["secrets"], {"metadata": {}, "stringData": {"k": "v"}})
    assert secret["data"] == {"k": "dg=="}
    assert "stringData" not in secret


def test_tokens_expire_and_are_not_guessed() -> None:
    """Also a token of the wrong scheme is none."""
    tokens = Tokens("root")
    tokens.issue("t", service_account("ns", "a", "u"), expires_at=100.0)
    assert tokens.check("Bearer root", 1e12) == ADMIN
    user = tokens.check("bearer t", 99.0)
    assert user is not None
    assert user.name == "system:serviceaccount:ns:a"
    for header, now in (("Bearer t", 100.0), ("Bearer x", 0.0), ("Basic root", 0.0)):
        assert tokens.check(header, now) is None
    assert tokens.check(None, 0.0) == tokens.check("", 0.0) == ANONYMOUS


def test_discovery_lists_every_resource() -> None:
    """What kubectl reads first."""
    found = set()
    for group in ["/api/v1", *(f"/apis/{r.api_version}" for r in RESOURCES if r.group)]:
        document = discovery.document(group)
        assert document is not None
        found |= {item["name"] for item in document["resources"]}
    assert found == set(BY_PLURAL)
    groups = discovery.document("/apis")
    assert groups is not None
    assert {item["name"] for item in groups["groups"]} == {r.group for r in RESOURCES if r.group}
    assert discovery.document("/apis/none") is None
