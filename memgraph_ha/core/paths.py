"""Where objects live in the API, and how people call their kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_APPS, _BATCH = "/apis/apps/v1", "/apis/batch/v1"
ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
NODES: Final = "/api/v1/nodes"
NAMESPACES: Final = "/api/v1/namespaces"

_WORKLOADS: Final = {
    ("pod", "pods", "po"): ("Pod", "/api/v1", "pods"),
    ("deployment", "deployments", "deploy"): ("Deployment", _APPS, "deployments"),
    ("statefulset", "statefulsets", "sts"): ("StatefulSet", _APPS, "statefulsets"),
    ("daemonset", "daemonsets", "ds"): ("DaemonSet", _APPS, "daemonsets"),
    ("replicaset", "replicasets", "rs"): ("ReplicaSet", _APPS, "replicasets"),
    ("job", "jobs"): ("Job", _BATCH, "jobs"),
    ("cronjob", "cronjobs", "cj"): ("CronJob", _BATCH, "cronjobs"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a person named: a kind as manifests spell it, a name, and the path of its collection."""

    kind: str
    name: str
    group: str
    plural: str

    def path(self, namespace: str) -> str:
        """Of the object."""
        return f"{self.group}/namespaces/{namespace}/{self.plural}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


def target(text: str) -> Target | None:
    """`web-0` (a pod), `deploy/web` and the like; None if that kind can't carry a sidecar."""
    kind, slash, name = text.partition("/")
    if not slash:
        kind, name = "pod", text
    for words, (spelled, group, plural) in _WORKLOADS.items():
        if kind.lower().partition(".")[0] in words and name:
            return Target(spelled, name, group, plural)
    return None


def inside(namespace: str, plural: str, name: str = "", group: str = "/api/v1") -> str:
    """A namespaced collection, or an object in it."""
    return f"{group}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


def apps(namespace: str, plural: str, name: str = "") -> str:
    """In the group of Deployments."""
    return inside(namespace, plural, name, _APPS)
