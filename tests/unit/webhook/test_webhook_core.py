"""The admission core: total over any JSON, idempotent, and a denial only where the release is strict."""

from __future__ import annotations

import base64
import json
from typing import Any

import admission_referee as referee
import pytest
from admissionfuzz import batch
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract import env, names
from webhook.core import review, trial, variables
from webhook.core.container import volume
from webhook.core.inject import inject
from webhook.core.model import WARNING_MAX, Decision, Namespace, Reason, Release, warning
from webhook.core.options import SETTINGS

RELEASE = Release("memgraph-ha", "database", "memgraph-ha", True, "sidecar:1")
SECOND = Release("second", "database2", "second", False, "sidecar:1")
STRICT = Release("memgraph-ha", "database", "memgraph-ha", True, "sidecar:1", strict=True)
HOST_NETWORK: Any = {"metadata": {}, "spec": {"containers": [{"name": "app"}], "hostNetwork": True}}
ENABLED = Namespace("apps", {names.INJECT_LABEL: names.INJECT_ENABLED})

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
containers = st.fixed_dictionaries(
    {"name": st.sampled_from(["app", "other", names.SIDECAR_CONTAINER])},
    optional={
        "env": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["MEMGRAPH_URI", "X"])}), max_size=2) | anything,
        "envFrom": anything,
        "resources": anything,
        "securityContext": anything,
        "ports": anything | st.lists(st.fixed_dictionaries({"containerPort": st.sampled_from([80, 7687])})),
    },
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
def test_every_invariant_holds_for_any_json(pod: Any, namespace: Namespace, release: Release) -> None:
    """O-S22."""
    referee.check(pod, namespace, release)


@given(pods, namespaces)
def test_at_most_one_of_two_releases_injects(pod: Any, namespace: Namespace) -> None:
    """O-L15, O-S34."""
    decisions = [inject(pod, namespace, release) for release in (RELEASE, SECOND)]
    assert sum(decision.reason is Reason.INJECTED for decision in decisions) <= 1


@pytest.mark.parametrize("seed", range(8))
def test_fuzzed_reviews(seed: int) -> None:
    """20,000 in all; `make fuzz-admission` tries a million."""
    result = batch.run(seed, 2_500)
    assert result.found == []
    assert result.reasons["Injected"] > 400, "most of the noise must not be refused at the door"


def test_the_fuzzer_finds_a_planted_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sidecar always first, before what sets up the pod's network."""
    monkeypatch.setattr("webhook.core.position.index", lambda *_: 0)
    (found,) = batch.run(1, 2_500).found
    assert found.startswith("seed 1, review ")


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


class Broken(dict[str, Any]):
    """A pod that no core can read: the bug itself is ours."""

    def get(self, *_: Any) -> Any:
        raise RuntimeError("a bug")


def test_an_internal_error_admits_the_pod_with_a_warning() -> None:
    decision = review.judge(request(Broken()), ENABLED, RELEASE)
    answer = review.respond("u", decision)["response"]
    assert (decision.decision, decision.reason) == ("error", Reason.INTERNAL_ERROR)
    assert answer["allowed"] is True
    assert "patch" not in answer
    assert "RuntimeError" in answer["warnings"][0]


@pytest.mark.parametrize(
    ("pod", "reason"),
    [(Broken(), Reason.INTERNAL_ERROR), (HOST_NETWORK, Reason.HOST_NETWORK)],
)
def test_strict_denies_what_asked_for_the_sidecar_and_can_not_have_it(pod: Any, reason: Reason) -> None:
    decision = inject(pod, ENABLED, STRICT)
    answer = review.respond("u", decision)["response"]
    assert (answer["allowed"], decision.reason) == (False, reason)
    assert answer["status"]["code"] == 403
    assert answer["status"]["message"].startswith(f"{reason}: ")
    assert "memgraph-ha.io/inject=disabled" in answer["status"]["message"]


@pytest.mark.parametrize("labels", [{}, {names.INJECT_LABEL: "disabled"}, {names.COMPONENT_LABEL: "memgraph"}])
def test_strict_denies_nobody_who_did_not_ask(labels: dict[str, str]) -> None:
    pod = {**HOST_NETWORK, "metadata": {"labels": labels}}
    assert not inject(pod, Namespace("apps", {}), STRICT).denied


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
    answer = review.respond("u", Decision(Reason.NOT_ENABLED))["response"]
    assert not {"patch", "patchType", "warnings"} & answer.keys()


def test_the_sidecar_understands_the_environment_it_is_given() -> None:
    pod: Any = {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}
    _, patched = referee.check(pod, ENABLED, RELEASE)
    given_env = {variable["name"]: variable["value"] for variable in patched["spec"]["initContainers"][0]["env"]}
    service_links = dict.fromkeys((env.PORT, env.READ_PORT, env.ADMIN_PORT), "tcp://10.0.0.9:7687")
    parsed = env.parse(service_links | given_env | {env.API_HOST: "10.0.0.1"})
    assert (parsed.namespace, parsed.config_map) == ("database", "memgraph-ha-state")
    assert (parsed.port, parsed.read_port, parsed.admin_port) == (7687, 7688, 17687)


def test_every_setting_of_the_sidecar_has_an_annotation() -> None:
    """Or a reason why not: those that say where it finds things are the webhook's own."""
    ours = {env.NAMESPACE, env.CONFIG_MAP, env.TOKEN_DIR, env.LISTEN, env.ADMIN_ADDRESS}
    known = {value for value in vars(env).values() if isinstance(value, str) and value.startswith("MEMGRAPH_HA_")}
    assert set(SETTINGS.values()) == known - ours


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/spec/nowhere/0", "value": 1},
        {"op": "add", "path": "/spec/containers/9", "value": 1},
        {"op": "add", "path": "/spec/containers/x", "value": 1},
        {"op": "move", "from": "/spec/containers/0", "path": "/spec/containers/0"},
    ],
)
def test_an_operation_that_can_not_be_applied_is_a_bad_patch(operation: Any) -> None:
    with pytest.raises(trial.BadPatch):
        trial.apply({"spec": {"containers": []}}, [operation])


@pytest.mark.parametrize(
    "extra",
    [
        {"op": "add", "path": "/spec/hostNetwork", "value": True},
        {"op": "add", "path": "/spec/containers/0/image", "value": "other"},
        {"op": "add", "path": "/metadata/annotations/other", "value": "x"},
        {"op": "add", "path": "/spec/initContainers/1", "value": {"name": names.SIDECAR_CONTAINER}},
        {"op": "move", "from": "/spec/initContainers/0", "path": "/spec/initContainers/1"},
    ],
)
def test_a_patch_that_does_more_than_it_should_fails_its_trial(extra: Any) -> None:
    """A planted bug: each of these would be accepted by the API server."""
    pod: Any = {"metadata": {}, "spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "migrate"}]}}
    operations = inject(pod, ENABLED, RELEASE).patch
    values = variables.wanted(7687, ())
    trial.check(pod, operations, values, (), 0)
    with pytest.raises(trial.BadPatch):
        trial.check(pod, [*operations, extra], values, (), 0)


def test_the_volume_is_the_one_the_contract_names() -> None:
    assert volume()["name"] == names.TOKEN_VOLUME


def test_pods_that_name_no_cluster_are_the_default_release_s() -> None:
    pod: Any = {"metadata": {}, "spec": {"containers": []}}
    assert inject(pod, ENABLED, RELEASE).reason is Reason.INJECTED
    assert inject(pod, ENABLED, SECOND).reason is Reason.OTHER_CLUSTER


def test_a_long_warning_is_cut() -> None:
    assert len(warning("x" * 500)) == WARNING_MAX
    assert warning("short") == "memgraph-ha: short"
