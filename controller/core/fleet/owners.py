"""Who makes a pod anew, and the command that has it done. Only from the pod itself: no further right is needed."""

from __future__ import annotations

from typing import Final

from controller.core.fleet.model import Health, Owner
from webhook.core.model import Json

_ROLLED_OUT: Final = ("Deployment", "StatefulSet", "DaemonSet")
_HASHES: Final = (("pod-template-hash", "Deployment"), ("rollouts-pod-template-hash", "Rollout"))
"""Label -> whose ReplicaSet it is: such a ReplicaSet's name is its owner's, a hyphen, and the label's value."""


def owner_of(pod: Json) -> Owner:
    """The pod's workload; of a pod that nobody owns, itself."""
    metadata = pod["metadata"]
    owners = [o for o in metadata.get("ownerReferences") or () if isinstance(o, dict) and o.get("controller")]
    if not owners:
        return Owner("Pod", str(metadata.get("name") or metadata.get("generateName") or ""))
    kind, name = str(owners[0].get("kind")), str(owners[0].get("name"))
    if kind == "ReplicaSet":
        for label, parent in _HASHES:
            value = (metadata.get("labels") or {}).get(label)
            if value and name.endswith(f"-{value}"):
                return Owner(parent, name.removesuffix(f"-{value}"))
    return Owner(kind, name)


def commands(namespace: str, owner: Owner, health: Health) -> tuple[str, ...]:
    """What a person may type, or has to know."""
    restart = _restart(namespace, owner)
    if health is Health.OUTDATED:
        return f"memgraph-ha upgrade-sidecars -n {namespace}", restart
    return (restart,)


def _restart(namespace: str, owner: Owner) -> str:
    match owner.kind:
        case kind if kind in _ROLLED_OUT:
            return f"kubectl -n {namespace} rollout restart {owner}"
        case "Rollout":
            return f"kubectl argo rollouts -n {namespace} restart {owner.name}"
        case "Job":
            return f"let {owner} in namespace {namespace} end: its next run is another pod"
        case "Pod":
            return f"make pod {owner.name} in namespace {namespace} anew: nothing else would"
    return f"restart {owner} in namespace {namespace} in its own way"
