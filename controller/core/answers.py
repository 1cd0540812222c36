"""Answers to requests: the plan that gives one, and every request that needs no look at the cluster.

A request is answered *before* what it asks for is begun: a leader that dies in between loses it, and no leader ever
does it twice.
"""

from __future__ import annotations

from controller.core.actions import AnswerRequest, Plan
from controller.core.memory import Memory
from controller.core.model import Observation
from controller.core.reasons import Reason
from controller.core.requests import (
    PauseRequest,
    Request,
    RequestAnswer,
    ReseedRequest,
    ResumeRequest,
    SwitchoverRequest,
    Unreadable,
)


def accept(obs: Observation, memory: Memory, request: Request, message: str) -> Plan:
    """Take the request; `memory` knows what was accepted."""
    return _answer(obs, memory, request, Reason.REQUEST_ANSWERED, message, obs.paused)


def refuse(obs: Observation, memory: Memory, request: Request, why: str) -> Plan:
    """Take the request away and say why nothing comes of it."""
    reason = Reason.SWITCHOVER_REFUSED if request.key == "switchover" else Reason.REQUEST_REFUSED
    return _answer(obs, memory, request, reason, f"{request.key} refused: {why}", obs.paused)


def _answer(
    obs: Observation, memory: Memory, request: Request, reason: Reason, message: str, paused: str | None
) -> Plan:
    answer = RequestAnswer(
        request=request.key,
        value=request.value,
        accepted=reason is Reason.REQUEST_ANSWERED,
        reason=reason.value,
        message=message,
        at=obs.updated_at,
        writer=obs.identity,
    )
    return Plan(reason, message, AnswerRequest(answer, paused), 0.0, memory)


def refuse_unreadable(obs: Observation, memory: Memory) -> Plan | None:
    """A value that means nothing is answered, not ignored."""
    request = obs.request
    if request is None or not isinstance(request.wanted, Unreadable):
        return None
    return refuse(obs, memory, request, request.wanted.why)


def pause_or_resume(obs: Observation, memory: Memory) -> Plan | None:
    """The pause is a word on the requests' ConfigMap, so that it outlives leaders."""
    request = obs.request
    if request is None or not isinstance(request.wanted, PauseRequest | ResumeRequest):
        return None
    if isinstance(request.wanted, ResumeRequest):
        if obs.paused is None:
            return refuse(obs, memory, request, "the controller is not paused")
        return _answer(
            obs, memory, request, Reason.REQUEST_ANSWERED, "resume accepted: the controller acts again", None
        )
    if obs.paused is not None:
        return refuse(obs, memory, request, f"the controller is paused already ({obs.paused})")
    who = f"by {request.wanted.who or 'somebody'} at {obs.updated_at}"
    message = "pause accepted: no failover until it is resumed"
    return _answer(obs, memory, request, Reason.REQUEST_ANSWERED, message, who)


def while_paused(obs: Observation, memory: Memory) -> Plan | None:
    """Nothing is published and nothing commanded; of the requests only `resume` is granted."""
    if obs.paused is None:
        return None
    step = refuse_unreadable(obs, memory) or pause_or_resume(obs, memory)
    if step is not None:
        return step
    if obs.request is not None:
        return refuse(obs, memory, obs.request, f"the controller is paused ({obs.paused}): resume it first")
    # A pause is for a person's own hands: what was known of registrations and sightings may be wrong afterwards. The
    # names used stay, since none may be used again (P-S2).
    memory = Memory(memory.term, memory.document, memory.write_unanswered, names_used=memory.names_used)
    message = f"paused {obs.paused}: nothing is published and nothing commanded until it is resumed"
    return Plan(Reason.PAUSED, message, memory=memory)


def refuse_switchover(obs: Observation, memory: Memory) -> Plan | None:
    """A switchover needs a main, and no instance may become one now."""
    request = obs.request
    if request is None or not isinstance(request.wanted, SwitchoverRequest):
        return None
    return refuse(obs, memory, request, "there is no main to switch from")


def refuse_reseed(obs: Observation, memory: Memory) -> Plan | None:
    """Without a document nothing says whose data it would get (P-R1)."""
    request = obs.request
    if request is None or not isinstance(request.wanted, ReseedRequest):
        return None
    return refuse(obs, memory, request, "there is no main to seed it from")
