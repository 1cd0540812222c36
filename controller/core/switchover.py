"""The planned switchover (P-P): cut, wait until the partner holds everything, demote, promote."""

from __future__ import annotations

from dataclasses import replace

from controller.core.actions import Demote, Plan
from controller.core.answers import accept, refuse
from controller.core.memory import CutProgress
from controller.core.model import Answer, Role
from controller.core.reasons import Reason
from controller.core.requests import Request, SwitchoverRequest
from controller.core.view import View, diverged, name_of, registration, target, without_readers
from sidecar.contract.state import CutKind, Phase


def wanted_partner(view: View) -> int | None:
    """The ordinal the sync partner should have for a switchover that was asked for; None: any (P-S7)."""
    wanted = view.obs.request.wanted if view.obs.request else None
    if isinstance(wanted, SwitchoverRequest) and wanted.target not in (None, view.document.master_index):
        return wanted.target
    return view.memory.switchover


def switch_over(view: View, answer: Answer) -> Plan | None:
    """Begin a switchover if one was asked for, or if the main's pod is being deleted and its partner stays."""
    main, asked = view.main, view.obs.request
    assert main.pod is not None, "the main just answered"
    if asked is not None and isinstance(asked.wanted, SwitchoverRequest) and view.memory.switchover is None:
        return _take_request(view, answer, asked, asked.wanted.target)
    if view.memory.switchover is None and not main.pod.deleting:
        return None
    partner = view.partner()
    if partner is None or partner.pod is None or partner.pod.deleting or not _nearly_there(view, answer):
        if view.memory.switchover is None:
            return None
        return view.plan(Reason.SWITCHOVER_WAITING, "waiting for a replica that holds every write", None, 0.1)
    if view.memory.switchover not in (None, partner.ordinal):
        return None  # partner.py is making the wanted one the partner
    why = "was asked for" if view.memory.switchover is not None else f"since {main.pod.name} is being deleted"
    view = view.remember(switchover=partner.ordinal)
    return view.publish(
        Reason.SWITCHOVER,
        f"switchover from {main.pod.name} to {name_of(partner)} {why}: cutting the clients",
        phase=Phase.CUT,
        cut_kind=CutKind.PLANNED,
        read_addresses=without_readers(view, partner),
    )


def _take_request(view: View, answer: Answer, asked: Request, wanted: int | None) -> Plan | None:
    """Answer the request *before* the cut: a leader that dies in between loses it, and never does it twice."""
    document = view.document

    def refused(why: str) -> Plan:
        return refuse(view.obs, view.memory, asked, why)

    if wanted == document.master_index:
        return refused(f"instance {wanted} is the main already")
    if wanted is not None and wanted >= view.obs.replicas_wanted:
        return refused(f"there is no instance {wanted}")
    sync = document.sync
    if sync is None or (wanted is not None and sync.ordinal != wanted):
        if wanted is not None and not view.answers(view.obs.instance(wanted), Role.REPLICA):
            return refused(f"instance {wanted} does not answer as a replica")
        if wanted is not None and diverged(view, view.obs.instance(wanted), view.main):
            return refused(f"instance {wanted} diverged: it has to begin anew first")
        if not any(view.answers(i, Role.REPLICA) for i in view.obs.instances):
            return refused("no replica answers")
        return None  # partner.py makes it the partner first; the request stays until then
    if not _nearly_there(view, answer):
        return None
    memory = replace(view.memory, switchover=sync.ordinal)
    return accept(view.obs, memory, asked, f"switchover to instance {sync.ordinal} accepted")


def while_main_is_main(view: View, cut: CutProgress) -> Plan | None:
    """Within the planned cut, the main still main: wait for the partner, demote, or None to publish it again.

    A leader that did not begin this switchover (its memory says nothing of it) publishes the main again.
    """
    main, now, policy = view.main, view.obs.now, view.obs.policy
    answer, sync = view.obs.answer(main), view.document.sync
    if view.memory.switchover is None or answer is None or sync is None:
        return None
    if cut.demote_sent_at is not None:
        if now - cut.demote_sent_at < policy.switchover_wait_s:
            return view.wait(Reason.SWITCHOVER_WAITING, "waiting for the demotion to be read back", 0.05, main.ordinal)
        return None
    partner = view.partner()
    if answer.at > cut.seen_at and partner and view.answers(partner, Role.REPLICA) and _holds_everything(view, answer):
        view = view.remember(cut=replace(cut, demote_sent_at=now))
        return view.plan(Reason.SWITCHOVER, f"demoting {name_of(main)}", Demote(target(main), sync.registration), 0.0)
    if now - cut.seen_at < policy.switchover_wait_s:
        return view.wait(Reason.SWITCHOVER_WAITING, "waiting until the partner holds every write", 0.01, main.ordinal)
    return None


def _holds_everything(view: View, answer: Answer) -> bool:
    sync = view.document.sync
    row = registration(answer, sync.registration) if sync else None
    return row is not None and row.caught_up


def _nearly_there(view: View, answer: Answer) -> bool:
    """Near enough to cut: the rest is waited for within the cut, where nobody writes any more."""
    sync = view.document.sync
    row = registration(answer, sync.registration) if sync else None
    return row is not None and row.streams and row.behind is not None and row.behind >= -view.obs.policy.laggard_ts
