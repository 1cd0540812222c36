"""What `GET /api/v1/status` says, built from what this process saw and decided. Pure; http.py gives it its JSON."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.fleet.model import FleetStatus
from controller.core.memory import Memory
from controller.core.model import Answer, Found, Instance, Observation, Registration, Role
from controller.core.reasons import Reason
from controller.core.requests import RequestAnswer, promote_command
from controller.core.reseedable import left_to_a_person
from controller.core.users import lacking
from controller.core.view import View, row_of
from sidecar.contract.state import Document


@dataclass(frozen=True, slots=True)
class Decision:
    """The last change of opinion; `since` is a wall-clock text."""

    reason: Reason
    message: str
    since: str


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """One instance: what it said last, and how the main sees it. None: it, or the main, did not say."""

    ordinal: int
    pod: str | None
    role: Role | None
    marker: int | None
    vertices: int | None
    database_uuid: str | None
    answered_ago_s: float | None
    problem: str | None
    registration: str | None
    registration_mode: str | None
    registration_status: str | None
    behind: int | None
    lacks_users: tuple[str, ...] | None
    left_alone: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """Everything this controller knows. Without leading, it knows who leads, and the pods."""

    controller: str
    leading: bool
    leader: str | None
    term: int | None
    epoch: int | None
    phase: str | None
    main: str | None
    sync_replica: int | None
    paused: str | None
    reseeding: int | None
    decision: Decision | None
    last_answer: RequestAnswer | None
    instances: tuple[InstanceStatus, ...]
    commands: tuple[str, ...]
    fleet: FleetStatus | None = None


def status_of(
    obs: Observation,
    leader: str | None,
    *,
    leading: bool,
    decision: Decision | None,
    answer: RequestAnswer | None,
    memory: Memory | None = None,
) -> Status:
    """The status by this observation. Not leading, the document and what instances said are too old to be told."""
    alone = _left_alone(obs, memory or Memory()) if leading else {}
    document = obs.stored.document if leading and isinstance(obs.stored, Found) else None
    return Status(
        controller=obs.identity,
        leading=leading,
        leader=leader,
        term=document.term if document else obs.lease_term or None,
        epoch=document.epoch if document else obs.lease_epoch or None,
        phase=document.phase.value if document else None,
        main=document.main_pod if document else None,
        sync_replica=document.sync.ordinal if document and document.sync else None,
        paused=obs.paused if leading else None,
        reseeding=obs.orders.open.ordinal if leading and obs.orders.open else None,
        decision=decision if leading else None,
        last_answer=answer if leading else None,
        instances=tuple(
            _instance(obs, instance, document, leading, alone.get(instance.ordinal)) for instance in obs.instances
        ),
        commands=_commands(obs, decision) if leading else (),
    )


def _left_alone(obs: Observation, memory: Memory) -> dict[int, str]:
    if not isinstance(obs.stored, Found):
        return {}
    return left_to_a_person(View(obs, memory, obs.stored.document, obs.stored.resource_version))


def _instance(
    obs: Observation, instance: Instance, document: Document | None, leading: bool, alone: str | None
) -> InstanceStatus:
    said = instance.answer if leading else None
    row = _row(obs, instance, document)
    return InstanceStatus(
        ordinal=instance.ordinal,
        pod=instance.pod.name if instance.pod else None,
        role=said.role if said else None,
        marker=said.marker if said else None,
        vertices=said.vertices if said else None,
        database_uuid=said.database_uuid or None if said else None,
        answered_ago_s=round(max(0.0, obs.now - said.at), 1) if said else None,
        problem=_problem(instance) if leading else None,
        registration=row.name if row else None,
        registration_mode=row.mode.value if row and row.mode else None,
        registration_status=row.status.value if row else None,
        behind=row.behind if row else None,
        lacks_users=lacking(obs, instance) if leading else None,
        left_alone=alone,
    )


def _row(obs: Observation, instance: Instance, document: Document | None) -> Registration | None:
    main: Answer | None = obs.instance(document.master_index).answer if document else None
    return row_of(main, instance.ordinal) if main else None


def _problem(instance: Instance) -> str | None:
    """The most telling one."""
    if instance.pod is None:
        return "no pod"
    if instance.pod.terminated or not instance.pod.running:
        return "not running"
    if instance.denied:
        return "denied"
    if instance.refused:
        return "refused"
    return "silent" if instance.silent else None


def _commands(obs: Observation, decision: Decision | None) -> tuple[str, ...]:
    """What a person may type where no rule may decide (P-B1)."""
    if decision is None or decision.reason is not Reason.REBUILD_AMBIGUOUS:
        return ()
    return tuple(promote_command(i.ordinal) for i in obs.instances if obs.answer(i) is not None)
