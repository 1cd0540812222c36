"""What StatefulSets and Deployments ask for, given what is there: pure functions.

They keep the pods there are meant to be, all at once (`podManagementPolicy: Parallel`). A StatefulSet rolls a changed
template out: the highest ordinal first, and not before the ones above are Ready again. A Deployment doesn't: delete a
pod, and its successor has the new template.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]
_REVISION: Final = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class Create:
    """Create an object."""

    plural: str
    namespace: str
    manifest: Object


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete a pod."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Report:
    """Write a workload's status."""

    plural: str
    namespace: str
    name: str
    status: Object


Action = Create | Remove | Report


def statefulset(workload: Object, pods: Sequence[Object], claims: Sequence[Object]) -> list[Action]:
    """The next steps for one StatefulSet. A pod that is being deleted keeps its name until it is gone; a claim, once
    made, stays."""
    metadata, spec = workload["metadata"], workload["spec"]
    namespace, name = metadata["namespace"], metadata["name"]
    there = {pod["metadata"]["name"]: pod for pod in pods if pod["metadata"]["namespace"] == namespace}
    claimed = {claim["metadata"]["name"] for claim in claims if claim["metadata"]["namespace"] == namespace}
    actions: list[Action] = []
    wanted = [f"{name}-{ordinal}" for ordinal in range(spec["replicas"])]
    for ordinal, pod_name in enumerate(wanted):
        for template in spec.get("volumeClaimTemplates") or ():
            claim_name = f"{template['metadata']['name']}-{pod_name}"
            if claim_name not in claimed:
                body = {"metadata": template["metadata"] | {"name": claim_name}, "spec": template.get("spec", {})}
                actions.append(Create("persistentvolumeclaims", namespace, body))
        if pod_name not in there:
            actions.append(Create("pods", namespace, _ordinal_pod(workload, pod_name, ordinal)))
    owned = [pod for pod in there.values() if _owner(pod) == metadata["uid"]]
    actions += [_remove(pod) for pod in owned if pod["metadata"]["name"] not in wanted and not _ending(pod)]
    outdated = _outdated(workload, [there.get(pod_name) for pod_name in wanted])
    updated = sum(_revision_of(pod) == _revision(workload) for pod in owned)
    return [*actions, *map(_remove, outdated), *_report("statefulsets", workload, owned, updated)]


def _outdated(workload: Object, pods: Sequence[Object | None]) -> list[Object]:
    """The one pod of another revision that may go now, or nobody: a missing or unready pod above it is waited for."""
    for pod in reversed(pods):
        if pod is None or _ending(pod):
            return []
        if _revision_of(pod) != _revision(workload):
            return [pod]
        if not _ready(pod):
            return []
    return []


def deployment(workload: Object, pods: Sequence[Object]) -> list[Action]:
    """The next steps for one Deployment. A pod that is being deleted doesn't count: its successor starts at once."""
    metadata, spec = workload["metadata"], workload["spec"]
    owned = [pod for pod in pods if _owner(pod) == metadata["uid"]]
    live = [
        pod for pod in owned if not _ending(pod) and pod.get("status", {}).get("phase") not in ("Failed", "Succeeded")
    ]
    missing = spec["replicas"] - len(live)
    actions: list[Action] = [
        Create("pods", metadata["namespace"], _pod(workload, {"generateName": f"{metadata['name']}-"}))
        for _ in range(missing)
    ]
    surplus = sorted(live, key=lambda pod: (_ready(pod), pod["metadata"]["creationTimestamp"]))[: max(0, -missing)]
    return [*actions, *(_remove(pod) for pod in surplus), *_report("deployments", workload, live, len(live))]


def orphans(workloads: Sequence[Object], pods: Sequence[Object]) -> list[Action]:
    """What the garbage collector does: pods whose StatefulSet or Deployment is gone go too."""
    alive = {workload["metadata"]["uid"] for workload in workloads}
    return [
        _remove(pod)
        for pod in pods
        for owner in pod["metadata"].get("ownerReferences") or ()
        if owner["kind"] in ("StatefulSet", "Deployment") and owner["uid"] not in alive and not _ending(pod)
    ]


def _ordinal_pod(workload: Object, name: str, ordinal: int) -> Object:
    labels = {
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": str(ordinal),
        _REVISION: _revision(workload),
    }
    pod = _pod(workload, {"name": name, "labels": labels})
    templates = [item["metadata"]["name"] for item in workload["spec"].get("volumeClaimTemplates") or ()]
    others = [volume for volume in pod["spec"].get("volumes") or () if volume["name"] not in templates]
    own = [{"name": item, "persistentVolumeClaim": {"claimName": f"{item}-{name}"}} for item in templates]
    network = {"hostname": name, "subdomain": workload["spec"].get("serviceName", "")}
    return pod | {"spec": pod["spec"] | network | {"volumes": others + own}}


def _pod(workload: Object, metadata: Object) -> Object:
    template = workload["spec"]["template"]
    given = template.get("metadata") or {}
    owner = {
        "apiVersion": workload["apiVersion"],
        "kind": workload["kind"],
        "name": workload["metadata"]["name"],
        "uid": workload["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    labels = {**(given.get("labels") or {}), **metadata.get("labels", {})}
    own = {"labels": labels, "annotations": given.get("annotations") or {}, "ownerReferences": [owner]}
    return {"metadata": {**metadata, **own}, "spec": template["spec"]}


def _revision(workload: Object) -> str:
    """Another one for another template."""
    text = json.dumps(workload["spec"]["template"], sort_keys=True)
    return f"{workload['metadata']['name']}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def _revision_of(pod: Object) -> str:
    revision: str = (pod["metadata"].get("labels") or {}).get(_REVISION, "")
    return revision


def _report(plural: str, workload: Object, pods: Sequence[Object], updated: int) -> list[Action]:
    metadata = workload["metadata"]
    ready = sum(_ready(pod) for pod in pods)
    status = {
        "observedGeneration": metadata["generation"],
        "replicas": len(pods),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "updatedReplicas": updated,
    }
    if workload.get("status") == status:
        return []
    return [Report(plural, metadata["namespace"], metadata["name"], status)]


def _remove(pod: Object) -> Remove:
    return Remove(pod["metadata"]["namespace"], pod["metadata"]["name"], pod["metadata"]["uid"])


def _owner(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def _ending(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
