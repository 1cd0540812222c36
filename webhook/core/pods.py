"""Reading a pod that is raw JSON and may be anything.

`problem` is asked first; the other functions may then rely on the shape it has checked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from sidecar.contract import names
from webhook.core.model import Json

MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
CONTAINER_LISTS: Final = ("initContainers", "containers")
_OPTIONAL_LISTS: Final = ("initContainers", "volumes", "imagePullSecrets")
_OPTIONAL_MAPS: Final = ("labels", "annotations")


def problem(pod: Json) -> str | None:
    """What is wrong with the parts that injection reads and writes; None if nothing is."""
    if not isinstance(pod, dict):
        return "the object is no pod"
    metadata, spec = pod.get("metadata"), pod.get("spec")
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        return "the pod lacks metadata or spec"
    for key in _OPTIONAL_MAPS:
        if not isinstance(metadata.get(key), dict | None):
            return f"metadata.{key} is no map"
    if not _objects(spec.get("containers")):
        return "spec.containers is no list of containers"
    for key in _OPTIONAL_LISTS:
        if spec.get(key) is not None and not _objects(spec[key]):
            return f"spec.{key} is no list of objects"
    for container in containers(pod):
        if container.get("env") is not None and not _objects(container["env"]):
            return "env of a container is no list of objects"
    return None


def label(pod: Json, key: str) -> Json:
    """The pod's label, or None."""
    return (pod["metadata"].get("labels") or {}).get(key)


def annotation(pod: Json, key: str) -> Json:
    """The pod's annotation, or None."""
    return (pod["metadata"].get("annotations") or {}).get(key)


def is_mirror(pod: Json) -> bool:
    """Whether the kubelet made this pod from a file of its own: such a pod can't have a token."""
    return MIRROR_ANNOTATION in (pod["metadata"].get("annotations") or {})


def is_windows(pod: Json) -> bool:
    """Whether the pod can only run on Windows nodes."""
    system, selector = pod["spec"].get("os"), pod["spec"].get("nodeSelector")
    return (isinstance(system, dict) and system.get("name") == "windows") or (
        isinstance(selector, dict) and selector.get("kubernetes.io/os") == "windows"
    )


def sidecar_index(pod: Json) -> int | None:
    """Where among the init containers the sidecar is; None if it is not there."""
    present = pod["spec"].get("initContainers") or ()
    return next((index for index, one in enumerate(present) if is_sidecar(one)), None)


def is_sidecar(container: Json) -> bool:
    """Whether the container has the sidecar's name."""
    return bool(container.get("name") == names.SIDECAR_CONTAINER)


def is_named_like_ours(pod: Json) -> bool:
    """Whether somebody else's container has the sidecar's name: a plain one, or one too many."""
    named = [one for one in pod["spec"].get("initContainers") or () if is_sidecar(one)]
    return len(named) > 1 or any(is_sidecar(one) for one in pod["spec"]["containers"])


def containers(pod: Json) -> Iterator[dict[str, Json]]:
    """Init containers and containers. All of them share the pod's localhost."""
    yield from pod["spec"].get("initContainers") or ()
    yield from pod["spec"]["containers"]


def has_volume(pod: Json, name: str) -> bool:
    """Whether the pod has a volume of that name."""
    return any(volume.get("name") == name for volume in pod["spec"].get("volumes") or ())


def taken_port(pod: Json, ours: Collection[int]) -> tuple[str, int] | None:
    """The first container that declares one of the sidecar's ports for itself, and the port."""
    for container in containers(pod):
        ports = container.get("ports")
        for port in ports if isinstance(ports, list) else ():
            if isinstance(port, dict) and port.get("protocol", "TCP") == "TCP" and _in(port.get("containerPort"), ours):
                return str(container.get("name")), port["containerPort"]
    return None


def _in(port: Json, ours: Collection[int]) -> bool:
    return isinstance(port, int | float) and port in ours


def _objects(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
