"""What a real API server fills in when an object is created, as far as our programs notice it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any, Final

from sandbox.kubernetes.core.resources import Resource

_HOOK: Final = {
    "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
    "reinvocationPolicy": "Never", "timeoutSeconds": 10,
}  # fmt: skip
_TIMES: Final = ("renewTime", "acquireTime")


def fill(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """A copy with the defaults filled in. It passed `checks.check`."""
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
        case "statefulsets" | "deployments":
            return obj | {"spec": {"replicas": 1, **(obj.get("spec") or {})}, "status": {"replicas": 0}}
        case "persistentvolumeclaims":
            return obj | {"status": {"phase": "Pending"}}
        case _:
            return normal(resource, obj)


def normal(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """A copy as it is stored, also after an update: one spelling for what can be said in several ways."""
    match resource.plural:
        case "secrets":
            return _secret(obj)
        case "leases":
            spec = obj.get("spec") or {}
            return obj | {"spec": {key: _utc(text) if key in _TIMES else text for key, text in spec.items()}}
        case "mutatingwebhookconfigurations":
            return obj | {"webhooks": [_hook(entry) for entry in obj.get("webhooks") or ()]}
        case "configmaps":
            # An empty map is no map.
            return {key: value for key, value in obj.items() if value or key not in ("data", "binaryData")}
        case _:
            return obj


def _secret(obj: dict[str, Any]) -> dict[str, Any]:
    """`stringData` is write-only: it is folded into `data`."""
    plain = obj.get("stringData") or {}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
    kept = {key: value for key, value in obj.items() if key != "stringData"}
    return kept | {"type": obj.get("type", "Opaque"), "data": {**(obj.get("data") or {}), **encoded}}


def _utc(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _hook(entry: dict[str, Any]) -> dict[str, Any]:
    config = entry["clientConfig"]
    if service := config.get("service"):
        config = config | {"service": {"port": 443, **service}}
    rules = [{"scope": "*", **rule} for rule in entry.get("rules") or ()]
    return {**_HOOK, **entry, "clientConfig": config, **({"rules": rules} if rules else {})}
