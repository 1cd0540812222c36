"""The three kinds of patch. Strategic merge is treated as merge: lists are replaced whole, never merged by key."""

from __future__ import annotations

import copy
from typing import Any, Final

import jsonpatch
import jsonpointer

from sandbox.kubernetes.core.problem import Problem, bad_request, rejected

JSON_PATCH: Final = "application/json-patch+json"
MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"


def apply(obj: dict[str, Any], patch: Any, content_type: str) -> dict[str, Any]:
    """The patched copy. Raises Problem 415 for an unknown type, 400 for a wrong shape, 422 if it can't be applied."""
    kind = content_type.partition(";")[0].strip()
    if kind in (MERGE, STRATEGIC):
        if not isinstance(patch, dict):
            raise bad_request("error decoding patch: a merge patch must be an object")
        merged: dict[str, Any] = _merge(obj, patch)
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


def _merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result
