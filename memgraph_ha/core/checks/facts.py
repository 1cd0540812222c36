"""What doctor knows: raw objects as they were read, or why they could not be. The checks judge nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from webhook.core.model import Namespace, Release

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not known, and why."""

    why: str


class Level(StrEnum):
    """How grave it is. Only an error makes the exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    UNKNOWN = "unknown"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, and what mends it."""

    level: Level
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One webhook's caBundle: when the last of its certificates ends (seconds since 1970), or what is wrong with it."""

    hook: str
    ends: float | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """A pod that was created as if: what would be there, with which warnings, or the refusal."""

    pod: Any = None
    warnings: tuple[str, ...] = ()
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """A namespace that is labelled for this release. `secrets`: which of the pull secrets it has."""

    namespace: Namespace
    trial: Trial | Unknown
    may_read: bool | Unknown
    pods: Sequence[Any] | Unknown = ()
    quotas: Sequence[Any] | Unknown = ()
    limit_ranges: Sequence[Any] | Unknown = ()
    secrets: Mapping[str, bool | Unknown] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Right:
    """One right of one of our accounts."""

    account: str
    verb: str
    resource: str
    group: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f' {self.name}' if self.name else ''}"


@dataclass(frozen=True, slots=True)
class Stateful:
    """The Memgraph pods' StatefulSet and its Service, raw, None where there is none; and what the controller was told:
    both names, `controller.onDiverged` and `memgraph.walFlushEveryTransactions`."""

    name: str
    service_name: str
    found: Any
    service: Any
    on_diverged: str
    wal_flush: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything. `now`: seconds since 1970. `state` is None where there is no document."""

    release: str
    namespace: str
    now: float
    settings: Release | Unknown
    bundles: tuple[Bundle, ...]
    nodes: Sequence[Any] | Unknown
    pods: Sequence[Any] | Unknown
    """The release's own."""
    state: Any | Unknown
    leader: str | Unknown
    told: Any | Unknown
    logs: Mapping[str, str | Unknown]
    """Of Memgraph containers."""
    rights: Mapping[Right, bool | Unknown]
    clients: Sequence[Client] | Unknown
    stateful: Stateful | Unknown
    clients_left: int = 0
    """Labelled namespaces that were not looked at."""


def own(facts: Facts, component: str, label: str) -> list[Any]:
    """The release's pods of this component; none if they are not known."""
    if isinstance(facts.pods, Unknown):
        return []
    return [pod for pod in facts.pods if (pod["metadata"].get("labels") or {}).get(label) == component]


def is_ready(pod: Any) -> bool:
    """Whether the API server says so."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def unknown(what: str, value: Unknown) -> Finding:
    """That something could not be looked at."""
    fix = "run doctor with more rights, or ask somebody who has them" if "not allowed" in value.why else ""
    return Finding(Level.UNKNOWN, f"{what}: {value.why}", fix)
