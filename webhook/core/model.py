"""The words of admission: what a release knows of itself, what is known of the place, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from sidecar.contract import names

Json: TypeAlias = Any
"""Whatever `json.loads` returns. A pod stays raw JSON from end to end: a typed library that does not know a field
would drop it, and a sidecar without `restartPolicy: Always` is an init container that never ends."""

Operation: TypeAlias = dict[str, Json]
"""One RFC 6902 operation."""


class Reason(StrEnum):
    """Why a pod is injected or not. A closed list: it is a metric label and the `reason` of audit annotations."""

    INJECTED = "Injected"
    COMPLETED = "Completed"
    """It had the sidecar, and something that a later webhook added or moved was put right."""
    ALREADY_INJECTED = "AlreadyInjected"
    DISABLED = "Disabled"
    HOST_NETWORK = "HostNetwork"
    INTERNAL_ERROR = "InternalError"
    LIMIT_RANGE = "LimitRange"
    MALFORMED_POD = "MalformedPod"
    MIRROR_POD = "MirrorPod"
    NAME_TAKEN = "NameTaken"
    NAMESPACE_UNKNOWN = "NamespaceUnknown"
    NODE_TOO_OLD = "NodeTooOld"
    NOT_A_NEW_POD = "NotANewPod"
    NOT_ENABLED = "NotEnabled"
    OTHER_CLUSTER = "OtherCluster"
    OWN_COMPONENT = "OwnComponent"
    PORT_TAKEN = "PortTaken"
    SYSTEM_NAMESPACE = "SystemNamespace"
    WINDOWS = "Windows"


PATCHED: Final = (Reason.INJECTED, Reason.COMPLETED)


@dataclass(frozen=True, slots=True)
class Release:
    """The release this webhook belongs to, and what it was told to do."""

    name: str
    namespace: str
    cluster: str
    """The name that the label memgraph-ha.io/cluster has to carry."""
    default: bool
    """Whether pods that name no cluster are this release's."""
    sidecar_image: str
    pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in the pods' own namespaces with which the sidecar's image is pulled."""
    strict: bool = False
    """Whether a pod that asks for the sidecar and can't have it is refused."""


@dataclass(frozen=True, slots=True)
class OldNode:
    """A node whose kubelet does not know native sidecars well enough."""

    name: str
    version: str
    labels: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Namespace:
    """Where the pod is to be created, and what is known of the place.

    `labels` is None when they could not be read. `limit_ranges` are the LimitRanges' raw JSON.
    """

    name: str
    labels: Mapping[str, Json] | None
    annotations: Mapping[str, Json] = field(default_factory=dict)
    limit_ranges: tuple[Json, ...] = ()
    old_nodes: tuple[OldNode, ...] = ()

    @property
    def enabled(self) -> bool:
        """Whether it is known to ask for sidecars in its pods."""
        return (self.labels or {}).get(names.INJECT_LABEL) == names.INJECT_ENABLED


@dataclass(frozen=True, slots=True)
class Skip:
    """The pod stays as it is. `message` is a sentence, and `warnings` has it too where a person should see it."""

    reason: Reason
    message: str
    warnings: tuple[str, ...] = ()
    unmet: bool = False
    """The pod asked for the sidecar and can't have it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is answered. `warnings` are shown to whoever creates the pod; `denied` only where the release is strict."""

    reason: Reason
    message: str = ""
    warnings: tuple[str, ...] = ()
    patch: tuple[Operation, ...] = ()
    denied: bool = False

    @property
    def decision(self) -> str:
        """inject, skip or error."""
        if self.reason is Reason.INTERNAL_ERROR:
            return "error"
        return "inject" if self.reason in PATCHED else "skip"

    @property
    def audit_annotations(self) -> dict[str, str]:
        """What the API server writes into its audit log, each key after our webhook's name."""
        found = {"decision": self.decision, "reason": self.reason.value}
        return found | {"message": self.message} if self.message else found


WARNING_MAX: Final = 120
"""Characters. The API server recommends this limit, and cuts warnings once they are 4096 in total."""


def warning(text: str) -> str:
    """The sentence as `kubectl` is to print it: says who speaks, and fits."""
    line = f"memgraph-ha: {text}"
    return line if len(line) <= WARNING_MAX else line[: WARNING_MAX - 3] + "..."


def refuse(reason: Reason, message: str) -> Skip:
    """For a pod that asked for the sidecar and can't have it."""
    return Skip(reason, message, (warning(f"not injected: {message}"),), unmet=True)
