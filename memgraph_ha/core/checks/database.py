"""The Memgraph instances and who decides about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from memgraph_ha.core.checks.facts import Facts, Finding, Level, Unknown, own, unknown
from memgraph_ha.core.document import read
from sidecar.contract import names
from sidecar.contract.state import Phase

LEAST_MEMGRAPH: Final = (3, 5)
"""STRICT_SYNC, on which P-S1 stands, is in it for the first time (M-1.1)."""
FLAGS: Final = {
    "--replication-restore-state-on-startup=false": "an instance would come back as the main it was",
    "--storage-wal-enabled=true": "what was acknowledged would be gone with the process",
}
"""Flag -> what goes wrong without it. The chart sets them."""


def failover(facts: Facts) -> Iterator[Finding]:
    """Is there a main, a second copy, and somebody who watches?"""
    selector = f"{names.INSTANCE_LABEL}={facts.release},{names.COMPONENT_LABEL}=controller"
    logs = f"kubectl -n {facts.namespace} logs -l {selector}"
    if isinstance(facts.leader, Unknown):
        yield unknown("who leads", facts.leader)
    elif not facts.leader:
        yield Finding(Level.ERROR, "no controller leads: nobody would notice a dead main", logs)
    if isinstance(facts.state, Unknown):
        yield unknown("the document", facts.state)
        return
    document = read(facts.state)
    if isinstance(document, str):
        yield Finding(Level.ERROR, document, logs)
    elif document.phase is not Phase.SERVING:
        yield Finding(Level.ERROR, f"clients are cut: {document.message}", "memgraph-ha status --watch")
    elif document.sync is None:
        yield Finding(
            Level.WARNING, "no replica holds every write: a failover now would lose some", "memgraph-ha status"
        )


def versions(facts: Facts) -> Iterator[Finding]:
    """By the images' tags: a digest says nothing."""
    if isinstance(facts.pods, Unknown):
        yield unknown("Memgraph versions", facts.pods)
    found = {_container(pod).get("image", ""): pod for pod in own(facts, "memgraph", names.COMPONENT_LABEL)}
    for image, pod in found.items():
        tag = re.search(r":(\d+)\.(\d+)", image.rpartition("/")[2])
        if tag and (int(tag[1]), int(tag[2])) < LEAST_MEMGRAPH:
            yield Finding(
                Level.ERROR, f"{pod['metadata']['name']} runs {image}; memgraph-ha needs Memgraph 3.5 (STRICT_SYNC)",
                "helm upgrade --set images.memgraph.tag=3.12.0",
            )  # fmt: skip
    if len(found) > 1:
        yield Finding(
            Level.WARNING, f"instances run several images: {', '.join(sorted(found))}",
            f"wait for the roll-out: kubectl -n {facts.namespace} rollout status statefulset/{_stateful_name(facts)}",
        )  # fmt: skip


def flags(facts: Facts) -> Iterator[Finding]:
    """What failover depends on, and somebody may have changed."""
    for pod in own(facts, "memgraph", names.COMPONENT_LABEL):
        given = [str(arg).replace("_", "-") for arg in _container(pod).get("args") or ()]
        for flag, harm in FLAGS.items():
            if flag not in given:
                message = f"{pod['metadata']['name']} runs without {flag}: {harm}"
                yield Finding(Level.ERROR, message, "take your change of the StatefulSet back: helm upgrade")


def readiness(facts: Facts) -> Iterator[Finding]:
    """The gate that makes roll-outs wait, and what it says."""
    for pod in own(facts, "memgraph", names.COMPONENT_LABEL):
        name = pod["metadata"]["name"]
        gates = [g.get("conditionType") for g in (pod.get("spec") or {}).get("readinessGates") or ()]
        if names.IN_SYNC_CONDITION not in gates:
            yield Finding(
                Level.WARNING, f"{name} has no readiness gate: a roll-out may take the last copy",
                "helm upgrade --set memgraph.readinessGate=true; a StatefulSet of yours needs it in its template",
            )  # fmt: skip
            continue
        conditions = (pod.get("status") or {}).get("conditions") or ()
        gate = next((c for c in conditions if c["type"] == names.IN_SYNC_CONDITION), None)
        if gate is None:
            yield Finding(Level.WARNING, f"{name}: nothing has set its readiness gate yet", "memgraph-ha status")
        elif gate["status"] != "True":
            yield Finding(
                Level.WARNING, f"{name} is not in sync ({gate.get('reason')}): {gate.get('message')}",
                "docs/surfaces.md says what to do about each reason",
            )  # fmt: skip


def users(facts: Facts) -> Iterator[Finding]:
    """An instance that lacks a user refuses its apps after the next failover."""
    if isinstance(facts.told, Unknown):
        yield unknown("users and instances, as the leader sees them", facts.told)
        return
    for instance in facts.told["instances"]:
        if instance.get("lacks_users"):
            who = ", ".join(instance["lacks_users"])
            yield Finding(Level.WARNING, f"{instance['pod']} lacks users or their passwords: {who}", "docs/users.md")
        if instance.get("problem") == "denied":
            yield Finding(
                Level.ERROR, f"{instance['pod']} refuses the controller's credentials",
                "check users.existingSecret or controller.credentialsSecret (docs/users.md)",
            )  # fmt: skip


def _stateful_name(facts: Facts) -> str:
    return facts.release if isinstance(facts.stateful, Unknown) else facts.stateful.name


def _container(pod: Any) -> Any:
    containers = (pod.get("spec") or {}).get("containers") or [{}]
    return next((c for c in containers if c.get("name") == "memgraph"), containers[0])
