"""What must be true of every answer, whatever the pod: used by the property tests, the fuzzed reviews and the golden
pods. It looks at pods with its own eyes, not with those of the code under test."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import jsonpatch

from sidecar.contract import names
from webhook.core import review, trial
from webhook.core.inject import inject
from webhook.core.model import WARNING_MAX, Decision, Namespace, Reason, Release
from webhook.core.position import NETWORK_SETUP

Json = Any


def check(pod: Json, namespace: Namespace, release: Release) -> tuple[Decision, Json]:
    """The decision and the patched pod, after every invariant of one review was asserted."""
    before = copy.deepcopy(pod)
    decision = inject(pod, namespace, release)
    assert pod == before, "the pod was changed in place"
    assert decision.reason is not Reason.INTERNAL_ERROR, decision.message
    assert bool(decision.patch) == (decision.decision == "inject")
    assert all(0 < len(text) <= WARNING_MAX for text in decision.warnings)
    assert not decision.denied or release.strict
    check_answer(decision)
    if not decision.patch:
        return decision, pod
    patched = jsonpatch.apply_patch(pod, decision.patch)
    assert patched == trial.apply(pod, decision.patch)
    check_patched(pod, patched)
    again = inject(patched, namespace, release)
    assert (again.reason, again.patch) == (Reason.ALREADY_INJECTED, ())
    return decision, patched


def check_answer(decision: Decision) -> None:
    """It is an AdmissionReview by the API server's rules."""
    answer = json.loads(json.dumps(review.respond("u", decision)))["response"]
    assert answer["uid"] == "u"
    assert answer["allowed"] is (not decision.denied)
    assert ("patch" in answer) == ("patchType" in answer) == bool(decision.patch)
    assert all(isinstance(value, str) for value in answer["auditAnnotations"].values())
    if "patch" in answer:
        assert json.loads(base64.b64decode(answer["patch"])) == list(decision.patch)


def check_patched(pod: Json, patched: Json) -> None:
    """One native sidecar, at its place; nothing of the pod is gone or overwritten."""
    init = patched["spec"]["initContainers"]
    place = [one.get("name") for one in init].index(names.SIDECAR_CONTAINER)
    assert init[place]["restartPolicy"] == "Always"
    assert all(
        one.get("name") != names.SIDECAR_CONTAINER for one in [*init[place + 1 :], *patched["spec"]["containers"]]
    )
    assert not any(isinstance(one.get("name"), str) and one["name"] in NETWORK_SETUP for one in init[place + 1 :])
    for key in ("initContainers", "containers"):
        old = [one for one in pod["spec"].get(key) or () if one.get("name") != names.SIDECAR_CONTAINER]
        new = [one for one in patched["spec"].get(key) or () if one.get("name") != names.SIDECAR_CONTAINER]
        assert len(old) == len(new)
        for was, now in zip(old, new, strict=True):
            check_container(was, now)
    for key in pod["spec"].keys() - {"initContainers", "containers", "volumes", "imagePullSecrets"}:
        assert patched["spec"][key] == pod["spec"][key]
    for key in ("volumes", "imagePullSecrets"):
        old, new = pod["spec"].get(key) or [], patched["spec"].get(key) or []
        assert new[: len(old)] == old, "what was there stays, in its order"
    assert [one.get("name") for one in patched["spec"]["volumes"]].count(names.TOKEN_VOLUME) == 1


def check_container(was: Json, now: Json) -> None:
    """Only variables were added, before its own, and none that it had."""
    assert {**was, "env": None} == {**now, "env": None}
    old, new = was.get("env") or [], now.get("env") or []
    assert new[len(new) - len(old) :] == old
    had = [one.get("name") for one in old]
    assert all(one["name"] not in had for one in new[: len(new) - len(old)])


def check_order(pod: Json, namespace: Namespace, release: Release, other: Callable[[Json], Json]) -> None:
    """Us first and asked again, or the other webhook first: the same containers in the same order."""
    ours_first = inject(pod, namespace, release)
    other_first = inject(other(pod), namespace, release)
    if Reason.INJECTED not in (ours_first.reason, other_first.reason) or ours_first.reason is not other_first.reason:
        return  # it took our port, or asked for more than the namespace allows
    between = other(trial.apply(pod, ours_first.patch))
    again = inject(between, namespace, release)
    assert again.reason in (Reason.ALREADY_INJECTED, Reason.COMPLETED)
    one, two = trial.apply(between, again.patch), trial.apply(other(pod), other_first.patch)
    assert roster(one) == roster(two)
    assert variables(one) == variables(two)


def roster(pod: Json) -> list[list[Json]]:
    """Names of all containers, in order."""
    return [[one.get("name") for one in pod["spec"].get(key) or []] for key in ("initContainers", "containers")]


def variables(pod: Json) -> list[Json]:
    """The variables of all containers, in order; the sidecar's own may follow what the other one brought."""
    listed = [one for key in ("initContainers", "containers") for one in pod["spec"].get(key) or []]
    return [one.get("env") or [] for one in listed if one.get("name") != names.SIDECAR_CONTAINER]
