"""What people usually get wrong with the label, as a table of small functions. Each is asked; each may have a hint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sidecar.contract import names
from webhook.core.model import Namespace


@dataclass(frozen=True, slots=True)
class Situation:
    """`template`: the pod template of the workload `obj`; of a pod, the pod itself. `clusters`: the releases' names."""

    obj: Any
    template: Any
    namespace: Namespace
    clusters: tuple[str, ...]

    @property
    def is_workload(self) -> bool:
        """Whether there is a template to put a label on."""
        return bool(self.obj.get("kind") != "Pod")

    @property
    def target(self) -> str:
        """As kubectl takes it."""
        return f"{str(self.obj.get('kind')).lower()}/{_metadata(self.obj).get('name')}"


@dataclass(frozen=True, slots=True)
class Hint:
    """What is wrong, and what mends it."""

    message: str
    command: str


def mistakes(at: Situation) -> tuple[Hint, ...]:
    """Every hint there is."""
    return tuple(hint for look in _TABLE if (hint := look(at)) is not None)


def _on_the_workload(at: Situation) -> Hint | None:
    label = _label(at.obj)
    if not at.is_workload or label is None or _label(at.template) == label:
        return None
    message = f"the label {names.INJECT_LABEL} is on {at.target} itself; it has to be on its pod template"
    return Hint(message, _patch(at))


def _an_annotation(at: Situation) -> Hint | None:
    for what, obj in (("pod template" if at.is_workload else "pod", at.template), (at.target, at.obj)):
        if names.INJECT_LABEL in (_metadata(obj).get("annotations") or {}):
            command = _patch(at) if at.is_workload else _label_namespace(at)
            return Hint(f"{names.INJECT_LABEL} is an annotation of the {what}; it has to be a label", command)
    return None


def _another_value(at: Situation) -> Hint | None:
    value = _label(at.template)
    if value in (None, names.INJECT_ENABLED, names.INJECT_DISABLED):
        return None
    message = f"the label {names.INJECT_LABEL} says {value!r}: it is {names.INJECT_ENABLED} or {names.INJECT_DISABLED}"
    return Hint(message, _patch(at) if at.is_workload else _label_namespace(at))


def _the_namespace_s_value(at: Situation) -> Hint | None:
    value = (at.namespace.labels or {}).get(names.INJECT_LABEL)
    if value in (None, names.INJECT_ENABLED, names.INJECT_DISABLED):
        return None
    message = f"namespace {at.namespace.name} has the label {names.INJECT_LABEL}={value}: it has to say enabled"
    return Hint(message, _label_namespace(at))


def _a_name_like_it(at: Situation) -> Hint | None:
    places = (("pod template", _metadata(at.template).get("labels")), ("namespace", at.namespace.labels))
    for what, labels in places:
        for key in labels or {}:
            if key != names.INJECT_LABEL and "memgraph" in key and "inject" in key:
                return Hint(f"the {what} has a label {key}: it is spelled {names.INJECT_LABEL}", _label_namespace(at))
    return None


def _no_such_cluster(at: Situation) -> Hint | None:
    for labels in (_metadata(at.template).get("labels"), at.namespace.labels):
        cluster = (labels or {}).get(names.CLUSTER_LABEL)
        if cluster is not None:
            if cluster in at.clusters:
                return None
            known = ", ".join(at.clusters) or "none"
            return Hint(f"the label {names.CLUSTER_LABEL} names {cluster!r}, which no release has (there are: {known})",
                        "kubectl get mutatingwebhookconfigurations")  # fmt: skip
    return None


def _opted_out(at: Situation) -> Hint | None:
    if _label(at.template) != names.INJECT_DISABLED:
        return None
    command = _patch(at) if at.is_workload else f"kubectl -n {at.namespace.name} get {at.target} --show-labels"
    return Hint(f"the label {names.INJECT_LABEL}={names.INJECT_DISABLED} keeps the sidecar away", command)


def _nobody_asked(at: Situation) -> Hint | None:
    asked = any(names.INJECT_LABEL in (place or {}) for place in _places(at))
    if asked or at.namespace.labels is None:
        return None
    message = f"neither namespace {at.namespace.name} nor the pod has the label {names.INJECT_LABEL}"
    return Hint(message, _label_namespace(at))


def _places(at: Situation) -> Iterator[Any]:
    yield at.namespace.labels
    for obj in (at.obj, at.template):
        yield _metadata(obj).get("labels")
        yield _metadata(obj).get("annotations")


def _label(obj: Any) -> Any:
    return (_metadata(obj).get("labels") or {}).get(names.INJECT_LABEL)


def _metadata(obj: Any) -> dict[str, Any]:
    found = obj.get("metadata") if isinstance(obj, dict) else None
    return found if isinstance(found, dict) else {}


def _label_namespace(at: Situation) -> str:
    return f"kubectl label namespace {at.namespace.name} {names.INJECT_LABEL}={names.INJECT_ENABLED} --overwrite"


def _patch(at: Situation) -> str:
    labels: Any = {"metadata": {"labels": {names.INJECT_LABEL: names.INJECT_ENABLED}}}
    body: Any = {"spec": {"template": labels}}
    if at.obj.get("kind") == "CronJob":
        body = {"spec": {"jobTemplate": body}}
    return f"kubectl -n {at.namespace.name} patch {at.target} -p '{json.dumps(body, separators=(',', ':'))}'"


_TABLE: Final[tuple[Callable[[Situation], Hint | None], ...]] = (
    _on_the_workload,
    _an_annotation,
    _another_value,
    _the_namespace_s_value,
    _a_name_like_it,
    _opted_out,
    _no_such_cluster,
    _nobody_asked,
)
