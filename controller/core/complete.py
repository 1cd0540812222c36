"""Finishing a `cut`, whoever began it (P-F5 to P-F8): promote, mark, register the partner, publish."""

from __future__ import annotations

from dataclasses import replace

from controller.core.actions import Drop, Mark, Plan, Promote, Register
from controller.core.failover import choose_candidate, eligible, waiting_for_candidates
from controller.core.membership import delete_hung_main, demote_second_main
from controller.core.memory import CutProgress, in_cut
from controller.core.model import Answer, Instance, Mode, OnNoSyncReplica, Registration, Role
from controller.core.partner import best_replica, towards_proof
from controller.core.reasons import Reason
from controller.core.reseed import close_order, remark, reseed
from controller.core.switchover import while_main_is_main
from controller.core.users import users_before_publishing
from controller.core.view import View, identity_of, name_of, readers, registration, row_of, strict, target
from sidecar.contract.state import CutKind, Phase, SyncReplica

_MARKER_TRIES = 3  # each may take a command's timeout; a missing marker costs less than a longer cut (P-M1)


def finish_cut(view: View) -> Plan:
    """The next step of the `cut` the document is in."""
    view = replace(view, memory=in_cut(view.memory, view.document.epoch, view.obs.now))
    main = view.main
    promoted = [i for i in eligible(view) if i.ordinal != main.ordinal and view.is_our_main(i)]
    if promoted:
        return publish_steps(view, promoted[0], Reason.PUBLISHED)
    if main in eligible(view) and view.is_our_main(main):
        return _old_main_is_main(view)
    return _nobody_is_main(view)


def progress(view: View) -> CutProgress:
    """How far this leader got with the present cut."""
    assert view.memory.cut is not None, "finish_cut begins the tracking"
    return view.memory.cut


def _old_main_is_main(view: View) -> Plan:
    cut, answer = progress(view), view.obs.answer(view.main)
    if answer is None or answer.at <= cut.seen_at:
        # From before the cut, it says nothing about why the cut was made.
        return view.wait(Reason.CUT_SETTLING, f"asking {name_of(view.main)} again", 0.0, view.main.ordinal)
    if view.document.cut_kind is CutKind.PLANNED:
        waiting = while_main_is_main(view, cut)
        if waiting is not None:
            return waiting
    elif _promotion_on_its_way(view, cut):
        # P-F8: a promotion is on its way; it may still be read back.
        assert cut.promote_sent_to is not None, "a promotion that was sent was sent to somebody"
        return view.wait(Reason.PROMOTING, "waiting for the answer to the promotion", 0.05, cut.promote_sent_to)
    if view.document.reason in (Reason.BOOTSTRAP, Reason.ADOPTED, Reason.PROMOTED_BY_COMMAND):
        reason = Reason.PUBLISHED
    else:
        reason = Reason.OLD_MAIN_PUBLISHED if view.memory.switchover is None else Reason.SWITCHOVER_ABORTED
    return publish_steps(view, view.main, reason)


def _promotion_on_its_way(view: View, cut: CutProgress) -> bool:
    """Whether the partner was told to become main a moment ago and has not been read back."""
    if cut.promote_sent_at is None or cut.promote_sent_to == view.main.ordinal:
        return False
    return view.obs.now - cut.promote_sent_at < view.obs.policy.promotion_wait_s


def _nobody_is_main(view: View) -> Plan:
    cut, document, policy, now = progress(view), view.document, view.obs.policy, view.obs.now
    waited = now - cut.seen_at
    if document.cut_kind is CutKind.PLANNED and not view.answers(view.main, Role.REPLICA):
        since = cut.demote_sent_at if cut.demote_sent_at is not None else cut.seen_at
        if now - since < policy.switchover_wait_s:
            message = f"waiting for {document.main_pod} to answer"
            return view.wait(Reason.SWITCHOVER_WAITING, message, 0.05, document.master_index)
        return view.publish(
            Reason.SWITCHOVER_BECAME_FAILOVER,
            f"{document.main_pod} stopped answering during the switchover: continuing as a failover",
            cut_kind=CutKind.FAILOVER,
        )
    if document.cut_kind is CutKind.FAILOVER and waited < policy.cut_settle_s and not _old_main_is_dead(view):
        return view.plan(
            Reason.CUT_SETTLING,
            "giving the sidecars time to close their connections",
            None,
            policy.cut_settle_s - waited,
        )
    if cut.promote_sent_to is not None and _may_be_main(view, cut, cut.promote_sent_to):
        # Nobody else before that is known: it may have acknowledged what a stale sidecar sent (P-F8).
        message = f"waiting for {name_of(view.obs.instance(cut.promote_sent_to))} to say whether it is main"
        return view.wait(Reason.PROMOTING, message, 0.05, cut.promote_sent_to)
    candidate = choose_candidate(view)
    if candidate is None:
        return view.plan(Reason.NO_CANDIDATE, waiting_for_candidates(view), None, 0.1)
    view = view.remember(cut=replace(cut, promote_sent_at=now, promote_sent_to=candidate.ordinal))
    return view.plan(
        Reason.PROMOTING,
        f"promoting {name_of(candidate)}",
        Promote(target(candidate), document.database_uuid),
        0.0,
    )


def _may_be_main(view: View, cut: CutProgress, ordinal: int) -> bool:
    """Whether a promotion that was sent, or even read back, may stand, although the instance does not answer now.

    A status of its pod that comes late makes its answers count for nothing (another process gave them) until the next.
    """
    instance, sent = view.obs.instance(ordinal), cut.promote_sent_at
    if sent is None or view.obs.now - sent >= view.obs.policy.promotion_wait_s:
        return False
    if instance.pod is None or instance.pod.terminated or instance.refused >= view.obs.policy.refused_probes:
        return False
    answer = view.obs.answer(instance)
    return answer is None or answer.at <= sent or answer.role is Role.MAIN


def _old_main_is_dead(view: View) -> bool:
    """P-F5: proof that the old main's process can acknowledge nothing any more.

    Its container terminated, or its pod runs a new process, which was born a replica (P-N1). A vanished pod object
    alone is no proof: it may have been deleted by force on a node nobody reaches. Whom a person promoted, the document
    calls the last main; the one that served is no longer in it.
    """
    pod, main = view.main.pod, view.main
    if pod is None or pod.uid != view.document.main_uid or view.document.reason == Reason.PROMOTED_BY_COMMAND:
        return False
    return pod.terminated or view.is_ours(main, Role.REPLICA)  # a stranger's replica may have the address by now


def publish_steps(view: View, main: Instance, reason: Reason) -> Plan:
    """What is left between an instance that is MAIN and the document that says so (P-F6)."""
    answer = view.obs.answer(main)
    assert answer is not None, "publish_steps is for an instance that just answered"
    cut = progress(view)
    epoch = view.document.epoch + 1
    if not answer.registrations and answer.marker != epoch and cut.marker_tries < _MARKER_TRIES:
        # Before the first registration only: later the marker's commit would wait for a partner.
        view = view.remember(cut=replace(cut, marker_tries=cut.marker_tries + 1))
        return view.plan(Reason.MARKING, f"marking epoch {epoch} on {name_of(main)}", Mark(target(main), epoch), 0.0)
    order = view.obs.orders.open
    if order is not None and order.epoch == view.document.epoch:  # ordered in this cut, and void once it is over
        closed = close_order(view)
        if closed is not None:
            return closed
    step, sync = _partner_step(view, main, answer)
    # Last, so that a partner catches up meanwhile; then the partner is looked at again.
    step = step or users_before_publishing(view, main)
    if step is not None:
        return step
    protection = f"replica {sync.ordinal} holds every write" if sync else "no replica holds every write yet"
    return view.publish(
        reason,
        f"{name_of(main)} is main; {protection}",
        phase=Phase.SERVING,
        sync=sync,
        read_addresses=readers(view, main, answer),
        **identity_of(main, answer),
    )


def _partner_step(view: View, main: Instance, answer: Answer) -> tuple[Plan | None, SyncReplica | None]:
    """The next step towards a proven partner (P-S5), or None and the partner to publish."""
    document, policy, now = view.document, view.obs.policy, view.obs.now
    if document.sync and main.ordinal == document.master_index:
        row = registration(answer, document.sync.registration)
        if row is not None and row.caught_up:
            return None, document.sync
    rows = [row for row in answer.registrations or () if strict(row)]
    for row in rows:
        if row.name not in view.memory.registered:
            # Made by an earlier leader: a fresh name is the only proof that nothing buffered can drop it (P-S2).
            return _drop(view, main, row), None
    block = policy.on_no_sync_replica is OnNoSyncReplica.BLOCK
    if rows:
        return _await_partner(view, main, answer, rows[0], block)
    cut = progress(view)
    replica = best_replica(view, main)
    if replica is None or (cut.partner_registered_at is not None and not block):
        return (_wait_for_partner(view, main) if block else None), None
    name = view.memory.next_name(replica.ordinal)
    stale = row_of(answer, replica.ordinal)
    view = view.remember(cut=replace(cut, partner_registered_at=now), names_used=view.memory.names_used + 1)
    assert replica.pod is not None, "best_replica has a pod"
    action = Register(
        target(main),
        target(replica),
        name,
        replica.pod.replication_address,
        Mode.STRICT_SYNC,
        stale.name if stale else None,
    )
    message = f"registering {name_of(replica)} as the replica that holds every write"
    return view.plan(Reason.PARTNER_REGISTERING, message, action, 0.0), None


def _wait_for_partner(view: View, main: Instance) -> Plan:
    """P-S8's `block`: what can end the wait where nobody can be the partner as they are.

    A former main that woke up has to be a replica first (P-F7); one that diverged has to begin anew (P-R1).
    """
    step = demote_second_main(view, main) or delete_hung_main(view, main) or reseed(view)
    remarked = remark(view)
    message = "waiting for a replica that can hold every write"
    message = f"{message}; {remarked[1]}" if remarked is not None else message
    return step or view.plan(Reason.UNPROTECTED, message, None, 0.1)


def _await_partner(
    view: View, main: Instance, answer: Answer, row: Registration, block: bool
) -> tuple[Plan | None, SyncReplica | None]:
    patience = view.obs.policy.strict_wait_s if block else view.obs.policy.partner_wait_s
    step = towards_proof(view, main, answer, row, patience)
    if isinstance(step, SyncReplica):
        return None, step
    return step or _drop(view, main, row), None


def _drop(view: View, main: Instance, row: Registration) -> Plan:
    message = f"dropping registration {row.name}: not known to hold every write"
    return view.plan(Reason.REGISTRATION_DROPPED, message, Drop(target(main), row.name), 0.0)
