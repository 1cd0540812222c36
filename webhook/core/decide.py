"""Is the sidecar meant for this pod, and can it have one? Pure, and total over any JSON.

The order of the questions is part of the behaviour: what is not meant for us is left without a word; a pod that asked
for the sidecar and can't have it gets a warning that says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sidecar.contract import names
from webhook.core import pods
from webhook.core.model import Json, Namespace, OldNode, Reason, Release, Skip, refuse, warning
from webhook.core.options import Options

SYSTEM_NAMESPACES: Final = ("kube-system", "kube-public", "kube-node-lease")
_WORDS: Final = (names.INJECT_ENABLED, names.INJECT_DISABLED)


def unwanted(pod: Json, namespace: Namespace, release: Release) -> Skip | None:
    """Why this pod is none of ours, or does not ask for the sidecar."""
    shape = pods.problem(pod)
    if shape is not None:
        return Skip(Reason.MALFORMED_POD, shape)
    return _not_ours(pod, namespace) or _not_enabled(pod, namespace) or _other_cluster(pod, namespace, release)


def impossible(pod: Json, namespace: Namespace, options: Options) -> Skip | None:
    """Why a pod that asks for the sidecar can't have it."""
    if pod["spec"].get("hostNetwork"):
        return refuse(Reason.HOST_NETWORK, "hostNetwork pods share the node's localhost")
    if pods.is_windows(pod):
        return refuse(Reason.WINDOWS, "there is no Windows image of the sidecar")
    taken = pods.taken_port(pod, options.ports)
    if taken is not None:
        message = f"port {taken[1]} is the sidecar's, but container {taken[0]} declares it"
        return refuse(Reason.PORT_TAKEN, message)
    if pods.has_volume(pod, names.TOKEN_VOLUME):
        return refuse(Reason.NAME_TAKEN, f"the pod has a volume {names.TOKEN_VOLUME} of its own")
    for node in namespace.old_nodes:
        if _may_run_on(pod, node):
            return refuse(Reason.NODE_TOO_OLD, f"kubelet {node.version} of node {node.name}; 1.30 is the least")
    return None


def wish_warnings(pod: Json) -> tuple[str, ...]:
    """What is to be said of how the pod states its wish."""
    key = names.INJECT_LABEL
    if pods.label(pod, key) is None and pods.annotation(pod, key) in _WORDS:
        return (warning(f"{key} is an annotation here; make it a label, annotations work in labelled namespaces only"),)
    if (pods.label(pod, key) or pods.annotation(pod, key)) is None or _wish(pod) is not None:
        return ()
    return (warning(f"label {key} is neither {_WORDS[0]} nor {_WORDS[1]}: the namespace decides"),)


def _not_ours(pod: Json, namespace: Namespace) -> Skip | None:
    if pods.label(pod, names.COMPONENT_LABEL) is not None:
        return Skip(Reason.OWN_COMPONENT, "the pod is part of memgraph-ha itself")
    if pods.is_named_like_ours(pod):
        return Skip(Reason.ALREADY_INJECTED, f"the pod has a container {names.SIDECAR_CONTAINER} of its own")
    if namespace.name in SYSTEM_NAMESPACES:
        return Skip(Reason.SYSTEM_NAMESPACE, f"pods in {namespace.name} are never injected")
    if pods.is_mirror(pod):
        return Skip(Reason.MIRROR_POD, "a static pod can't have a service account token")
    return None


def _not_enabled(pod: Json, namespace: Namespace) -> Skip | None:
    match _wish(pod), namespace.labels:
        case names.INJECT_DISABLED, _:
            message = f"the pod's label {names.INJECT_LABEL} says {names.INJECT_DISABLED}"
            return Skip(Reason.DISABLED, message, wish_warnings(pod))
        case None, Mapping() as labels if labels.get(names.INJECT_LABEL) != names.INJECT_ENABLED:
            message = f"neither the pod nor its namespace has the label {names.INJECT_LABEL}={names.INJECT_ENABLED}"
            return Skip(Reason.NOT_ENABLED, message, wish_warnings(pod))
        # None and unknown labels: the webhook's selectors have let the pod pass, so its namespace is enabled.
    return None


def _other_cluster(pod: Json, namespace: Namespace, release: Release) -> Skip | None:
    key = names.CLUSTER_LABEL
    cluster = pods.label(pod, key) or pods.annotation(pod, key)
    if cluster is None and namespace.labels is None:
        # The namespace may name another cluster. A pod without the sidecar fails where people see it; a pod with the
        # wrong one writes into somebody else's database.
        message = f"could not read namespace {namespace.name}; recreate the pod, or label it {key}"
        return refuse(Reason.NAMESPACE_UNKNOWN, message)
    if cluster is None:
        cluster = (namespace.labels or {}).get(key)
    if cluster is None and not release.default:
        return Skip(Reason.OTHER_CLUSTER, f"no label {key}, and this release is not the default one")
    if cluster is not None and cluster != release.cluster:
        return Skip(Reason.OTHER_CLUSTER, f"the label {key} names another cluster")
    return None


def _wish(pod: Json) -> Json:
    """The pod's own word, if it is one of the two; None leaves it to the namespace."""
    wish = pods.label(pod, names.INJECT_LABEL)
    if wish is None:
        wish = pods.annotation(pod, names.INJECT_LABEL)
    return wish if wish in _WORDS else None


def _may_run_on(pod: Json, node: OldNode) -> bool:
    """Whether the scheduler could send the pod there, by name and selector; affinity and taints are not looked at."""
    name, selector = pod["spec"].get("nodeName"), pod["spec"].get("nodeSelector")
    if name:
        return bool(name == node.name)
    wanted = selector if isinstance(selector, dict) else {}
    return all(node.labels.get(key) == value for key, value in wanted.items())
