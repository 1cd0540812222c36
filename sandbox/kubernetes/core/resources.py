"""The table of resources this API server knows, and the paths they live under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object. `fields` are the field selectors it understands besides name and namespace."""

    plural: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    has_status: bool = False
    has_generation: bool = False
    blind_update: bool = True
    """Whether an update may come without a resourceVersion."""
    fields: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name used in messages: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


_EVENT_FIELDS: Final = (
    "involvedObject.kind", "involvedObject.name", "involvedObject.namespace", "involvedObject.uid", "reason", "type",
)  # fmt: skip
_RBAC: Final = "rbac.authorization.k8s.io"

RESOURCES: Final[tuple[Resource, ...]] = (
    Resource("namespaces", "Namespace", namespaced=False, has_status=True, fields=("status.phase",)),
    Resource("pods", "Pod", has_status=True, has_generation=True, fields=("spec.nodeName", "status.phase")),
    Resource("configmaps", "ConfigMap"),
    Resource("secrets", "Secret", fields=("type",)),
    Resource("services", "Service"),
    Resource("serviceaccounts", "ServiceAccount"),
    Resource("persistentvolumeclaims", "PersistentVolumeClaim", has_status=True),
    Resource("events", "Event", fields=_EVENT_FIELDS),
    Resource("nodes", "Node", namespaced=False, has_status=True),
    Resource("limitranges", "LimitRange"),
    Resource("leases", "Lease", "coordination.k8s.io", blind_update=False),
    Resource("statefulsets", "StatefulSet", "apps", has_status=True, has_generation=True),
    Resource("deployments", "Deployment", "apps", has_status=True, has_generation=True),
    Resource("roles", "Role", _RBAC),
    Resource("rolebindings", "RoleBinding", _RBAC),
    Resource("clusterroles", "ClusterRole", _RBAC, namespaced=False),
    Resource("clusterrolebindings", "ClusterRoleBinding", _RBAC, namespaced=False),
    Resource(
        "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "admissionregistration.k8s.io",
        namespaced=False, has_generation=True, blind_update=False,
    ),
)  # fmt: skip

BY_PLURAL: Final = {resource.plural: resource for resource in RESOURCES}
_BY_PATH: Final = {(resource.group, resource.version, resource.plural): resource for resource in RESOURCES}


@dataclass(frozen=True, slots=True)
class Target:
    """What a request's path points at. `namespace` is None for all of them (or for an object outside any)."""

    resource: Resource
    namespace: str | None = None
    name: str = ""
    subresource: str = ""


def path(resource: Resource, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
    """The path of an object, or without a name of a collection."""
    parts = ["apis", resource.group, resource.version] if resource.group else ["api", resource.version]
    if resource.namespaced and namespace is not None:
        parts += ["namespaces", namespace]
    return "/" + "/".join([*parts, resource.plural, *filter(None, (name, subresource))])


def parse_path(url_path: str) -> Target | None:
    """The reverse of `path`; None if nothing lives there."""
    parts = [part for part in url_path.split("/") if part]
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return None
    namespace: str | None = None
    # `namespaces/x` and `namespaces/x/status` are the namespace itself, anything longer is inside it.
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] != "status":
        namespace, rest = rest[1], rest[2:]
    resource = _BY_PATH.get((group, version, rest[0])) if rest else None
    if resource is None or len(rest) > 3 or (namespace is not None and not resource.namespaced):
        return None
    name, subresource = [*rest[1:], "", ""][:2]
    if name and resource.namespaced and namespace is None:
        return None
    return Target(resource, namespace, name, subresource)
