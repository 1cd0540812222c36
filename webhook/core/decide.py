"""Inject or not: from the pod, its namespace's labels and the release. Pure, and total over any JSON.

The order of the questions is part of the behaviour: what is not meant for us is left without a word; a pod that asked
for the sidecar and can't have it gets a warning that says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sidecar.contract import names
from webhook.core import pods
from webhook.core.model import Decision, Inject, Json, Namespace, Reason, Release, Skip, warning

SYSTEM_NAMESPACES: Final = ("kube-system", "kube-public", "kube-node-lease")


def decide(pod: Json, namespace: Namespace, release: Release) -> Decision:
    """The decision for one pod that is being created."""
    shape = pods.problem(pod)
    if shape is not None:
        return Skip(Reason.MALFORMED_POD, shape)
    return _not_ours(pod, namespace) or _not_wanted(pod, namespace, release) or _impossible(pod) or _inject(pod)


def _not_ours(pod: Json, namespace: Namespace) -> Skip | None:
    if pods.label(pod, names.COMPONENT_LABEL) is not None:
        return Skip(Reason.OWN_COMPONENT, "the pod is part of memgraph-ha itself")
    if pods.is_injected(pod):
        return Skip(Reason.ALREADY_INJECTED, f"the pod has a container {names.SIDECAR_CONTAINER}")
    if namespace.name in SYSTEM_NAMESPACES:
        return Skip(Reason.SYSTEM_NAMESPACE, f"pods in {namespace.name} are never injected")
    if pods.is_mirror(pod):
        return Skip(Reason.MIRROR_POD, "a static pod can't have a service account token")
    return None


def _not_wanted(pod: Json, namespace: Namespace, release: Release) -> Skip | None:
    match _wish(pod), namespace.labels:
        case names.INJECT_DISABLED, _:
            return Skip(Reason.DISABLED, f"the pod's label {names.INJECT_LABEL} says {names.INJECT_DISABLED}")
        case None, Mapping() as labels if labels.get(names.INJECT_LABEL) != names.INJECT_ENABLED:
            message = f"neither the pod nor its namespace has the label {names.INJECT_LABEL}={names.INJECT_ENABLED}"
            return Skip(Reason.NOT_ENABLED, message, _wish_warnings(pod))
        # None and unknown labels: the webhook's selectors have let the pod pass, so its namespace is enabled.
    return _other_cluster(pod, namespace, release)


def _other_cluster(pod: Json, namespace: Namespace, release: Release) -> Skip | None:
    cluster = pods.label(pod, names.CLUSTER_LABEL)
    if cluster is None and namespace.labels is None:
        # The namespace may name another cluster. A pod without the sidecar fails where people see it; a pod with the
        # wrong one writes into somebody else's database.
        message = f"could not read namespace {namespace.name}; recreate the pod, or label it {names.CLUSTER_LABEL}"
        return Skip(Reason.NAMESPACE_UNKNOWN, message, (warning(f"not injected: {message}"),))
    if cluster is None:
        cluster = (namespace.labels or {}).get(names.CLUSTER_LABEL)
    if cluster is None and not release.default:
        return Skip(Reason.OTHER_CLUSTER, f"no label {names.CLUSTER_LABEL}, and this release is not the default one")
    if cluster is not None and cluster != release.cluster:
        return Skip(Reason.OTHER_CLUSTER, f"the label {names.CLUSTER_LABEL} names another cluster")
    return None


def _impossible(pod: Json) -> Skip | None:
    if pod["spec"].get("hostNetwork"):
        return _refuse(Reason.HOST_NETWORK, "hostNetwork pods share the node's localhost")
    if pods.is_windows(pod):
        return _refuse(Reason.WINDOWS, "there is no Windows image of the sidecar")
    taken = pods.taken_port(pod)
    if taken is not None:
        return _refuse(Reason.PORT_TAKEN, f"port {taken[1]} is the sidecar's, but container {taken[0]} declares it")
    if pods.has_volume(pod, names.TOKEN_VOLUME):
        return _refuse(Reason.NAME_TAKEN, f"the pod has a volume {names.TOKEN_VOLUME} of its own")
    return None


def _inject(pod: Json) -> Inject:
    return Inject(_wish_warnings(pod))


def _refuse(reason: Reason, message: str) -> Skip:
    return Skip(reason, message, (warning(f"not injected: {message}"),))


def _wish(pod: Json) -> str | None:
    """The pod's own label, if it says one of the two words; None leaves it to the namespace."""
    wish = pods.label(pod, names.INJECT_LABEL)
    return wish if wish in (names.INJECT_ENABLED, names.INJECT_DISABLED) else None


def _wish_warnings(pod: Json) -> tuple[str, ...]:
    if pods.label(pod, names.INJECT_LABEL) is None or _wish(pod) is not None:
        return ()
    allowed = f"{names.INJECT_ENABLED} nor {names.INJECT_DISABLED}"
    return (warning(f"label {names.INJECT_LABEL} is neither {allowed}: the namespace decides"),)
