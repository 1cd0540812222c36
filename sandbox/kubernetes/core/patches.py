"""The kinds of patch. Strategic merge is merge, but for the lists in MERGE_KEYS: others are replaced whole.

Server-side apply is the same here: it knows no owners of fields, so nothing is in conflict, and nothing goes away
because an owner does not name it any more. It can't create.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

import jsonpatch
import jsonpointer

from sandbox.kubernetes.core.problem import Problem, bad_request, rejected

JSON_PATCH: Final = "application/json-patch+json"
MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"
"""Its body must be JSON, which is YAML, too."""
MERGE_KEYS: Final = {"conditions": "type", "webhooks": "name"}
"""Lists whose items are told apart by a key: every writer of a status has conditions of its own."""


def apply(obj: dict[str, Any], patch: Any, content_type: str) -> dict[str, Any]:
    """The patched copy. Raises Problem 415 for an unknown type, 400 for a wrong shape, 422 if it can't be applied."""
    kind = content_type.partition(";")[0].strip()
    if kind in (MERGE, STRATEGIC, APPLY):
        if not isinstance(patch, dict):
            raise bad_request("error decoding patch: a merge patch must be an object")
        merged: dict[str, Any] = _merge(obj, patch, {} if kind == MERGE else MERGE_KEYS)
        return merged
    if kind == JSON_PATCH:
        if not isinstance(patch, list):
            raise bad_request("error decoding patch: a JSON patch must be a list")
        return json_patch(obj, patch)
    raise Problem(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def json_patch(obj: dict[str, Any], operations: Any) -> dict[str, Any]:
    """RFC 6902, on a copy."""
    try:
        patched = jsonpatch.JsonPatch(operations).apply(copy.deepcopy(obj))
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError):
        raise rejected() from None
    if not isinstance(patched, dict):
        raise rejected()
    return patched


def _merge(target: Any, patch: Any, keys: Mapping[str, str]) -> Any:
    """RFC 7386, and lists merged by key where `keys` names one."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif name in keys and isinstance(value, list):
            result[name] = _merge_list(result.get(name) or [], value, keys[name], keys)
        else:
            result[name] = _merge(result.get(name), value, keys)
    return result


def _merge_list(target: list[Any], patch: list[Any], key: str, keys: Mapping[str, str]) -> list[Any]:
    """Items of the same key are merged in their place, new ones go to the end."""
    if any(not isinstance(item, dict) or key not in item for item in patch):
        raise bad_request(f"error decoding patch: map: does not contain declared merge key: {key}")
    result = list(target)
    for item in patch:
        places = [place for place, held in enumerate(result) if held.get(key) == item[key]]
        if places:
            result[places[0]] = _merge(result[places[0]], item, keys)
        else:
            result.append(_merge({}, item, keys))
    return result
