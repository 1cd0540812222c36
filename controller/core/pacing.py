"""What each Memgraph pod shows: its role label, and whether a roll-out or an eviction may go on after it.

The condition is the pods' readiness gate: a StatefulSet's update waits for it before it takes the next pod, and the
PodDisruptionBudget counts it. Nothing in the controller looks at readiness, and pods are made in parallel, so that
after a full stop nobody waits for anybody to be Ready.

A replica that diverged, or that nobody re-seeds, keeps its condition False, and a roll-out stops there for good: going
on would take the next copy. The condition's message says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final

from controller.core.model import Answer, Instance, Observation, Pod, Registration, Role, Shown, Status
from controller.core.view import row_of
from sidecar.contract.state import Document, Phase

BELIEVED_S: Final = 5.0
"""Seconds for which a main that misses probes is believed about its replicas: a shorter silence changes no condition,
and a longer one has become a failover, or there is nobody to fail over to."""

DOUBT_S: Final = 3.0
"""Seconds for which a replica that was in sync may look otherwise to its main: a main under load calls one invalid now
and then for a moment, and a registration is changed by dropping it first."""


class Label(StrEnum):
    """The values of the role label. SYNC: the replica known to hold every write."""

    MAIN = "main"
    SYNC = "sync"
    REPLICA = "replica"


class Why(StrEnum):
    """The condition's `reason`, a word of a closed list; messages carry no number that changes by itself."""

    MAIN = "Main"
    IN_SYNC = "InSync"
    NO_DOCUMENT = "NoDocument"
    CLIENTS_CUT = "ClientsCut"
    MAIN_UNHEARD = "MainUnheard"
    NOT_REGISTERED = "NotRegistered"
    DIVERGED = "Diverged"
    NOT_REACHED = "NotReached"
    CATCHING_UP = "CatchingUp"
    UNPROTECTED = "Unprotected"


_TRUE: Final = frozenset({Why.MAIN, Why.IN_SYNC})
_PASSING: Final = frozenset({Why.NOT_REACHED, Why.NOT_REGISTERED, Why.CATCHING_UP})


def pace(obs: Observation, document: Document | None) -> dict[int, Shown]:
    """What every pod there is should show, by ordinal.

    A leader that has not yet heard of an instance keeps what its pod shows: a change of leader changes no condition.
    """
    shown = {}
    for instance in obs.instances:
        if instance.pod is not None:
            shown[instance.ordinal] = _shown(obs, document, instance, instance.pod)
    return shown


def patiently(
    obs: Observation, verdicts: Mapping[int, Shown], doubts: Mapping[int, float]
) -> tuple[dict[int, Shown], dict[int, float]]:
    """What to show, and since when a pod that shows True is in doubt: what may pass is shown after DOUBT_S."""
    shown, kept = {}, {}
    for ordinal, verdict in verdicts.items():
        pod = obs.instance(ordinal).pod
        shown[ordinal] = verdict
        if pod is not None and pod.shown.in_sync and verdict.reason in _PASSING:
            kept[ordinal] = doubts.get(ordinal, obs.now)
            if obs.now - kept[ordinal] < DOUBT_S:
                shown[ordinal] = replace(pod.shown, role=verdict.role)
    return shown, kept


def _shown(obs: Observation, document: Document | None, instance: Instance, pod: Pod) -> Shown:
    role = _role(document, instance, pod)
    if document is None:
        return _because(role, Why.NO_DOCUMENT, "nothing says yet which instance is the main")
    if document.phase is not Phase.SERVING:
        return _because(role, Why.CLIENTS_CUT, "the clients are cut: the main is being changed or waits for a partner")
    if pod.uid == document.main_uid:
        return _because(role, Why.MAIN, "this is the main")
    main = obs.instance(document.master_index)
    answer = _believed(obs, document, main)
    if answer is None:
        same = main.pod is not None and main.pod.uid == document.main_uid
        if same and _not_yet_asked(main) and pod.shown.in_sync is not None:
            return replace(pod.shown, role=role)
        return _because(role, Why.MAIN_UNHEARD, f"main {document.main_pod} does not answer: its replicas are not known")
    why, message = _replica(obs, document, pod, row_of(answer, instance.ordinal))
    return _because(role, why, message)


def _replica(obs: Observation, document: Document, pod: Pod, row: Registration | None) -> tuple[Why, str]:
    if row is None:
        return Why.NOT_REGISTERED, (
            f"main {document.main_pod} has no registration of it: it is still starting, or it diverged, and then"
            " roll-outs and evictions wait until it is seeded anew"
        )
    if row.status is Status.DIVERGED:
        return Why.DIVERGED, "it holds commits the main never had: roll-outs and evictions wait until it is seeded anew"
    if row.status is Status.RECOVERY:
        return Why.CATCHING_UP, "it receives what it missed"
    if not row.streams:
        return Why.NOT_REACHED, f"main {document.main_pod} reports it as {row.status.value}"
    if not _in_step(obs, pod, row):
        return Why.CATCHING_UP, "it lacks commits of the main"
    if document.sync is None:
        return Why.UNPROTECTED, (
            "no replica is known to hold every write: roll-outs and evictions wait until one does; if none ever will,"
            " seed one anew"
        )
    return Why.IN_SYNC, "it holds what the main holds"


def _in_step(obs: Observation, pod: Pod, row: Registration) -> bool:
    """Caught up once; from then on, a short lag is what an asynchronous replica of a busy main always has."""
    if row.caught_up:
        return True
    known = pod.shown.in_sync is True
    return known and row.behind is not None and row.behind >= -obs.policy.laggard_ts


def _believed(obs: Observation, document: Document, main: Instance) -> Answer | None:
    if main.pod is None or main.pod.uid != document.main_uid or main.answer is None:
        return None
    if main.answer.role is not Role.MAIN or obs.now - main.answer.at > BELIEVED_S:
        return None
    return main.answer


def _not_yet_asked(instance: Instance) -> bool:
    running = instance.pod is not None and instance.pod.running and not instance.pod.terminated
    return running and instance.answer is None and not instance.refused and not instance.silent and not instance.denied


def _role(document: Document | None, instance: Instance, pod: Pod) -> str:
    """The role by the document; who is neither main nor partner in it is a replica if it says so itself."""
    if document is not None and document.phase is Phase.SERVING:
        if pod.uid == document.main_uid:
            return Label.MAIN
        sync = document.sync
        if sync is not None and (sync.ordinal, sync.volume) == (instance.ordinal, pod.volume):
            return Label.SYNC
    if instance.answer is not None:
        return Label.REPLICA if instance.answer.role is Role.REPLICA else ""
    # Not asked yet by this leader. Two pods labelled `main` would be worse than none.
    return Label.REPLICA if _not_yet_asked(instance) and pod.shown.role == Label.REPLICA else ""


def _because(role: str, why: Why, message: str) -> Shown:
    return Shown(role, why in _TRUE, why.value, message)
