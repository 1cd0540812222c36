"""The admission core: total over any JSON, idempotent, and never a denial."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract import env, names
from webhook.core import decide, patch, review
from webhook.core.container import container
from webhook.core.model import WARNING_MAX, Inject, Namespace, Reason, Release, Skip, warning

RELEASE = Release("memgraph-ha", "database", "memgraph-ha", True, "sidecar:1")
SECOND = Release("second", "database2", "second", False, "sidecar:1")
ENABLED = Namespace("apps", {names.INJECT_LABEL: names.INJECT_ENABLED})

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
containers = st.fixed_dictionaries(
    {"name": st.sampled_from(["app", "other", names.SIDECAR_CONTAINER])},
    optional={"ports": anything | st.lists(st.fixed_dictionaries({"containerPort": st.sampled_from([80, 7687])}))},
)
labels = st.dictionaries(
    st.sampled_from([names.INJECT_LABEL, names.CLUSTER_LABEL, names.COMPONENT_LABEL, "app"]),
    st.sampled_from(["enabled", "disabled", "yes", "", "memgraph-ha", "second"]),
)
annotation_maps = st.dictionaries(st.sampled_from(["a/b", "~", names.STATUS_ANNOTATION]), scalars)
volumes = st.lists(st.fixed_dictionaries({"name": st.sampled_from(["a", "b", names.TOKEN_VOLUME])}), max_size=2)
reviews = st.fixed_dictionaries({"uid": scalars, "namespace": scalars, "kind": anything, "object": anything})
pods = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {},
            optional={
                "labels": st.none() | labels,
                "annotations": st.none() | annotation_maps,
                "name": st.text(max_size=5),
            },
        ),
        "spec": st.fixed_dictionaries(
            {"containers": st.lists(containers, min_size=1, max_size=3)},
            optional={
                "initContainers": st.none() | st.lists(containers, max_size=3),
                "volumes": st.none() | volumes,
                "hostNetwork": st.booleans(),
                "securityContext": anything,
                "os": anything,
            },
        ),
    }
)  # fmt: skip
namespaces = st.builds(
    Namespace, st.sampled_from(["apps", "kube-system"]), st.none() | labels | st.dictionaries(st.text(), anything)
)


def request(pod: Any) -> review.Request:
    return review.Request("uid-1", "apps", True, False, pod)


@given(anything | pods, namespaces, st.sampled_from([RELEASE, SECOND]))
def test_any_json_gets_a_reasoned_answer_and_never_an_internal_error(
    pod: Any, namespace: Namespace, release: Release
) -> None:
    before = copy.deepcopy(pod)
    verdict = review.judge(request(pod), namespace, release)
    assert verdict.reason is not Reason.INTERNAL_ERROR
    assert (verdict.decision == "inject") == bool(verdict.patch)
    assert all(len(text) <= WARNING_MAX for text in verdict.warnings)
    assert pod == before


@given(pods, namespaces)
def test_the_patch_applies_and_changes_nothing_but_what_is_ours(pod: Any, namespace: Namespace) -> None:
    operations = review.judge(request(pod), namespace, RELEASE).patch
    patched = jsonpatch.apply_patch(pod, operations)
    if not operations:
        assert patched == pod
        return
    assert patched == patch.apply(pod, list(operations))
    assert patched["spec"]["initContainers"].pop(0) == container(pod, RELEASE)
    assert patched["spec"]["volumes"].pop()["name"] == names.TOKEN_VOLUME
    del patched["metadata"]["annotations"][names.STATUS_ANNOTATION]
    assert patched["spec"].pop("initContainers") == (pod["spec"].pop("initContainers", None) or [])
    assert patched["spec"].pop("volumes") == (pod["spec"].pop("volumes", None) or [])
    annotations = pod["metadata"].pop("annotations", None) or {}
    annotations.pop(names.STATUS_ANNOTATION, None)
    assert patched["metadata"].pop("annotations") == annotations
    assert patched == pod


@given(pods, namespaces)
def test_the_same_pod_a_second_time_gets_no_patch(pod: Any, namespace: Namespace) -> None:
    """O-S22."""
    first = review.judge(request(pod), namespace, RELEASE)
    patched = jsonpatch.apply_patch(pod, first.patch)
    assert review.judge(request(patched), namespace, RELEASE).patch == ()


@given(pods, namespaces)
def test_at_most_one_of_two_releases_injects(pod: Any, namespace: Namespace) -> None:
    """O-L15, O-S34."""
    decisions = [decide.decide(pod, namespace, release) for release in (RELEASE, SECOND)]
    assert sum(isinstance(decision, Inject) for decision in decisions) <= 1


@given(anything | reviews)
def test_any_request_is_read_or_malformed(asked: Any) -> None:
    readable = isinstance(asked, dict) and all(isinstance(asked.get(key, ""), str) for key in ("uid", "namespace"))
    body = json.dumps({"apiVersion": review.API_VERSION, "kind": review.KIND, "request": asked}).encode()
    if readable and asked.get("uid"):
        parsed = review.parse(body)
        assert (parsed.uid, parsed.pod) == (asked["uid"], asked.get("object"))
        assert isinstance(parsed.pod_name, str)
    else:
        with pytest.raises(review.MalformedReview):
            review.parse(body)


@given(anything)
def test_a_body_that_is_no_review_is_malformed(body: Any) -> None:
    with pytest.raises(review.MalformedReview):
        review.parse(json.dumps(body).encode())


@given(st.binary())
def test_any_bytes_are_a_request_or_malformed(body: bytes) -> None:
    with pytest.raises(review.MalformedReview):
        review.parse(body)


def test_a_body_nested_too_deeply_is_malformed() -> None:
    with pytest.raises(review.MalformedReview):
        review.parse(b"[" * 1_000_000)


@pytest.mark.parametrize(
    "change",
    [
        {"operation": "UPDATE"},
        {"subResource": "status"},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
        {"kind": None},
    ],
)
def test_only_new_pods_are_judged(change: dict[str, Any]) -> None:
    body = {"uid": "u", "operation": "CREATE", "kind": {"group": "", "version": "v1", "kind": "Pod"}} | change
    parsed = review.parse(json.dumps({"apiVersion": review.API_VERSION, "kind": review.KIND, "request": body}).encode())
    assert review.judge(parsed, ENABLED, RELEASE).reason is Reason.NOT_A_NEW_POD


def test_an_internal_error_admits_the_pod_with_a_warning() -> None:
    class Broken(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise RuntimeError("a bug")

    verdict = review.judge(request(Broken()), ENABLED, RELEASE)
    answer = review.respond("u", verdict)["response"]
    assert (verdict.decision, verdict.reason) == ("error", Reason.INTERNAL_ERROR)
    assert answer["allowed"] is True
    assert "patch" not in answer
    assert "RuntimeError" in answer["warnings"][0]


def test_the_answer_carries_the_patch_as_base64_and_repeats_the_uid() -> None:
    pod = {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}
    verdict = review.judge(request(pod), ENABLED, RELEASE)
    answer = review.respond("uid-1", verdict)
    assert (answer["apiVersion"], answer["kind"]) == (review.API_VERSION, review.KIND)
    assert answer["response"]["uid"] == "uid-1"
    assert answer["response"]["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(answer["response"]["patch"])) == list(verdict.patch)
    assert answer["response"]["auditAnnotations"] == {"decision": "inject", "reason": "Injected"}


def test_without_a_patch_there_is_no_patch_type() -> None:
    answer = review.respond("u", review.Verdict("skip", Reason.NOT_ENABLED))["response"]
    assert not {"patch", "patchType", "warnings"} & answer.keys()


def test_the_sidecar_understands_the_environment_it_is_given() -> None:
    given_env = {variable["name"]: variable["value"] for variable in container({"spec": {}}, RELEASE)["env"]}
    service_links = dict.fromkeys((env.PORT, env.READ_PORT, env.ADMIN_PORT), "tcp://10.0.0.9:7687")
    parsed = env.parse(service_links | given_env | {env.API_HOST: "10.0.0.1"})
    assert (parsed.namespace, parsed.config_map) == ("database", "memgraph-ha-state")
    assert (parsed.port, parsed.read_port, parsed.admin_port) == (7687, 7688, 17687)


def test_a_trial_that_fails_is_a_bad_patch() -> None:
    for operations in (
        [{"op": "add", "path": "/spec/nowhere/0", "value": 1}],
        [{"op": "add", "path": "/spec/containers/9", "value": 1}],
        [{"op": "add", "path": "/spec/containers/x", "value": 1}],
    ):
        with pytest.raises(patch.BadPatch):
            patch.apply({"spec": {"containers": []}}, operations)


def test_pods_that_name_no_cluster_are_the_default_release_s() -> None:
    pod: Any = {"metadata": {}, "spec": {"containers": []}}
    assert isinstance(decide.decide(pod, ENABLED, RELEASE), Inject)
    skipped = decide.decide(pod, ENABLED, SECOND)
    assert isinstance(skipped, Skip)
    assert skipped.reason is Reason.OTHER_CLUSTER


def test_a_long_warning_is_cut() -> None:
    assert len(warning("x" * 500)) == WARNING_MAX
    assert warning("short") == "memgraph-ha: short"
