"""What explain says, and each of the usual mistakes with the command that mends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fleet_pods import OURS, changed, injected, pod

from memgraph_ha.core.explain import explain
from sidecar.contract import names
from webhook.core.model import Namespace

ON = Namespace("apps", {names.INJECT_LABEL: "enabled"})
OFF = Namespace("apps", {})
OTHER = replace(OURS, name="other", cluster="other", default=False)
LABEL = {names.INJECT_LABEL: "enabled"}
NAMESPACE = "kubectl label namespace apps memgraph-ha.io/inject=enabled --overwrite"
_LABELS = '{"metadata":{"labels":{"memgraph-ha.io/inject":"enabled"}}}'
WEB = f"""kubectl -n apps patch deployment/web -p '{{"spec":{{"template":{_LABELS}}}}}'"""


def single(raw: Any) -> Any:
    return {**raw, "kind": "Pod"}


def deployment(labels: Any = None, on_itself: Any = None, annotations: Any = None) -> Any:
    template = {"metadata": {"labels": labels or {}, "annotations": annotations or {}}, "spec": pod()["spec"]}
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": on_itself or {}},
        "spec": {"template": template},
    }


def cron_job(on_itself: Any) -> Any:
    inner = deployment()["spec"]
    return {"kind": "CronJob", "metadata": {"name": "n", "labels": on_itself}, "spec": {"jobTemplate": {"spec": inner}}}


def waiting() -> Any:
    status = {"name": names.SIDECAR_CONTAINER, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back"}}}
    return changed(injected(), phase="Running", initContainerStatuses=[status])


TABLE: dict[str, tuple[Any, Namespace, bool, str, str]] = {
    "a pod that carries it": (single(injected()), ON, True, "carries the sidecar of release graph", ""),
    "a pod older than the label": (
        single(pod(owner=("DaemonSet", "d"))), ON, False, "lacks the sidecar of release graph",
        "kubectl -n apps rollout restart daemonset/d",
    ),
    "an old sidecar": (
        single(injected(image="example/sidecar:1")), ON, False, "but its sidecar runs example/sidecar:1",
        "memgraph-ha upgrade-sidecars -n apps",
    ),
    "a sidecar that does not run": (
        single(waiting()), ON, False, "the sidecar does not run: CrashLoopBackOff back",
        "kubectl -n apps logs web-1 -c memgraph-ha-sidecar",
    ),
    "a pod that nobody asked for": (
        single(pod()), OFF, False, "neither namespace apps nor the pod has the label memgraph-ha.io/inject", NAMESPACE,
    ),
    "a pod that can't": (
        single({**pod(), "spec": {**pod()["spec"], "hostNetwork": True}}), ON, False,
        "does not get the sidecar: hostNetwork pods share the node's localhost", "",
    ),
    "a workload that gets it": (deployment(LABEL), OFF, True, "its new pods get the sidecar of release graph", ""),
    "the label on the workload itself": (
        deployment(on_itself=LABEL), OFF, False, "is on deployment/web itself; it has to be on its pod template",
        WEB,
    ),
    "the label on a cron job itself": (
        cron_job(LABEL), OFF, False, "is on cronjob/n itself", '-p \'{"spec":{"jobTemplate":{"spec":{"template":',
    ),
    "an annotation": (
        deployment(annotations=LABEL), OFF, False, "is an annotation of the pod template; it has to be a label",
        WEB,
    ),
    "another word": (
        deployment({names.INJECT_LABEL: "true"}), OFF, False, "says 'true': it is enabled or disabled",
        WEB,
    ),
    "another word at the namespace": (
        single(pod()), Namespace("apps", {names.INJECT_LABEL: "yes"}), False,
        "has the label memgraph-ha.io/inject=yes", NAMESPACE,
    ),
    "another spelling": (
        single(pod()), Namespace("apps", {"memgraph-ha/inject": "enabled"}), False,
        "it is spelled memgraph-ha.io/inject", NAMESPACE,
    ),
    "opted out": (
        deployment({names.INJECT_LABEL: "disabled"}), ON, False,
        "memgraph-ha.io/inject=disabled keeps the sidecar away",
        WEB,
    ),
    "a cluster that is not there": (
        deployment({names.CLUSTER_LABEL: "grpah"}), ON, False,
        "names 'grpah', which no release has (there are: graph, other)", "kubectl get mutatingwebhookconfigurations",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("obj", "namespace", "well", "says", "command"), TABLE.values(), ids=TABLE)
def test_what_is_said_and_what_to_type(obj: Any, namespace: Namespace, well: bool, says: str, command: str) -> None:
    found = explain("t", obj, namespace, [OURS, OTHER])
    assert found.well is well
    assert says in "\n".join((found.verdict, *found.notes))
    assert command in "\n".join(found.next)
    if well:
        assert found.next == ()


def test_the_pods_of_a_workload_are_looked_at() -> None:
    """Its template may be right while its pods are older."""
    pods = [injected(given=pod(name="new")), pod(name="old")]
    found = explain("deployment/web", deployment(), ON, [OURS], pods)
    assert found.notes == ("pod old: it lacks the sidecar that it would get today",)
    assert found.next == ("kubectl -n apps rollout restart deployment/web",)
    assert explain("deployment/web", deployment(), ON, [OURS], pods[:1]).notes == ("1 live pod, all as they should be",)


def test_without_a_release_that_is_what_is_said() -> None:
    assert "no release of memgraph-ha is installed" in explain("t", single(pod()), ON, []).verdict
    assert "no release of memgraph-ha is installed" in explain("t", deployment(), ON, []).verdict


def test_of_several_releases_the_one_that_applies_speaks() -> None:
    named = Namespace("apps", {names.INJECT_LABEL: "enabled", names.CLUSTER_LABEL: "other"})
    assert "of release other" in explain("t", single(injected(OTHER)), named, [OURS, OTHER]).verdict
    assert "a release that is not installed" in explain("t", single(injected(OTHER)), OFF, [OURS]).verdict
