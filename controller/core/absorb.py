"""What an action's outcome adds to a leader's memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from controller.core.actions import (
    Action,
    AnswerRequest,
    ApplyUser,
    CloseOrder,
    Demote,
    Drop,
    Outcome,
    Prove,
    Publish,
    Register,
    Reseed,
)
from controller.core.memory import Memory, with_item, without
from controller.core.model import Mode

_FIRST_BACKOFF_S: Final = 2.0  # a replica that just restarted may need a moment
_UNKNOWN_BACKOFF_S: Final = 10.0  # P-F1: an unanswered REGISTER may still be stalling the main
_MOST_BACKOFF_S: Final = 300.0
_USER_BACKOFF_S: Final = 10.0  # what Memgraph refuses once it refuses until somebody changes the Secret


def absorb(memory: Memory, action: Action, outcome: Outcome, now: float) -> Memory:
    """The memory after this action ended like this. `now` is when."""
    match action:
        case Publish():
            return _published(memory, action, outcome)
        case Register():
            return _registered(memory, action, outcome, now)
        case Drop():
            return _forget(memory, action.name)
        case Prove():
            if outcome is Outcome.DONE:
                return replace(memory, proven=memory.proven | {action.registration})
            # Forgotten, it is an unknown strict registration, which is dropped: only a fresh one is proof (P-S2).
            return _back_off(_forget(memory, action.registration), action.replica.ordinal, now, _FIRST_BACKOFF_S)
        case ApplyUser() if outcome is not Outcome.DONE:
            return _user_failed(memory, action, now)
        case Reseed() if outcome is Outcome.DONE:
            failed = memory.reseed_failed - {action.ordinal}
            return replace(memory, reseed_sent=action.pod.uid, reseed_failed=failed, reseed_asked=None)
        case Reseed():
            return _back_off(memory, action.ordinal, now, _FIRST_BACKOFF_S)
        case CloseOrder() if outcome is Outcome.DONE and action.failed:
            return replace(memory, reseed_failed=memory.reseed_failed | {action.order.ordinal})
        case AnswerRequest() if outcome is not Outcome.DONE:
            # Whoever asked may have taken the request back: what was not answered is not begun.
            memory = replace(memory, switchover=None, promotion=None)
            return replace(memory, reseed_asked=None) if action.answer.request == "reseed" else memory
        case Demote() if outcome is Outcome.DONE and memory.cut is not None:
            return replace(memory, cut=replace(memory.cut, demoted=True))
        case Demote() if outcome is Outcome.FAILED and memory.cut is not None:
            return replace(memory, cut=replace(memory.cut, demote_sent_at=None))
    return memory


def _published(memory: Memory, action: Publish, outcome: Outcome) -> Memory:
    if outcome is Outcome.DONE:
        term = action.document.term
        tries = 0 if action.document.sync is not None else memory.strict_tries
        return replace(
            memory, term=term, document=action.document, write_unanswered=False, promotion=None, strict_tries=tries
        )
    return replace(memory, write_unanswered=memory.write_unanswered or outcome is Outcome.UNKNOWN)


def _registered(memory: Memory, action: Register, outcome: Outcome, now: float) -> Memory:
    if action.drop is not None:
        memory = _forget(memory, action.drop)
    ordinal = action.replica.ordinal
    if outcome is Outcome.DONE:
        return replace(
            memory,
            registered=with_item(memory.registered, action.name, action.replica.pod.incarnation),
            registered_at=with_item(memory.registered_at, action.name, now),
            backoff_s=without(memory.backoff_s, ordinal),
            diverged=without(memory.diverged, ordinal),
        )
    if outcome is Outcome.DIVERGED:
        between = (action.replica.pod.incarnation, action.on.pod.incarnation)
        return replace(memory, diverged=with_item(memory.diverged, ordinal, between))
    if outcome is Outcome.BUSY:
        # It was tried for two seconds: waiting longer makes nobody idle.
        return replace(memory, strict_tries=memory.strict_tries + 1) if action.mode is Mode.STRICT_SYNC else memory
    first = _FIRST_BACKOFF_S if outcome is Outcome.FAILED else _UNKNOWN_BACKOFF_S
    return _back_off(memory, ordinal, now, first)


def _user_failed(memory: Memory, action: ApplyUser, now: float) -> Memory:
    same = (action.on.pod.incarnation, action.version)
    of_today = {key: at for key, at in memory.users_failed.items() if key[:2] == same}
    return replace(memory, users_failed={**of_today, (*same, action.name): now + _USER_BACKOFF_S})


def _back_off(memory: Memory, ordinal: int, now: float, first: float) -> Memory:
    wait = min(max(first, memory.backoff_s.get(ordinal, 0.0) * 2), _MOST_BACKOFF_S)
    return replace(
        memory,
        backoff_until=with_item(memory.backoff_until, ordinal, now + wait),
        backoff_s=with_item(memory.backoff_s, ordinal, wait),
    )


def _forget(memory: Memory, name: str) -> Memory:
    return replace(
        memory,
        registered=without(memory.registered, name),
        registered_at=without(memory.registered_at, name),
        proven=memory.proven - {name},
    )
