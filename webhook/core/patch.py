"""The patch: three `add` operations, tried on the pod before the API server sees them.

The API server rejects a pod whose patch does not apply, even under `failurePolicy: Ignore`; so a patch that fails its
own trial is never answered.
"""

from __future__ import annotations

import copy
import json

from sidecar.contract import names
from webhook.core import container, pods
from webhook.core.model import Json, Operation, Release

STATUS_VERSION = 1


class BadPatch(Exception):
    """A patch did not do what it must. A bug of ours: the pod is admitted as it came."""


def build(pod: Json, release: Release) -> list[Operation]:
    """Operations that inject the sidecar into a pod of which `decide` said Inject. Raises BadPatch."""
    metadata, spec = pod["metadata"], pod["spec"]
    operations = [
        _add_first(spec.get("initContainers"), "/spec/initContainers", container.container(pod, release)),
        _add_last(spec.get("volumes"), "/spec/volumes", container.volume()),
        _annotate(metadata.get("annotations"), status(release)),
    ]
    _try(pod, operations)
    return operations


def status(release: Release) -> str:
    """Value of the status annotation: what was injected, for people and for a later comparison."""
    facts = {
        "version": STATUS_VERSION,
        "mode": "native",
        "cluster": release.cluster,
        "image": release.sidecar_image,
        "configMap": f"{release.namespace}/{names.state_config_map(release.name)}",
    }
    return json.dumps(facts, separators=(",", ":"))


def apply(document: Json, operations: list[Operation]) -> Json:
    """RFC 6902 `add`, the only operation we send, on a copy. Raises BadPatch where the API server would."""
    result = copy.deepcopy(document)
    for operation in operations:
        *parents, last = (_unescape(token) for token in operation["path"].split("/")[1:])
        target = result
        for token in parents:
            target = _child(target, token, operation)
        match target:
            case dict():
                target[last] = copy.deepcopy(operation["value"])
            case list() if last == "-" or (last.isdecimal() and int(last) <= len(target)):
                target.insert(len(target) if last == "-" else int(last), copy.deepcopy(operation["value"]))
            case _:
                raise BadPatch(f"{operation['path']} does not exist")
    return result


def _try(pod: Json, operations: list[Operation]) -> None:
    patched = apply(pod, operations)
    if not pods.is_injected(patched) or patched["spec"]["initContainers"][0]["name"] != names.SIDECAR_CONTAINER:
        raise BadPatch("the sidecar is not the first init container")
    if _without_ours(patched) != _normal(pod):
        raise BadPatch("something besides the sidecar changed")


def _without_ours(patched: Json) -> Json:
    spec, metadata = dict(patched["spec"]), dict(patched["metadata"])
    spec["initContainers"] = spec["initContainers"][1:]
    spec["volumes"] = [v for v in spec["volumes"] if v.get("name") != names.TOKEN_VOLUME]
    metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != names.STATUS_ANNOTATION}
    return {**patched, "spec": spec, "metadata": metadata}


def _normal(pod: Json) -> Json:
    """The pod with the three places spelled out, which may be absent, null or empty and then mean the same."""
    spec, metadata = dict(pod["spec"]), dict(pod["metadata"])
    spec["initContainers"] = spec.get("initContainers") or []
    spec["volumes"] = spec.get("volumes") or []
    # A status annotation on a pod without the sidecar was copied from another pod: it is replaced.
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {k: v for k, v in annotations.items() if k != names.STATUS_ANNOTATION}
    return {**pod, "spec": spec, "metadata": metadata}


def _add_first(present: Json, path: str, value: Json) -> Operation:
    return {"op": "add", "path": path, "value": [value]} if present is None else _add(f"{path}/0", value)


def _add_last(present: Json, path: str, value: Json) -> Operation:
    return {"op": "add", "path": path, "value": [value]} if present is None else _add(f"{path}/-", value)


def _annotate(present: Json, value: str) -> Operation:
    if present is None:
        return _add("/metadata/annotations", {names.STATUS_ANNOTATION: value})
    return _add(f"/metadata/annotations/{_escape(names.STATUS_ANNOTATION)}", value)


def _add(path: str, value: Json) -> Operation:
    return {"op": "add", "path": path, "value": value}


def _child(target: Json, token: str, operation: Operation) -> Json:
    if isinstance(target, dict) and token in target:
        return target[token]
    raise BadPatch(f"{operation['path']} does not exist")


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


def _unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")
