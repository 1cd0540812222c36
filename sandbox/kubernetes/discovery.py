"""The documents clients such as kubectl read to learn what a server offers."""

from __future__ import annotations

from typing import Any, Final

from sandbox.kubernetes.core.resources import RESOURCES, Resource

VERSION: Final = {"major": "1", "minor": "36", "gitVersion": "v1.36.0-sandbox", "platform": "sandbox"}
_VERBS: Final = ("create", "delete", "get", "list", "patch", "update", "watch")


def document(path: str) -> dict[str, Any] | None:
    """The discovery document at a path, or None."""
    groups = {resource.group: resource.version for resource in RESOURCES}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(*item) for item in groups.items() if item[0]],
        }
    for group, version in groups.items():
        if group and path == f"/apis/{group}":
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, version)}
        if path == (f"/apis/{group}/{version}" if group else f"/api/{version}"):
            return {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": f"{group}/{version}" if group else version,
                "resources": [_resource(resource) for resource in RESOURCES if resource.group == group],
            }
    return None


def _group(group: str, version: str) -> dict[str, Any]:
    known = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [known], "preferredVersion": known}


def _resource(resource: Resource) -> dict[str, Any]:
    return {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(_VERBS),
    }
