"""Manifests in, manifests out: every pod template gets the sidecar by the webhook's own core. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from controller.core.fleet.injection import today
from sidecar.contract import names
from webhook.core.model import Namespace, Reason, Release

_TEMPLATES: Final[dict[str, tuple[str, ...]]] = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"), ("spec", "template")
    ),
}
_AS_WANTED: Final = (Reason.ALREADY_INJECTED, Reason.DISABLED, Reason.OWN_COMPONENT)


class NotAManifest(ValueError):
    """What came in is no Kubernetes object."""


@dataclass(frozen=True, slots=True)
class Note:
    """What became of one object. `refused`: it holds pods, and can't have the sidecar."""

    what: str
    message: str
    injected: bool = False
    refused: bool = False


def inject(documents: list[Any], release: Release, namespace: str) -> tuple[list[Any], list[Note]]:
    """Each document as it came, but for its pod template; a note for each object. Raises NotAManifest.

    Whoever types the command wants the sidecar: namespaces count as labelled, and a template may still opt out.
    """
    out, notes = [], []
    for document in documents:
        if document is None:
            continue  # an empty document between two `---`
        if not isinstance(document, dict) or "kind" not in document:
            raise NotAManifest("this is no Kubernetes manifest: an object with apiVersion and kind is expected")
        changed = copy.deepcopy(document)
        notes += [_one(obj, release, namespace) for obj in _objects(changed)]
        out.append(changed)
    return out, notes


def template_of(obj: Any) -> Any:
    """The pod, or the template of the pods, of a workload; None if it has none."""
    return _at(obj, _TEMPLATES.get(obj.get("kind")))


def _objects(document: Any) -> Iterator[Any]:
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        for item in document["items"]:
            if isinstance(item, dict):
                yield from _objects(item)
    else:
        yield document


def _one(obj: Any, release: Release, namespace: str) -> Note:
    metadata = obj.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    what = f"{str(obj.get('kind')).lower()}/{metadata.get('name', '?')}"
    template = template_of(obj)
    if not isinstance(template, dict):
        return Note(what, "holds no pods")
    if template.get("metadata") is None:
        template["metadata"] = {}
    where = str(metadata.get("namespace") or namespace)
    labels = {names.INJECT_LABEL: names.INJECT_ENABLED, names.CLUSTER_LABEL: release.cluster}
    found = today(template, Namespace(where, labels), release)
    if found.pod is None:
        return Note(what, f"not injected: {found.message}", refused=found.reason not in _AS_WANTED)
    template.clear()
    template.update(found.pod)
    # By its labels the controller finds the pod, whatever its namespace says, and lets its sidecar read the document.
    own = {names.INJECT_LABEL: names.INJECT_ENABLED} | (
        {} if release.default else {names.CLUSTER_LABEL: release.cluster}
    )
    template["metadata"]["labels"] = {**(template["metadata"].get("labels") or {}), **own}
    return Note(what, "; ".join(("injected", *found.warnings)), injected=True)


def _at(obj: Any, path: tuple[str, ...] | None) -> Any:
    if path is None:
        return None
    for key in path:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj
