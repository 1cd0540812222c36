"""Manifests through the command: which template of which kind, and what passes untouched."""

from __future__ import annotations

from typing import Any

import pytest
from fleet_pods import OURS

from memgraph_ha.core.manifests import NotAManifest, inject
from sidecar.contract import names

POD: Any = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "app", "image": "app"}]}}


def workload(kind: str, template: Any = POD, **metadata: Any) -> Any:
    spec = {"template": template}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "web", **metadata}, "spec": spec}


def injected_in(found: Any) -> bool:
    """Whether some pod in there has the sidecar first."""
    if isinstance(found, dict):
        first = (found.get("initContainers") or [{}])[0]
        return first.get("name") == names.SIDECAR_CONTAINER or any(injected_in(v) for v in found.values())
    return isinstance(found, list) and any(injected_in(v) for v in found)


KINDS = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"]
LABELLED: Any = {"metadata": {"labels": {names.INJECT_LABEL: "disabled"}}, "spec": POD["spec"]}
HOST: Any = {"metadata": {}, "spec": {**POD["spec"], "hostNetwork": True}}
ELSEWHERE: Any = {"metadata": {"labels": {names.CLUSTER_LABEL: "other"}}, "spec": POD["spec"]}

TABLE: dict[str, tuple[Any, bool, bool]] = {
    **{kind: (workload(kind), True, False) for kind in KINDS},
    "Pod": ({"apiVersion": "v1", "kind": "Pod", **POD}, True, False),
    "a template without metadata": (workload("Deployment", {"spec": POD["spec"]}), True, False),
    "a List": ({"kind": "List", "items": [workload("Job"), {"kind": "Service"}, "odd"]}, True, False),
    "opted out": (workload("Deployment", LABELLED), False, False),
    "cannot have it": (workload("Deployment", HOST), False, True),
    "another cluster's": (workload("Deployment", ELSEWHERE), False, True),
    "a system namespace": (workload("Deployment", namespace="kube-system"), False, True),
    "no pods": ({"kind": "ConfigMap", "metadata": "odd"}, False, False),
    "half a workload": ({"kind": "Deployment", "spec": {"template": "odd"}}, False, False),
    "a pod without containers": ({"kind": "Pod", "metadata": {}, "spec": {}}, False, True),
}


@pytest.mark.parametrize(("document", "wanted", "refused"), TABLE.values(), ids=TABLE)
def test_what_becomes_of_a_manifest(document: Any, wanted: bool, refused: bool) -> None:
    """What is not injected comes out as it went in; a second time changes nothing."""
    (out,), notes = inject([document], OURS, "apps")
    assert injected_in(out) is wanted
    assert any(note.injected for note in notes) is wanted
    assert any(note.refused for note in notes) is refused
    if not wanted and document.get("kind") != "Pod":
        assert out == document
    again, notes = inject([out], OURS, "apps")
    assert again == [out]
    assert not any(note.injected for note in notes)


def test_the_manifests_that_came_in_are_left_alone() -> None:
    document = workload("Deployment")
    inject([document], OURS, "apps")
    assert not injected_in(document)


@pytest.mark.parametrize("document", ["text", 7, [], {"metadata": {}}], ids=str)
def test_what_is_no_manifest_is_refused(document: Any) -> None:
    with pytest.raises(NotAManifest):
        inject([document], OURS, "apps")
    assert inject([None], OURS, "apps") == ([], [])
