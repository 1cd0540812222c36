"""The fleet's words: every pod that carries a sidecar of this release, or should."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from webhook.core.model import Release


class ClientAccess(StrEnum):
    """Who gives sidecars the right to read the document (the chart's rbac.clientAccess)."""

    PER_NAMESPACE = "perNamespace"
    """The controller: a RoleBinding for each namespace that has sidecars."""
    ALL = "allServiceAccounts"
    """The chart: one RoleBinding for every service account."""
    NONE = "none"
    """Somebody else."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What this release wants of the fleet."""

    release: Release
    access: ClientAccess


@dataclass(frozen=True, slots=True)
class Labelled:
    """A namespace, as listed."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    """One of our RoleBindings. `sound`: it binds the right group to the right Role, and dies with that very Role."""

    name: str
    namespace: str
    """Whose service accounts it admits."""
    sound: bool
    uid: str = ""
    """Of the very object that was read: no other is removed."""


class Health(StrEnum):
    """How a pod's sidecar does. A closed list: a metric's label."""

    CURRENT = "current"
    OUTDATED = "outdated"
    """Another image than the release's. It can be changed in the running pod."""
    STALE = "stale"
    """Another configuration than it would get today. Only a new pod gets that."""
    MISSING = "missing"
    """It would get a sidecar today, and has none."""


@dataclass(frozen=True, slots=True)
class Owner:
    """What makes the pod anew: a workload, or the pod itself where nothing does."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod that is ours to care for. `carries`: a live sidecar in it follows this release's document."""

    namespace: str
    name: str
    owner: Owner
    carries: bool
    health: Health
    why: str = ""
    going: bool = False
    """It is being deleted: it still needs its rights, and nothing has to be done about it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Pods of one owner with one problem."""

    namespace: str
    owner: Owner
    health: Health
    pods: tuple[str, ...]
    why: str
    commands: tuple[str, ...]
    """What mends it; the first one is the mildest."""

    @property
    def message(self) -> str:
        """One sentence, and what to type."""
        count = f"{len(self.pods)} pods of {self.owner}" if len(self.pods) > 1 else f"pod {self.pods[0]}"
        return f"{count}: {self.why}. Next: {'; or '.join(self.commands)}"


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """The last audit. `at` is a wall-clock text."""

    at: str
    complete: bool
    """Whether everything was read. If not, there may be more, and no right is taken away."""
    namespaces: tuple[str, ...]
    pods: Mapping[Health, int]
    findings: tuple[Finding, ...] = ()
    problem: str | None = None
    bound: tuple[str, ...] = field(default=())
    """Namespaces whose sidecars may read the document by a RoleBinding of the controller's."""
