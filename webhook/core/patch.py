"""The patch: the fewest operations from the pod as it is to the pod as it should be, tried before they are answered.

The API server rejects a pod whose patch does not apply, even under `failurePolicy: Ignore`; so a patch that fails its
own trial is never answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.contract import names
from webhook.core import pods, position, trial, variables
from webhook.core.model import Json, Operation


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the pod should have. `container` and `status` are None where the sidecar is there already: whatever was
    added to it since (defaults, mounts) stays."""

    variables: Mapping[str, str]
    volume: dict[str, Json]
    container: dict[str, Json] | None = None
    status: str | None = None
    run_after: tuple[str, ...] = ()
    pull_secrets: tuple[str, ...] = ()


NATIVE: Final = "Always"


def build(pod: Json, wanted: Wanted) -> tuple[Operation, ...]:
    """Operations in an order in which each index is right. Raises trial.BadPatch."""
    spec = pod["spec"]
    operations = [
        *_variables(spec, wanted.variables),
        *_sidecar(pod, wanted),
        *_append(spec, "volumes", [wanted.volume]),
        *_append(spec, "imagePullSecrets", [{"name": name} for name in wanted.pull_secrets]),
    ]
    if wanted.status is not None:
        operations.append(_annotate(pod["metadata"].get("annotations"), wanted.status))
    trial.check(pod, operations, wanted.variables, wanted.pull_secrets, _place(spec, wanted.run_after))
    return tuple(operations)


def _variables(spec: Json, values: Mapping[str, str]) -> Iterator[Operation]:
    for key in pods.CONTAINER_LISTS:
        for at, container in enumerate(spec.get(key) or ()):
            entries = variables.missing(container, values)
            path = f"/spec/{key}/{at}/env"
            if entries and not container.get("env"):
                yield _add(path, entries)
            elif entries:
                yield from (_add(f"{path}/{index}", entry) for index, entry in enumerate(entries))


def _sidecar(pod: Json, wanted: Wanted) -> Iterator[Operation]:
    present, path = pod["spec"].get("initContainers"), "/spec/initContainers"
    found, place = pods.sidecar_index(pod), _place(pod["spec"], wanted.run_after)
    if found is None:
        if wanted.container is not None:
            yield _add(f"{path}/{place}", wanted.container) if present else _add(path, [wanted.container])
        return
    if present[found].get("restartPolicy") != NATIVE:
        # Somebody read and wrote the pod with a library from before native sidecars: it would never leave Init.
        yield _add(f"{path}/{found}/restartPolicy", NATIVE)
    if found != place:
        yield {"op": "move", "from": f"{path}/{found}", "path": f"{path}/{place}"}


def _place(spec: Json, run_after: Collection[str]) -> int:
    others = [one for one in spec.get("initContainers") or () if not pods.is_sidecar(one)]
    return position.index(others, run_after)


def _append(spec: Json, key: str, items: list[dict[str, Json]]) -> Iterator[Operation]:
    present = spec.get(key)
    known = [one.get("name") for one in present or ()]
    fresh = [item for item in items if item["name"] not in known]
    if fresh and not present:
        yield _add(f"/spec/{key}", fresh)
    elif fresh:
        yield from (_add(f"/spec/{key}/-", item) for item in fresh)


def _annotate(present: Json, value: str) -> Operation:
    if present is None:
        return _add("/metadata/annotations", {names.STATUS_ANNOTATION: value})
    return _add(f"/metadata/annotations/{trial.escape(names.STATUS_ANNOTATION)}", value)


def _add(path: str, value: Json) -> Operation:
    return {"op": "add", "path": path, "value": value}
