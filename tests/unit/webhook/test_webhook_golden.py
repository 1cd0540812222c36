"""Pods in, answers out, as files: tests/golden/webhook/<case>.json holds the pod, its namespace and the answer.

`MEMGRAPH_HA_GOLDEN=write pytest tests/unit/webhook/test_webhook_golden.py` writes the answers anew: read the diff.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonpatch
import kubernetes_validate
import pytest

from webhook.core import patch, review
from webhook.core.model import Namespace, Release

FOLDER = Path(__file__).parents[2] / "golden" / "webhook"
RELEASE = Release("memgraph-ha", "memgraph-ha", "memgraph-ha", True, "memgraph-ha-sidecar:0.1.0")
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))
WRITE = os.environ.get("MEMGRAPH_HA_GOLDEN") == "write"
CASES_LEAST = 25
"""So that a lost folder is no success."""


def answer(case: dict[str, Any], pod: Any) -> review.Verdict:
    namespace = Namespace("apps", case["namespaceLabels"])
    return review.judge(review.Request("uid", namespace.name, True, False, pod), namespace, RELEASE)


def load(name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return case


def test_the_cases_are_there() -> None:
    assert len(CASES) >= CASES_LEAST


@pytest.mark.parametrize("name", CASES)
def test_a_pod_gets_the_answer_in_its_file(name: str) -> None:
    """Decision, reason, warnings and patch are exactly those that were reviewed once.

    O-S10, O-S12, O-S13, O-S18, O-S20, O-S22, O-S34.
    """
    case = load(name)
    verdict = answer(case, case["pod"])
    expected = {
        "decision": verdict.decision,
        "reason": verdict.reason.value,
        "warnings": list(verdict.warnings),
        "patch": list(verdict.patch),
    }
    if WRITE:
        (FOLDER / f"{name}.json").write_text(json.dumps({**case, "answer": expected}, indent=2) + "\n")
    assert load(name)["answer"] == expected


@pytest.mark.parametrize("name", CASES)
def test_a_patched_pod_is_valid_and_is_left_alone_the_second_time(name: str) -> None:
    """jsonpatch and our own trial agree, Kubernetes' schema accepts the pod, and a second round changes nothing."""
    case = load(name)
    operations = case["answer"]["patch"]
    patched = jsonpatch.apply_patch(case["pod"], operations)
    assert patched == patch.apply(case["pod"], operations)
    if case["answer"]["decision"] == "inject":
        kubernetes_validate.validate(patched, kubernetes_validate.latest_version(), strict=True)
        again = answer(case, patched)
        assert (again.reason.value, again.patch) == ("AlreadyInjected", ())
    else:
        assert operations == []


@pytest.mark.parametrize("name", CASES)
def test_the_pod_of_a_case_is_itself_valid(name: str) -> None:
    """A golden pod that Kubernetes would refuse proves nothing."""
    case = load(name)
    if case["answer"]["reason"] != "MalformedPod":
        kubernetes_validate.validate(case["pod"], kubernetes_validate.latest_version(), strict=True)
