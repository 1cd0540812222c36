"""A patch tried on the pod, as the API server will apply it, and what must be true of the result."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sidecar.contract import names
from webhook.core import pods
from webhook.core.model import Json, Operation


class BadPatch(Exception):
    """A patch did not do what it must. A bug of ours: the pod is admitted as it came."""


def apply(document: Json, operations: Sequence[Operation]) -> Json:
    """RFC 6902 `add` and `move`, the only operations we send, on a copy. Raises BadPatch where the API server would."""
    result = copy.deepcopy(document)
    for operation in operations:
        moved = operation["op"] == "move"
        value = _take(result, operation["from"]) if moved else copy.deepcopy(operation["value"])
        _put(result, operation["path"], value)
    return result


def check(
    pod: Json, operations: Sequence[Operation], values: Mapping[str, str], secrets: Collection[str], place: int
) -> None:
    """Raise BadPatch unless the sidecar is there once, at its place, and nothing but what is ours changed."""
    patched = apply(pod, operations)
    if pods.is_named_like_ours(patched) or pods.sidecar_index(patched) != place:
        raise BadPatch("the sidecar is not there once, at its place")
    if _without_ours(patched, values, secrets) != _without_ours(pod, values, secrets):
        raise BadPatch("something besides the sidecar changed")


def escape(token: str) -> str:
    """A JSON pointer's token."""
    return token.replace("~", "~0").replace("/", "~1")


def _without_ours(pod: Json, values: Mapping[str, str], secrets: Collection[str]) -> Json:
    """The pod without what we add, and with the places spelled out that may be absent, null or empty alike."""
    metadata, spec = dict(pod["metadata"]), dict(pod["spec"])
    # A status annotation on a pod without the sidecar was copied from another pod: it is replaced.
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {key: value for key, value in annotations.items() if key != names.STATUS_ANNOTATION}
    for key in pods.CONTAINER_LISTS:
        others = [one for one in spec.get(key) or () if not pods.is_sidecar(one)]
        spec[key] = [_without_variables(one, values) for one in others]
    spec["volumes"] = [one for one in spec.get("volumes") or () if one.get("name") != names.TOKEN_VOLUME]
    spec["imagePullSecrets"] = [one for one in spec.get("imagePullSecrets") or () if one.get("name") not in secrets]
    return {**pod, "metadata": metadata, "spec": spec}


def _without_variables(container: dict[str, Json], values: Mapping[str, str]) -> dict[str, Json]:
    ours = [{"name": name, "value": value} for name, value in values.items()]
    return {**container, "env": [one for one in container.get("env") or () if one not in ours]}


def _take(document: Json, path: str) -> Json:
    parent, last = _find(document, path)
    if isinstance(parent, list) and last.isdecimal() and int(last) < len(parent):
        return parent.pop(int(last))
    raise BadPatch(f"{path} does not exist")


def _put(document: Json, path: str, value: Json) -> None:
    parent, last = _find(document, path)
    match parent:
        case dict():
            parent[last] = value
        case list() if last == "-" or (last.isdecimal() and int(last) <= len(parent)):
            parent.insert(len(parent) if last == "-" else int(last), value)
        case _:
            raise BadPatch(f"{path} does not exist")


def _find(document: Json, path: str) -> tuple[Any, str]:
    *parents, last = (token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:])
    for token in parents:
        if isinstance(document, dict) and token in document:
            document = document[token]
        elif isinstance(document, list) and token.isdecimal() and int(token) < len(document):
            document = document[int(token)]
        else:
            raise BadPatch(f"{path} does not exist")
    return document, last
