"""What a real API server refuses when an object is written, as far as our programs could make the mistake."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Final

from sandbox.kubernetes.core.problem import bad_request, invalid
from sandbox.kubernetes.core.resources import Resource

_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_RBAC_NAME: Final = re.compile(r"[^/%]+")  # roles may be called `system:something`
_MICRO_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_STRING_MAPS: Final = {"configmaps": ("data", "binaryData"), "secrets": ("data", "stringData")}
_TLS_KEYS: Final = ("tls.crt", "tls.key")
_HOOK_SECONDS: Final = range(1, 31)
Object = dict[str, Any]


def check(resource: Resource, obj: Object, namespace: str | None) -> None:
    """Raise Problem if the object can't be what its path says it is."""
    if not isinstance(obj.get("metadata", {}), dict):
        raise bad_request("metadata must be an object")
    _kind(resource, obj)
    metadata = obj.get("metadata", {})
    if metadata.get("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    _strings(resource, obj, metadata)
    # Like a real server's, our admission comes before a generated name: an object may still be without one.
    name = str(metadata.get("name") or (metadata.get("generateName") and metadata["generateName"] + "0") or "")
    _name(resource, name)
    if special := _SPECIAL.get(resource.plural):
        special(resource, obj, name, namespace)


def _kind(resource: Resource, obj: Object) -> None:
    found = (obj.get("apiVersion", resource.api_version), obj.get("kind", resource.kind))
    if found != (resource.api_version, resource.kind):
        raise bad_request(
            f"the API version or kind in the data ({obj.get('apiVersion')}, {obj.get('kind')}) does not match the "
            f"expected one ({resource.api_version}, {resource.kind})"
        )


def _name(resource: Resource, name: str) -> None:
    if not name:
        raise invalid(resource, name, "metadata.name", "Required value: name or generateName is required")
    pattern = _RBAC_NAME if resource.group.startswith("rbac.") else _SUBDOMAIN
    if len(name) > 253 or not pattern.fullmatch(name):
        because = f'Invalid value: "{name}": a lowercase RFC 1123 subdomain is expected'
        raise invalid(resource, name, "metadata.name", because)


def _strings(resource: Resource, obj: Object, metadata: Object) -> None:
    maps = [metadata.get("labels"), metadata.get("annotations")]
    maps += [obj.get(key) for key in _STRING_MAPS.get(resource.plural, ())]
    for values in maps:
        if values is not None and not (isinstance(values, dict) and all(isinstance(v, str) for v in values.values())):
            raise _undecodable(resource, "strings are expected")


def _undecodable(resource: Resource, because: str) -> Exception:
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {because}'
    )


def _pod(resource: Resource, obj: Object, name: str, _: str | None) -> None:
    if not (obj.get("spec") or {}).get("containers"):
        raise invalid(resource, name, "spec.containers", "Required value")


def _lease(resource: Resource, obj: Object, name: str, _: str | None) -> None:
    spec = obj.get("spec") or {}
    for key in ("renewTime", "acquireTime"):
        text = spec.get(key)
        if text is not None and not _MICRO_TIME.fullmatch(text):
            raise _undecodable(resource, f'parsing time "{text}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse')
    for key, least in (("leaseDurationSeconds", 1), ("leaseTransitions", 0)):
        if (number := spec.get(key, least)) < least:
            because = f"Invalid value: {number}: must be greater than or equal to {least}"
            raise invalid(resource, name, f"spec.{key}", because)


def _secret(resource: Resource, obj: Object, name: str, _: str | None) -> None:
    data = obj.get("data") or {}
    for text in data.values():
        try:
            base64.b64decode(text, validate=True)
        except binascii.Error:
            raise _undecodable(resource, "illegal base64 data") from None
    if obj.get("type") == "kubernetes.io/tls":
        for key in _TLS_KEYS:
            if key not in data and key not in (obj.get("stringData") or {}):
                raise invalid(resource, name, f"data[{key}]", "Required value")


def _event(resource: Resource, obj: Object, name: str, namespace: str | None) -> None:
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    if about != namespace:
        because = f'Invalid value: "{about}": does not match event.namespace'
        raise invalid(resource, name, "involvedObject.namespace", because)


def _webhooks(resource: Resource, obj: Object, name: str, _: str | None) -> None:
    for index, entry in enumerate(obj.get("webhooks") or ()):
        where = f"webhooks[{index}]"
        if str(entry.get("name")).count(".") < 2:
            because = f'Invalid value: "{entry.get("name")}": should be a domain with at least three segments'
            raise invalid(resource, name, f"{where}.name", because)
        if entry.get("sideEffects") not in ("None", "NoneOnDryRun"):
            because = f'Unsupported value: "{entry.get("sideEffects")}": supported values: "None", "NoneOnDryRun"'
            raise invalid(resource, name, f"{where}.sideEffects", because)
        if "v1" not in (entry.get("admissionReviewVersions") or ()):
            raise invalid(resource, name, f"{where}.admissionReviewVersions", "Required value: must specify v1")
        if entry.get("timeoutSeconds", 10) not in _HOOK_SECONDS:
            because = f"Invalid value: {entry['timeoutSeconds']}: the timeout value must be between 1 and 30 seconds"
            raise invalid(resource, name, f"{where}.timeoutSeconds", because)
        if len({"url", "service"} & set(entry.get("clientConfig") or ())) != 1:
            raise invalid(resource, name, f"{where}.clientConfig", "Required value: exactly one of url or service")


_SPECIAL: Final[dict[str, Callable[[Resource, Object, str, str | None], None]]] = {
    "pods": _pod,
    "leases": _lease,
    "secrets": _secret,
    "events": _event,
    "mutatingwebhookconfigurations": _webhooks,
}
