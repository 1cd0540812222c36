"""Pods in, answers out, as files: tests/golden/webhook/<case>.json holds the pod, its namespace and the answer.

Optional in a file: `namespaceAnnotations`, `limitRanges` (a list of the `spec.limits` of each), `oldNodes`,
`pullSecrets`, `strict`.

`MEMGRAPH_HA_GOLDEN=write pytest tests/unit/webhook/test_webhook_golden.py` writes the answers anew: read the diff.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import admission_referee as referee
import kubernetes_validate
import pytest
from admission_noise import Noise

from webhook.core.inject import inject
from webhook.core.model import Namespace, OldNode, Release

FOLDER = Path(__file__).parents[2] / "golden" / "webhook"
RELEASE = Release("memgraph-ha", "memgraph-ha", "memgraph-ha", True, "memgraph-ha-sidecar:0.1.0")
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))
WRITE = os.environ.get("MEMGRAPH_HA_GOLDEN") == "write"
CASES_LEAST = 85
"""So that a lost folder is no success."""


def place(case: dict[str, Any]) -> Namespace:
    """What the case says of where the pod is created."""
    ranges = tuple({"spec": {"limits": items}} for items in case.get("limitRanges", ()))
    nodes = tuple(OldNode(one["name"], one["version"], one.get("labels", {})) for one in case.get("oldNodes", ()))
    return Namespace("apps", case["namespaceLabels"], case.get("namespaceAnnotations", {}), ranges, nodes)


def release(case: dict[str, Any]) -> Release:
    """The release, with what the case changes of it."""
    return replace(RELEASE, strict=case.get("strict", False), pull_secrets=tuple(case.get("pullSecrets", ())))


def load(name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return case


def test_the_cases_are_there() -> None:
    assert len(CASES) >= CASES_LEAST


@pytest.mark.parametrize("name", CASES)
def test_a_pod_gets_the_answer_in_its_file(name: str) -> None:
    """Decision, reason, warnings and patch are exactly those that were reviewed once.

    O-S10, O-S12, O-S13, O-S18, O-S20, O-S22, O-S23, O-S34.
    """
    case = load(name)
    decision = inject(case["pod"], place(case), release(case))
    expected: dict[str, Any] = {
        "decision": decision.decision,
        "reason": decision.reason.value,
        "warnings": list(decision.warnings),
        "patch": list(decision.patch),
    }
    if decision.denied:
        expected["denied"] = True
    if WRITE:
        (FOLDER / f"{name}.json").write_text(json.dumps({**case, "answer": expected}, indent=2) + "\n")
    assert load(name)["answer"] == expected


@pytest.mark.parametrize("name", CASES)
def test_a_patched_pod_is_valid_and_is_left_alone_the_second_time(name: str) -> None:
    """Kubernetes' schema accepts the pod, strictly, and every invariant of a review holds."""
    case = load(name)
    decision, patched = referee.check(case["pod"], place(case), release(case))
    assert list(decision.patch) == case["answer"]["patch"]
    if decision.patch:
        kubernetes_validate.validate(patched, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", CASES)
def test_the_pod_of_a_case_is_itself_valid(name: str) -> None:
    """A golden pod that Kubernetes would refuse proves nothing."""
    case = load(name)
    if case["answer"]["reason"] != "MalformedPod":
        kubernetes_validate.validate(case["pod"], kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", CASES)
def test_whichever_injector_comes_first_the_containers_are_the_same(name: str, seed: int) -> None:
    """Against injectors that put a container first or last, meshes' names included (O-S22)."""
    case = load(name)
    if case["answer"]["reason"] == "Injected":
        referee.check_order(case["pod"], place(case), release(case), Noise(seed).other_injector())
