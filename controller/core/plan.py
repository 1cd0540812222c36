"""The planner: `plan(observation, memory)` names the one next step, and why. The order of the rules is this file.

It is a pure function, right with an empty memory, and it plans at most one action: after it, the world is looked at
again. (What cannot be known is waited for: a Plan without an action says for what, and when to look again.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from controller.core.actions import Plan, Publish
from controller.core.answers import pause_or_resume, refuse_reseed, refuse_switchover, refuse_unreadable, while_paused
from controller.core.complete import finish_cut
from controller.core.failover import fail_over
from controller.core.lonely import give_way, note_heard
from controller.core.membership import delete_hung_main, demote_second_main, drop_unfit, register_missing
from controller.core.memory import Memory
from controller.core.model import Absent, Answer, Found, Malformed, Observation, Role, Status
from controller.core.partner import gain_partner, keep_partner
from controller.core.promote import (
    carry_out_promotion,
    carry_out_without_document,
    take_promotion,
    take_promotion_without_document,
)
from controller.core.reasons import Reason
from controller.core.rebuild import rebuild
from controller.core.reseed import note_diverged, remark, reseed, take_reseed
from controller.core.strangers import must_list_pods
from controller.core.switchover import switch_over
from controller.core.term import begin_term, settle_write, went_back
from controller.core.tls import publish_cutting, publish_tls
from controller.core.users import apply_users, denied
from controller.core.view import View, ordinal_of, readers, serving
from sidecar.contract.state import unreadable

_MAY_LAST: Final = frozenset({Reason.NO_CANDIDATE, Reason.UNPROTECTED})
"""A cut waits for these as long as it takes: only then are requests answered within one."""

_WITHHELD_S: Final = 0.5
"""What was seen may be complete by then: the address of a new pod comes after the pod."""


def plan(obs: Observation, memory: Memory) -> Plan:
    """The next step for what is seen and remembered. A document that no sidecar could read is never part of it."""
    step = _decide(obs, memory)
    if not isinstance(step.action, Publish):
        return step
    problem = unreadable(step.action.document)
    if not problem:
        return step
    message = f"nobody could read what was to be published, so it is not: {problem}"
    return Plan(Reason.DOCUMENT_WITHHELD, message, None, _WITHHELD_S, memory)


def _decide(obs: Observation, memory: Memory) -> Plan:
    memory = note_heard(obs, memory)
    alone = give_way(obs, memory)
    if alone is not None:
        return alone
    stored = obs.stored
    behind = went_back(obs, memory, stored) if isinstance(stored, Found) else None
    if behind is not None:
        stored, memory = behind
    if not isinstance(stored, Found):
        return while_paused(obs, memory) or _without_document(obs, memory, stored)
    view = View(obs, memory, stored.document, stored.resource_version)
    step = None if not serving(view) else while_paused(obs, memory)  # a cut under way is finished first
    step = step or begin_term(view) or settle_write(view)
    if step is not None:
        return step
    view = view.remember(document=stored.document)
    step = carry_out_promotion(view) or (_serve(view) if serving(view) else _finish(view))
    return replace(step, list_pods=must_list_pods(view))


def _without_document(obs: Observation, memory: Memory, stored: Absent | Malformed) -> Plan:
    step = rebuild(obs, memory, stored)
    if step.action is not None:
        return step
    return (
        carry_out_without_document(obs, memory, stored)
        or refuse_unreadable(obs, memory)
        or pause_or_resume(obs, memory)
        or take_promotion_without_document(obs, memory)
        or refuse_switchover(obs, memory)
        or refuse_reseed(obs, memory)
        or step
    )


def _finish(view: View) -> Plan:
    step = finish_cut(view)
    if step.action is not None or step.reason not in _MAY_LAST:
        return step
    view = replace(view, memory=step.memory)
    return _answer(view) or refuse_switchover(view.obs, view.memory) or step


def _answer(view: View) -> Plan | None:
    """Every request but a switchover, which needs a main that answers."""
    return (
        refuse_unreadable(view.obs, view.memory)
        or pause_or_resume(view.obs, view.memory)
        or take_promotion(view)
        or take_reseed(view)
    )


def _serve(view: View) -> Plan:
    view = _note_serving(view)
    step = fail_over(view)
    if step is not None and step.action is not None:
        return step
    asked = _answer(view)
    if asked is not None:
        return asked
    if step is not None:
        return refuse_switchover(view.obs, view.memory) or step
    answer = view.main_answer
    if answer is None:
        if view.main.denied:
            return view.plan(Reason.CREDENTIALS_REFUSED, denied([view.main]), None, 0.1)
        message = f"main {view.document.main_pod} has not answered for a moment"
        if view.answers(view.main, Role.MAIN):
            message = f"at the address of main {view.document.main_pod} answers the main of another database"
        return view.plan(Reason.MAIN_UNHEARD, message, None, 0.1)
    view = note_diverged(_note_registrations(view, answer), answer)
    step = publish_tls(view) or demote_second_main(view, view.main) or delete_hung_main(view, view.main)
    if step is not None:
        return step
    kept = keep_partner(view, answer)
    if isinstance(kept, Plan):
        return kept
    view = kept
    if not answer.transactional:
        # It refuses every replication query, too: nothing can be registered or dropped until somebody sets it back.
        return view.plan(Reason.UNPROTECTED, f"the storage mode of {view.document.main_pod} replicates nothing")
    step = (
        switch_over(view, answer)
        or publish_cutting(view)
        or drop_unfit(view, answer)
        or apply_users(view)
        or gain_partner(view, answer)
        or reseed(view)
        or register_missing(view, answer)
        or _read_addresses(view, answer)
    )
    return step or _steady(view)


def _note_serving(view: View) -> View:
    """A cut that ended takes its progress and its switchover with it; the main's process is known from now on."""
    if view.memory.cut is not None:
        view = view.remember(cut=None, switchover=None)
    remembered, pod = view.memory.main_incarnation, view.main.pod
    known = remembered is not None and remembered[0] == view.document.epoch
    if not known and pod is not None and pod.uid == view.document.main_uid and view.main_answer is not None:
        view = view.remember(main_incarnation=(view.document.epoch, pod.incarnation))
    return view


def _note_registrations(view: View, answer: Answer) -> View:
    rows, known, now = answer.registrations or (), view.memory.invalid_since, view.obs.now
    ours = [(ordinal, row) for row in rows if (ordinal := ordinal_of(row.name)) is not None]
    return view.remember(
        last_ts={**view.memory.last_ts, **{o: row.ts for o, row in ours if row.ts is not None}},
        streamed_at={**view.memory.streamed_at, **{o: now for o, row in ours if row.streams}},
        invalid_since={r.name: known.get(r.name, now) for r in rows if r.status is Status.INVALID},
    )


def _read_addresses(view: View, answer: Answer) -> Plan | None:
    addresses = readers(view, view.main, answer)
    if addresses == view.document.read_addresses:
        return None
    message = f"{len(addresses)} replicas can be read"
    return view.publish(Reason.READ_ADDRESSES_CHANGED, message, read_addresses=addresses)


def _steady(view: View) -> Plan:
    document, refusing = view.document, denied(view.obs.instances)
    if document.sync is None:
        reason = Reason.UNPROTECTED
        message = f"{document.main_pod} is main, and no replica is known to hold every write"
    else:
        reason = Reason.CREDENTIALS_REFUSED if refusing else Reason.STEADY
        message = f"{document.main_pod} is main, replica {document.sync.ordinal} holds every write"
    if refusing:
        message = f"{message}; {refusing}"
    remarked = remark(view)
    if remarked is not None:
        reason, message = remarked[0], f"{message}; {remarked[1]}"
    return view.plan(reason, message)
