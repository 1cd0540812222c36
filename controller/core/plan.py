"""The planner: `plan(observation, memory)` names the one next step, and why. The order of the rules is this file.

It is a pure function, right with an empty memory, and it plans at most one action: after it, the world is looked at
again. (What cannot be known is waited for: a Plan without an action says for what, and when to look again.)
"""

from __future__ import annotations

from dataclasses import replace

from controller.core.actions import Plan
from controller.core.complete import finish_cut
from controller.core.failover import fail_over
from controller.core.membership import delete_hung_main, demote_second_main, drop_unfit, register_missing
from controller.core.memory import Memory
from controller.core.model import Answer, Found, Observation, Role
from controller.core.partner import gain_partner, keep_partner
from controller.core.reasons import Reason
from controller.core.rebuild import rebuild
from controller.core.switchover import switch_over
from controller.core.term import begin_term, raise_epoch
from controller.core.view import View, ordinal_of, readers, serving


def plan(obs: Observation, memory: Memory) -> Plan:
    """The next step for what is seen and remembered."""
    stored = obs.stored
    if not isinstance(stored, Found):
        return rebuild(obs, memory, stored)
    view = View(obs, memory, stored.document, stored.resource_version)
    step = begin_term(view) or raise_epoch(view)
    if step is not None:
        return step
    view = view.remember(document=stored.document)
    if not serving(view):
        return finish_cut(view)
    return _serve(view)


def _serve(view: View) -> Plan:
    view = _note_serving(view)
    step = fail_over(view)
    if step is not None:
        return step
    answer = view.main_answer
    if answer is None:
        message = f"main {view.document.main_pod} has not answered for a moment"
        if view.answers(view.main, Role.MAIN):
            message = f"at the address of main {view.document.main_pod} answers the main of another database"
        return view.plan(Reason.STEADY, message, None, 0.1)
    view = _note_positions(view, answer)
    step = demote_second_main(view) or delete_hung_main(view)
    if step is not None:
        return step
    kept = keep_partner(view, answer)
    if isinstance(kept, Plan):
        return kept
    view = kept
    step = (
        switch_over(view, answer)
        or drop_unfit(view, answer)
        or gain_partner(view, answer)
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


def _note_positions(view: View, answer: Answer) -> View:
    positions = dict(view.memory.last_ts)
    for row in answer.registrations or ():
        ordinal = ordinal_of(row.name)
        if ordinal is not None and row.ts is not None:
            positions[ordinal] = row.ts
    return replace(view, memory=replace(view.memory, last_ts=positions))


def _read_addresses(view: View, answer: Answer) -> Plan | None:
    addresses = readers(view, view.main, answer)
    if addresses == view.document.read_addresses:
        return None
    message = f"{len(addresses)} replicas can be read"
    return view.publish(Reason.READ_ADDRESSES_CHANGED, message, read_addresses=addresses)


def _steady(view: View) -> Plan:
    document = view.document
    if document.sync is None:
        message = f"{document.main_pod} is main, and no replica is known to hold every write"
        return view.plan(Reason.UNPROTECTED, message)
    return view.plan(Reason.STEADY, f"{document.main_pod} is main, replica {document.sync.ordinal} holds every write")
