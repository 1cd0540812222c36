"""The words of admission: what a release knows of itself, what a namespace says, and the two decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
"""Whatever `json.loads` returns. A pod stays raw JSON from end to end: a typed library that does not know a field
would drop it, and a sidecar without `restartPolicy: Always` is an init container that never ends."""

Operation: TypeAlias = dict[str, Json]
"""One RFC 6902 operation."""


class Reason(StrEnum):
    """Why a pod is injected or not. A closed list: it is a metric label and the `reason` of audit annotations."""

    INJECTED = "Injected"
    ALREADY_INJECTED = "AlreadyInjected"
    DISABLED = "Disabled"
    HOST_NETWORK = "HostNetwork"
    INTERNAL_ERROR = "InternalError"
    MALFORMED_POD = "MalformedPod"
    MIRROR_POD = "MirrorPod"
    NAME_TAKEN = "NameTaken"
    NAMESPACE_UNKNOWN = "NamespaceUnknown"
    NOT_A_NEW_POD = "NotANewPod"
    NOT_ENABLED = "NotEnabled"
    OTHER_CLUSTER = "OtherCluster"
    OWN_COMPONENT = "OwnComponent"
    PORT_TAKEN = "PortTaken"
    SYSTEM_NAMESPACE = "SystemNamespace"
    WINDOWS = "Windows"


@dataclass(frozen=True, slots=True)
class Release:
    """The release this webhook belongs to."""

    name: str
    namespace: str
    cluster: str
    """The name that the label memgraph-ha.io/cluster has to carry."""
    default: bool
    """Whether pods that name no cluster are this release's."""
    sidecar_image: str


@dataclass(frozen=True, slots=True)
class Namespace:
    """Where the pod is to be created. `labels` is None when they could not be read."""

    name: str
    labels: Mapping[str, Json] | None


@dataclass(frozen=True, slots=True)
class Inject:
    """The pod gets the sidecar. `warnings` are shown to whoever creates it."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """The pod stays as it is. `message` is a sentence, and `warnings` has it too where a person should see it."""

    reason: Reason
    message: str
    warnings: tuple[str, ...] = ()


Decision: TypeAlias = Inject | Skip

WARNING_MAX: Final = 120
"""Characters. The API server recommends this limit, and cuts warnings once they are 4096 in total."""


def warning(text: str) -> str:
    """The sentence as `kubectl` is to print it: says who speaks, and fits."""
    line = f"memgraph-ha: {text}"
    return line if len(line) <= WARNING_MAX else line[: WARNING_MAX - 3] + "..."
