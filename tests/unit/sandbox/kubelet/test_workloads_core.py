"""What StatefulSets and Deployments ask for."""

from __future__ import annotations

from typing import Any

from sandbox.kubelet.core.workloads import Action, Create, Remove, Report, deployment, orphans, statefulset


def workload(kind: str, replicas: int, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}
    metadata = {"name": "w", "namespace": "ns", "uid": "owner", "generation": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": {"replicas": replicas, "template": template, **spec},
    }


REVISION = "controller-revision-hash"


def revision(item: dict[str, Any]) -> str:
    """Which one a new pod of this workload has."""
    pods = (a.manifest for a in statefulset(item, [], []) if isinstance(a, Create) and a.plural == "pods")
    label: str = next(pods)["metadata"]["labels"][REVISION]
    return label


def existing(
    name: str, *, ready: bool = True, ending: bool = False, owner: str = "owner", phase: str = "Running",
    at: str = "",
) -> dict[str, Any]:  # fmt: skip
    """A pod; `at` is its revision, if it is not the current one."""
    labels = {REVISION: at or revision(workload("StatefulSet", 1))}
    metadata: dict[str, Any] = {
        "name": name, "namespace": "ns", "uid": f"uid-{name}", "creationTimestamp": name, "labels": labels,
        "ownerReferences": [{"kind": "StatefulSet", "uid": owner, "controller": True}],
    }  # fmt: skip
    if ending:
        metadata["deletionTimestamp"] = "now"
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": metadata, "status": {"phase": phase, "conditions": conditions}}


def created(actions: list[Action]) -> list[tuple[str, str]]:
    return [
        (action.plural, action.manifest["metadata"].get("name") or action.manifest["metadata"]["generateName"])
        for action in actions
        if isinstance(action, Create)
    ]


def removed(actions: list[Action]) -> list[str]:
    return [action.name for action in actions if isinstance(action, Remove)]


def test_a_statefulset_starts_all_ordinals_with_a_claim_each() -> None:
    """Parallel; names, labels, owner and volume are the ordinal's own."""
    actions = statefulset(workload("StatefulSet", 2, volumeClaimTemplates=[{"metadata": {"name": "data"}}]), [], [])
    assert created(actions) == [
        ("persistentvolumeclaims", "data-w-0"),
        ("pods", "w-0"),
        ("persistentvolumeclaims", "data-w-1"),
        ("pods", "w-1"),
    ]
    pod = next(a.manifest for a in actions if isinstance(a, Create) and a.plural == "pods")
    labels = pod["metadata"]["labels"]
    assert labels.pop(REVISION).startswith("w-")
    assert labels == {"a": "b", "statefulset.kubernetes.io/pod-name": "w-0", "apps.kubernetes.io/pod-index": "0"}
    assert pod["metadata"]["ownerReferences"][0]["uid"] == "owner"
    assert pod["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-w-0"}}]


def test_a_lost_pod_comes_back_on_its_old_claim() -> None:
    """But not while its predecessor still has the name."""
    claims = [{"metadata": {"name": f"data-w-{n}", "namespace": "ns"}} for n in range(2)]
    wanted = workload("StatefulSet", 2, volumeClaimTemplates=[{"metadata": {"name": "data"}}])
    assert created(statefulset(wanted, [existing("w-1")], claims)) == [("pods", "w-0")]
    assert created(statefulset(wanted, [existing("w-0", ending=True), existing("w-1")], claims)) == []


def test_a_statefulset_that_shrinks_removes_the_highest_ordinals() -> None:
    """Claims stay; a pod that is being deleted isn't deleted again."""
    pods = [existing("w-0"), existing("w-1"), existing("w-2", ending=True)]
    assert removed(statefulset(workload("StatefulSet", 1), pods, [])) == ["w-1"]


def test_a_roll_out_goes_from_the_highest_ordinal_down_and_waits_for_ready() -> None:
    """As the real one: an outdated pod goes whether or not it is ready, and nothing below an unready one goes."""
    item = workload("StatefulSet", 3)
    old = "w-before"
    pods = [existing("w-0", at=old), existing("w-1", at=old), existing("w-2", at=old, ready=False)]
    assert removed(statefulset(item, pods, [])) == ["w-2"]
    for above in ([existing("w-2", ending=True)], [existing("w-2", ready=False)], []):
        assert removed(statefulset(item, [*pods[:2], *above], [])) == []
    back = [*pods[:2], existing("w-2")]
    assert removed(statefulset(item, back, [])) == ["w-1"]
    report = next(a for a in statefulset(item, back, []) if isinstance(a, Report))
    assert (report.status["updatedReplicas"], report.status["readyReplicas"]) == (1, 3)


def test_another_template_is_another_revision() -> None:
    changed = workload("StatefulSet", 1)
    changed["spec"]["template"]["spec"]["containers"] = [{"name": "d"}]
    assert revision(changed) != revision(workload("StatefulSet", 1)) == revision(workload("StatefulSet", 3))


def test_a_deployment_keeps_its_number() -> None:
    """A pod that is being deleted or has failed doesn't count."""
    pods = [
        existing("w-a"),
        existing("w-b", ending=True),
        existing("w-c", phase="Failed"),
        existing("x", owner="other"),
    ]
    assert created(deployment(workload("Deployment", 2), pods)) == [("pods", "w-")]


def test_a_deployment_that_shrinks_removes_what_is_not_ready_first() -> None:
    """Then the oldest."""
    pods = [existing("w-a"), existing("w-b", ready=False), existing("w-c")]
    assert removed(deployment(workload("Deployment", 1), pods)) == ["w-b", "w-a"]


def test_a_status_is_reported_only_when_it_changes() -> None:
    """Else each report would wake the next look."""
    item = workload("Deployment", 1)
    first = [action for action in deployment(item, [existing("w-a")]) if isinstance(action, Report)]
    assert first[0].status["readyReplicas"] == 1
    assert deployment(item | {"status": first[0].status}, [existing("w-a")]) == []


def test_pods_of_a_workload_that_is_gone_are_removed() -> None:
    """Pods without an owner are nobody's business."""
    alone = {"metadata": {"name": "alone", "namespace": "ns", "uid": "u"}}
    pods = [existing("w-0"), existing("x-0", owner="gone"), existing("x-1", owner="gone", ending=True), alone]
    assert removed(orphans([workload("StatefulSet", 1)], pods)) == ["x-0"]
