"""Pods of other people for tests of the fleet: injected by the webhook's own core, then changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from controller.core.fleet.injection import today
from sidecar.contract import names
from webhook.core.model import Namespace, Release

Json = Any
OURS: Final = Release("graph", "database", "graph", True, "example/sidecar:2")


def pod(
    namespace: str = "apps",
    name: str = "web-1",
    owner: tuple[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Json:
    """A pod as the API server has it, without a sidecar."""
    metadata: Json = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    if owner:
        kind, owner_name = owner
        metadata["ownerReferences"] = [{"kind": kind, "name": owner_name, "controller": True, "uid": "u"}]
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        "status": {"phase": "Running"},
    }


def injected(release: Release = OURS, *, given: Json = None, image: str = "") -> Json:
    """The pod with that release's sidecar, as it was admitted; `image`: what it runs by now."""
    bare = pod() if given is None else given
    labels = {names.INJECT_LABEL: names.INJECT_ENABLED, names.CLUSTER_LABEL: release.cluster}
    done = today(bare, Namespace(bare["metadata"].get("namespace", "apps"), labels), release).pod
    if image:
        sidecar(done)["image"] = image
    return done


def sidecar(done: Json) -> Json:
    """Its container."""
    return done["spec"]["initContainers"][0]


def changed(given: Json, **status: Json) -> Json:
    """A copy with another status."""
    return {**copy.deepcopy(given), "status": status}
