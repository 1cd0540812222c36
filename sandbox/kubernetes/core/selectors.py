"""Label and field selectors: the query parameters as text, and the `LabelSelector` of manifests, as predicates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.kubernetes.core.problem import bad_request
from sandbox.kubernetes.core.resources import Resource

Predicate = Callable[[Mapping[str, Any]], bool]
_Test = Callable[[Mapping[str, str]], bool]

_SET: Final = re.compile(r"^(?P<key>[\w./-]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL: Final = re.compile(r"^(?P<key>[\w./-]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[\w.-]*)$")
_EXISTS: Final = re.compile(r"^(?P<not>!?)\s*(?P<key>[\w./-]+)$")
_NAME: Final = re.compile(r"^metadata\.name\s*==?\s*([\w.-]+)$")
_COMMA_OUTSIDE_PARENTHESES: Final = re.compile(r",(?![^(]*\))")


def parse(resource: Resource, labels: str | None, fields: str | None) -> Predicate:
    """A predicate over objects from the query's `labelSelector` and `fieldSelector`. Raises Problem 400."""
    by_label = _labels(labels or "")
    by_field = _fields(resource, fields or "")

    def matches(obj: Mapping[str, Any]) -> bool:
        return by_label(obj.get("metadata", {}).get("labels") or {}) and by_field(obj)

    return matches


def matches_label_selector(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a manifest's `LabelSelector` (matchLabels and matchExpressions) takes these labels; empty takes all."""
    selector = selector or {}
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression(item)(labels) for item in selector.get("matchExpressions") or ())


def only_name(fields: str | None) -> str:
    """The name, if a `fieldSelector` can match no other; else ""."""
    names = [found[1] for part in (fields or "").split(",") if (found := _NAME.match(part.strip()))]
    return names[0] if len(names) == 1 else ""


def _expression(item: Mapping[str, Any]) -> _Test:
    key, values = item["key"], frozenset(item.get("values") or ())
    match item["operator"]:
        case "In":
            return lambda labels: labels.get(key) in values
        case "NotIn":
            return lambda labels: labels.get(key) not in values
        case "Exists":
            return lambda labels: key in labels
        case "DoesNotExist":
            return lambda labels: key not in labels
        case other:
            raise bad_request(f"{other!r} is not a valid label selector operator")


def _labels(text: str) -> _Test:
    tests = [_requirement(part.strip()) for part in _COMMA_OUTSIDE_PARENTHESES.split(text) if part.strip()]
    return lambda labels: all(test(labels) for test in tests)


def _requirement(text: str) -> _Test:
    if found := _SET.match(text):
        values = [value.strip() for value in found["values"].split(",")]
        return _expression(
            {"key": found["key"], "operator": "In" if found["operator"] == "in" else "NotIn", "values": values}
        )
    if found := _EQUAL.match(text):
        key, value = found["key"], found["value"]
        if found["operator"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.match(text):
        return _expression({"key": found["key"], "operator": "DoesNotExist" if found["not"] else "Exists"})
    raise bad_request(f"unable to parse requirement: {text!r}")


def _fields(resource: Resource, text: str) -> Predicate:
    tests: list[tuple[str, str, bool]] = []
    for part in filter(None, (item.strip() for item in text.split(","))):
        found = re.match(r"^([\w.]+)\s*(==|=|!=)\s*(.*)$", part)
        if found is None:
            raise bad_request(f"invalid field selector: {part!r}")
        field, operator, value = found.groups()
        if field not in ("metadata.name", "metadata.namespace", *resource.fields):
            known = ", ".join(f'"{name}"' for name in ("metadata.name", "metadata.namespace", *resource.fields))
            raise bad_request(f'"{field}" is not a known field selector: only {known}')
        tests.append((field, value, operator != "!="))
    return lambda obj: all((_field(obj, field) == value) is wanted for field, value, wanted in tests)


def _field(obj: Mapping[str, Any], dotted: str) -> str:
    value: Any = obj
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)
