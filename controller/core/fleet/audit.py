"""All pods -> what people should know: pods of one owner with one problem are one finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from controller.core.fleet.model import Finding, Health, Owner, PodFacts
from controller.core.fleet.owners import commands

EVENT_AGAIN_S: Final = 3600.0
"""The API server forgets Events after an hour: what is still wrong is said again."""
EVENTS_MAX: Final = 20
"""In one audit. A roll-out of a new sidecar makes every workload outdated at once; the others are told next time."""

Key = tuple[str, Owner, Health]


def counts(pods: Iterable[PodFacts]) -> dict[Health, int]:
    """How many pods do how well."""
    found = dict.fromkeys(Health, 0)
    for pod in pods:
        if not pod.going:
            found[pod.health] += 1
    return found


def findings(pods: Iterable[PodFacts]) -> tuple[Finding, ...]:
    """The gravest first: what lacks the sidecar has no failover at all."""
    groups: dict[Key, list[PodFacts]] = {}
    for pod in pods:
        if pod.health is not Health.CURRENT and not pod.going:
            groups.setdefault((pod.namespace, pod.owner, pod.health), []).append(pod)
    found = [
        Finding(namespace, owner, health, tuple(sorted(p.name for p in group)), group[0].why,
                commands(namespace, owner, health))
        for (namespace, owner, health), group in groups.items()
    ]  # fmt: skip
    order = [Health.MISSING, Health.STALE, Health.OUTDATED]
    return tuple(sorted(found, key=lambda f: (order.index(f.health), f.namespace, str(f.owner))))


def due(found: Iterable[Finding], told: Mapping[Key, float], now: float) -> tuple[list[Finding], dict[Key, float]]:
    """Findings to make an Event of now, and when each was told last. What is mended is forgotten."""
    known = {key_of(f): f for f in found}
    kept = {key: at for key, at in told.items() if key in known}
    news = [f for key, f in known.items() if key not in kept or now - kept[key] >= EVENT_AGAIN_S][:EVENTS_MAX]
    return news, kept | {key_of(f): now for f in news}


def key_of(finding: Finding) -> Key:
    """What makes it this finding and no other."""
    return finding.namespace, finding.owner, finding.health
