"""No valid document: restore the one this leader knows (P-W5), or rebuild it from what every instance says (P-B1)."""

from __future__ import annotations

from dataclasses import replace

from controller.core.actions import Plan, Publish
from controller.core.memory import Memory
from controller.core.model import Absent, Answer, Instance, Malformed, Observation, Role
from controller.core.reasons import Reason
from controller.core.requests import promote_command
from controller.core.users import and_denied
from sidecar.contract.state import CutKind, Document, Phase


def rebuild(obs: Observation, memory: Memory, stored: Absent | Malformed) -> Plan:
    """The plan while the ConfigMap is missing or malformed."""
    if memory.term is not None and memory.document is not None:
        return _restore(obs, memory, stored, memory.document)
    return _from_instances(obs, memory, stored)


def _restore(obs: Observation, memory: Memory, stored: Absent | Malformed, known: Document) -> Plan:
    """P-W5: the same document again; one epoch higher if readers may have seen something else under this one."""
    if isinstance(stored, Malformed):
        reason, message = Reason.DOCUMENT_MENDED, "the document was not valid: " + "; ".join(stored.problems)
        epoch = max(known.epoch, stored.epoch, obs.lease_epoch) + 1
    else:
        reason, message = Reason.DOCUMENT_RESTORED, "the document had vanished: created again"
        epoch = known.epoch + 1 if memory.write_unanswered else known.epoch
    document = replace(known, epoch=epoch)
    return create(obs, memory, stored, document, reason, message)


def _from_instances(obs: Observation, memory: Memory, stored: Absent | Malformed) -> Plan:
    """P-B1: only after every ordinal answered may anybody be named."""
    expected = [obs.instance(ordinal) for ordinal in range(obs.replicas_wanted)]
    answered = [(i, a) for i in expected if i.pod is not None and (a := obs.answer(i)) is not None]
    if not expected or len(answered) < len(expected):
        missing = [str(i.ordinal) for i in expected if i not in [x for x, _ in answered]]
        message = f"no document yet: waiting for instance {', '.join(missing) or '0'} to answer"
        message = and_denied(message, expected)
        return Plan(Reason.WAITING_FOR_INSTANCES, message, None, 0.1, memory)
    named = _who_was_main(answered)
    if named is None:
        each = "; ".join(
            f"{i.pod.name if i.pod else i.ordinal}: {a.role.value}, epoch marker {a.marker}, {a.vertices} vertices"
            for i, a in answered
        )
        commands = " or ".join(promote_command(i.ordinal) for i, _ in answered)
        message = f"no document, and who was main cannot be told ({each}): a person has to decide, by {commands}"
        return Plan(Reason.REBUILD_AMBIGUOUS, message, None, 1.0, memory)
    instance, answer, reason = named
    document = first_document(obs, memory, stored, instance, answer)
    if reason is not Reason.BOOTSTRAP:
        # Who was left out may hold what this one lacks: the re-seed must not take it for an old copy (P-R1).
        document = replace(document, rebuilt_term=document.term, rebuilt_epoch=document.epoch)
    return create(obs, memory, stored, document, reason, "")


def _who_was_main(answered: list[tuple[Instance, Answer]]) -> tuple[Instance, Answer, Reason] | None:
    mains = [(i, a) for i, a in answered if a.role is Role.MAIN]
    newest = max(_marker(a) for _, a in answered)
    if not any(a.vertices or a.user_schema or a.marker is not None for _, a in answered) and len(mains) <= 1:
        return (*(mains[0] if mains else answered[0]), Reason.BOOTSTRAP)
    if len(mains) == 1:
        instance, answer = mains[0]
        return (instance, answer, Reason.ADOPTED) if _marker(answer) == newest else None
    holders = [(i, a) for i, a in answered if _marker(a) == newest]
    if not mains and len(holders) == 1 and newest >= 0:
        return (*holders[0], Reason.ADOPTED)
    return None


def _marker(answer: Answer) -> int:
    return answer.marker if answer.marker is not None else -1


def first_document(
    obs: Observation, memory: Memory, stored: Absent | Malformed, instance: Instance, answer: Answer
) -> Document:
    """Named as last main of a `cut`: finishing that cut does the rest (P-F7)."""
    assert instance.pod is not None, "only instances that answered are named"
    known = max(_marker(obs.answer(i) or answer) for i in obs.instances) if obs.instances else -1
    raw, term = (stored.epoch, stored.term) if isinstance(stored, Malformed) else (0, 0)
    return Document(
        term=max(obs.lease_term, memory.term or 0, term) + 1,
        epoch=max(known, obs.lease_epoch, raw, 0) + 1,
        phase=Phase.CUT,
        cut_kind=CutKind.FAILOVER,
        master_index=instance.ordinal,
        main_pod=instance.pod.name,
        main_uid=instance.pod.uid,
        main_address=instance.pod.bolt_address,
        main_volume=instance.pod.volume,
        database_uuid=answer.database_uuid,
        sync=None,
        read_addresses=(),
        reason="",
        message="",
        writer="",
        updated_at="",
        tls_ca=obs.tls.ca,
        tls_server_name=obs.tls.server_name,
        cut_on_change=obs.policy.cut_on_change,
    )


def create(
    obs: Observation, memory: Memory, stored: Absent | Malformed, document: Document, reason: Reason, message: str
) -> Plan:
    """A plan that stores this document where there is none."""
    message = message or f"{document.main_pod} is named the last main; it becomes main if it answers"
    signed = replace(document, reason=reason.value, message=message, writer=obs.identity, updated_at=obs.updated_at)
    version = stored.resource_version if isinstance(stored, Malformed) else None
    return Plan(reason, message, Publish(signed, version), 0.0, memory)
