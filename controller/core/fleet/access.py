"""Which RoleBindings there should be: what is written and what is taken away (rbac.clientAccess: perNamespace).

A right is never taken from a live sidecar: without it, it would follow a dead main. So it goes only when its namespace
is no longer labelled *and* no pod in it carries our sidecar, both read in full just now.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from controller.core.fleet.model import Binding, Health, Labelled, PodFacts
from sidecar.contract import names
from webhook.core.decide import SYSTEM_NAMESPACES
from webhook.core.model import Release


@dataclass(frozen=True, slots=True)
class AccessPlan:
    """Bindings to remove come first: one that is replaced has the same name."""

    remove: tuple[Binding, ...] = ()
    create: tuple[str, ...] = ()
    """Namespaces."""


def is_ours(namespace: Labelled, release: Release) -> bool:
    """Whether new pods of this namespace get this release's sidecar without asking for it themselves."""
    if namespace.name in SYSTEM_NAMESPACES or namespace.labels.get(names.INJECT_LABEL) != names.INJECT_ENABLED:
        return False
    cluster = namespace.labels.get(names.CLUSTER_LABEL)
    return release.default if cluster is None else cluster == release.cluster


def missing(labelled: Iterable[str], bindings: Iterable[Binding]) -> AccessPlan:
    """Only what is to be written: for a look that has not read any pod."""
    known = tuple(bindings)
    wanted = set(labelled)
    unsound = tuple(b for b in known if not b.sound and b.namespace in wanted)
    sound = {b.namespace for b in known if b.sound}
    return AccessPlan(_sorted(unsound), tuple(sorted(wanted - sound)))


def plan_access(
    labelled: Iterable[str], pods: Iterable[PodFacts], bindings: Iterable[Binding], read: Set[str]
) -> AccessPlan:
    """`labelled`: all our namespaces. `read`: those whose pods are known in full; one that is gone counts as read."""
    known = tuple(bindings)
    wanted = set(labelled) | {pod.namespace for pod in pods if pod.carries or pod.health is Health.MISSING}
    writes = missing(wanted, known)
    idle = tuple(b for b in known if b.namespace not in wanted and b.namespace in read)
    return AccessPlan(_sorted((*writes.remove, *idle)), writes.create)


def _sorted(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    return tuple(sorted(bindings, key=lambda binding: binding.name))
