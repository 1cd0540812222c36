"""`promote N accept-data-loss`: a person names the main where no rule may (P-F3's last sentence, P-B1's).

The document then calls that instance the last main of a `cut`; finishing the cut does the rest (P-F7). It counts as
rebuilt: whoever was left out may hold what was acknowledged, and is not re-seeded by itself (P-R2).
"""

from __future__ import annotations

from dataclasses import replace

from controller.core.actions import Plan
from controller.core.answers import accept, refuse
from controller.core.memory import Memory, Promotion
from controller.core.model import Absent, Instance, Malformed, Observation
from controller.core.reasons import Reason
from controller.core.rebuild import create, first_document
from controller.core.requests import PromoteRequest
from controller.core.view import View, identity_of, name_of, without_readers
from sidecar.contract.state import CutKind, Phase


def take_promotion(view: View) -> Plan | None:
    """Answer the request, with a valid document."""
    request = view.obs.request
    if request is None or not isinstance(request.wanted, PromoteRequest):
        return None
    ordinal = request.wanted.ordinal
    if view.main_answer is not None and ordinal == view.document.master_index:
        return refuse(view.obs, view.memory, request, f"instance {ordinal} is the main already")
    return _take(view.obs, view.memory, view.document.epoch)


def take_promotion_without_document(obs: Observation, memory: Memory) -> Plan | None:
    """Answer the request where there is no document and none may be made without a word (P-B1)."""
    if obs.request is None or not isinstance(obs.request.wanted, PromoteRequest):
        return None
    return _take(obs, memory, None)  # also where a document is there that a backup brought back (P-W4)


def carry_out_promotion(view: View) -> Plan | None:
    """The accepted promotion, if nothing was published since: cut, and name that instance the last main."""
    promotion = view.memory.promotion
    if promotion is None or promotion.epoch != view.document.epoch:
        return None
    instance = view.obs.instance(promotion.ordinal)
    why, answer = unfit(view.obs, instance), view.obs.answer(instance)
    if why is not None or answer is None:
        return _give_up(view.memory, instance, why)
    return view.publish(
        Reason.PROMOTED_BY_COMMAND,
        f"{name_of(instance)} is to become main by command, and what it lacks is lost: cutting the clients",
        phase=Phase.CUT,
        cut_kind=CutKind.FAILOVER,
        epoch=view.document.epoch + 1,
        sync=None,
        rebuilt_term=view.document.term,
        rebuilt_epoch=view.document.epoch + 1,
        read_addresses=without_readers(view, instance),
        **identity_of(instance, answer),
    )


def carry_out_without_document(obs: Observation, memory: Memory, stored: Absent | Malformed) -> Plan | None:
    """The accepted promotion while there is no document: create one that names that instance."""
    promotion = memory.promotion
    if promotion is None or promotion.epoch is not None:
        return None
    instance = obs.instance(promotion.ordinal)
    why, answer = unfit(obs, instance), obs.answer(instance)
    if why is not None or answer is None:
        return _give_up(memory, instance, why)
    document = first_document(obs, memory, stored, instance, answer)
    document = replace(document, rebuilt_term=document.term, rebuilt_epoch=document.epoch)
    message = f"{name_of(instance)} is named the last main by command, and becomes main"
    return create(obs, memory, stored, document, Reason.PROMOTED_BY_COMMAND, message)


def unfit(obs: Observation, instance: Instance) -> str | None:
    """Why not even a person can make this instance the main, or None."""
    answer = obs.answer(instance)
    if instance.ordinal >= obs.replicas_wanted:
        return f"there is no instance {instance.ordinal}"
    if instance.pod is None or answer is None:
        return f"instance {instance.ordinal} does not answer"
    if instance.pod.deleting:
        return f"the pod of instance {instance.ordinal} is being deleted"
    if not answer.database_uuid:
        return f"instance {instance.ordinal} does not say which database it holds"
    return None


def _take(obs: Observation, memory: Memory, epoch: int | None) -> Plan:
    request = obs.request
    assert request is not None, "only called with a request"
    assert isinstance(request.wanted, PromoteRequest), "only called with a promotion"
    instance = obs.instance(request.wanted.ordinal)
    why = unfit(obs, instance)
    if why is not None:
        return refuse(obs, memory, request, why)
    memory = replace(memory, promotion=Promotion(instance.ordinal, epoch))
    return accept(obs, memory, request, f"promotion of {name_of(instance)} accepted, with the loss of what it lacks")


def _give_up(memory: Memory, instance: Instance, why: str | None) -> Plan:
    message = f"promotion of {name_of(instance)} given up: {why}"
    return Plan(Reason.REQUEST_REFUSED, message, None, 0.01, replace(memory, promotion=None))
