"""What a real API server checks and fills in when an object is created, as far as our programs notice it."""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from sandbox.kubernetes.core.problem import bad_request, invalid
from sandbox.kubernetes.core.resources import Resource

_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_RBAC_NAME: Final = re.compile(r"[^/%]+")  # roles may be called `system:something`
_STRING_MAPS: Final = {"configmaps": ("data", "binaryData"), "secrets": ("data", "stringData")}


def check(resource: Resource, obj: dict[str, Any], namespace: str | None) -> None:
    """Raise Problem if the object can't be what its path says it is."""
    if not isinstance(obj.get("metadata", {}), dict):
        raise bad_request("metadata must be an object")
    if (
        obj.get("kind", resource.kind) != resource.kind
        or obj.get("apiVersion", resource.api_version) != resource.api_version
    ):
        raise bad_request(
            f"the API version or kind in the data ({obj.get('apiVersion')}, {obj.get('kind')}) does not match the "
            f"expected one ({resource.api_version}, {resource.kind})"
        )
    metadata = obj.get("metadata", {})
    if metadata.get("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    # Like a real server's, our admission comes before a generated name: an object may still be without one.
    name = str(metadata.get("name") or (metadata.get("generateName") and metadata["generateName"] + "0") or "")
    if not name:
        raise invalid(resource, name, "metadata.name: Required value: name or generateName is required")
    pattern = _RBAC_NAME if resource.group.startswith("rbac.") else _SUBDOMAIN
    if len(name) > 253 or not pattern.fullmatch(name):
        raise invalid(
            resource, name, f'metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain is expected'
        )
    maps = [metadata.get("labels"), metadata.get("annotations")]
    maps += [obj.get(key) for key in _STRING_MAPS.get(resource.plural, ())]
    for values in maps:
        if values is not None and not (isinstance(values, dict) and all(isinstance(v, str) for v in values.values())):
            raise bad_request(
                f"{resource.kind} in version {resource.version!r} cannot be handled: strings are expected"
            )
    if resource.plural == "pods" and not (obj.get("spec") or {}).get("containers"):
        raise invalid(resource, name, "spec.containers: Required value")


def fill(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """A copy with the defaults filled in."""
    obj = {**obj, "apiVersion": resource.api_version, "kind": resource.kind}
    match resource.plural:
        case "pods":
            spec = {
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 30,
                "serviceAccountName": "default",
                "dnsPolicy": "ClusterFirst",
                **obj["spec"],
            }
            return obj | {"spec": spec, "status": {"phase": "Pending", "qosClass": "BestEffort"}}
        case "namespaces":
            metadata = obj["metadata"]
            labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
            return obj | {"metadata": metadata | {"labels": labels}, "status": {"phase": "Active"}}
        case "secrets":
            return _secret(obj)
        case "statefulsets" | "deployments":
            return obj | {"spec": {"replicas": 1, **(obj.get("spec") or {})}, "status": {"replicas": 0}}
        case "persistentvolumeclaims":
            return obj | {"status": {"phase": "Pending"}}
        case _:
            return obj


def _secret(obj: dict[str, Any]) -> dict[str, Any]:
    """`stringData` is write-only: it is folded into `data`."""
    plain = obj.get("stringData") or {}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
    kept = {key: value for key, value in obj.items() if key != "stringData"}
    return kept | {"type": obj.get("type", "Opaque"), "data": {**(obj.get("data") or {}), **encoded}}
