"""The sync partner: the replica known to hold every acknowledged write (P-S1 to P-S10), while the document serves."""

from __future__ import annotations

from dataclasses import replace

from controller.core.actions import DeletePod, Plan, Prove, Register
from controller.core.busy import cut_for_partner, too_busy
from controller.core.memory import Sighting
from controller.core.model import Answer, Instance, Mode, OnNoSyncReplica, Registration, Role, Status
from controller.core.reasons import Reason
from controller.core.switchover import wanted_partner
from controller.core.view import View, diverged, name_of, ordinal_of, registration, row_of, strict, target
from sidecar.contract.state import CutKind, Phase, SyncReplica


def meets_s1(view: View, main_answer: Answer, row: Registration, replica: Instance) -> bool:
    """P-S1 without the proof M2: the main's row and the replica's own word agree."""
    answer = view.obs.answer(replica)
    return (
        strict(row)
        and row.caught_up
        and answer is not None
        and answer.role is Role.REPLICA
        and replica.pod is not None
        and view.memory.registered.get(row.name) == replica.pod.incarnation
        and answer.database_uuid == main_answer.database_uuid
        and main_answer.transactional
    )


def recorded(replica: Instance, row: Registration) -> SyncReplica:
    """What the document says of this partner."""
    assert replica.pod is not None, "a partner that meets S1 has a pod"
    return SyncReplica(replica.ordinal, replica.pod.volume, row.name)


def best_replica(view: View, main: Instance) -> Instance | None:
    """The replica most likely to be caught up soonest: the wanted one, then same database, highest known ts."""
    answer = view.obs.answer(main)
    wanted, ordered = wanted_partner(view), view.obs.orders.open
    candidates = []
    for instance in view.obs.instances:
        said = view.obs.answer(instance)
        if instance.ordinal == main.ordinal or said is None or said.role is not Role.REPLICA or answer is None:
            continue
        if instance.pod is None or instance.pod.deleting or instance.ordinal >= view.obs.replicas_wanted:
            continue
        if view.obs.now < view.memory.backoff_until.get(instance.ordinal, 0.0) or diverged(view, instance, main):
            continue
        if ordered is not None and ordered.pod_uid == instance.pod.uid:
            continue  # it is about to begin anew (P-R1)
        same = said.database_uuid == answer.database_uuid
        last_ts = view.memory.last_ts.get(instance.ordinal, -1)
        candidates.append((instance.ordinal == wanted, same, last_ts, -instance.ordinal, instance))
    return max(candidates, key=lambda item: item[:4])[4] if candidates else None


def keep_partner(view: View, answer: Answer) -> Plan | View:
    """Watch the recorded partner. A plan if it is lost or hung; else the view, remembering what was seen."""
    sync = view.document.sync
    if sync is None:
        return view
    row = registration(answer, sync.registration)
    hung = _hung(view, row)
    if hung is not None:
        return hung
    lost, view = _why_lost(view, answer, row)
    if lost is None:
        return view
    reason, why = lost
    view = view.remember(switchover=None)  # an accepted switchover counted on this partner
    if view.obs.policy.on_no_sync_replica is OnNoSyncReplica.BLOCK:
        # Replacing the partner needs a moment without one: under `block` nobody may write in it (P-S5, P-S8).
        return view.publish(
            reason,
            f"replica {sync.ordinal} no longer holds every write ({why}): writes wait for another",
            phase=Phase.CUT,
            cut_kind=CutKind.PLANNED,
            sync=None,
        )
    return view.publish(reason, f"replica {sync.ordinal} no longer holds every write: {why}", sync=None)


def _hung(view: View, row: Registration | None) -> Plan | None:
    """P-S10: a silent partner that stalls the main's commits would hold them for half a minute."""
    assert view.document.sync is not None, "only a recorded partner can hang"
    instance, policy = view.obs.instance(view.document.sync.ordinal), view.obs.policy
    if instance.pod is None or instance.silent_since is None or row is None:
        return None
    if row.caught_up and row.status is Status.READY:
        return None
    if view.obs.now - instance.silent_since < policy.hung_partner_s:
        return None
    message = f"{name_of(instance)} hangs and holds up every write: deleting its pod"
    return view.plan(Reason.HUNG_INSTANCE_DELETED, message, DeletePod(instance.pod, instance.ordinal))


def _why_lost(view: View, main_answer: Answer, row: Registration | None) -> tuple[tuple[Reason, str] | None, View]:
    sync = view.document.sync
    assert sync is not None, "only a recorded partner can be lost"
    instance = view.obs.instance(sync.ordinal)
    answer = view.obs.answer(instance)
    lost = Reason.PARTNER_LOST
    if row is None:
        return (lost, "the main has no such registration"), view
    if row.status in (Status.GHOST, Status.DIVERGED, Status.RECOVERY):
        return (lost, f"the main reports it as {row.status.value}"), view
    if instance.pod is not None and instance.pod.volume != sync.volume:
        return (lost, "it runs on another volume"), view
    if answer is not None and answer.database_uuid != view.document.database_uuid:
        return (lost, "it holds another database"), view
    made_for = view.memory.registered.get(row.name)
    if made_for is not None and instance.pod is not None and made_for != instance.pod.incarnation:
        return (lost, "it was restarted"), view
    if _goes_without_successor(view, instance):
        return (lost, "its pod is being deleted, and nobody else can take its place"), view
    view, sighting = _sight(view, main_answer, row)
    if row.status is Status.INVALID:
        # P-S6: the main's word counts; our own probe only says whether waiting for one of its checks is worth it.
        if answer is None or view.obs.now - sighting.since > view.obs.policy.partner_grace_s:
            return (lost, "the main cannot reach it"), view
    elif row.behind is not None and row.behind < 0 and sighting.polls >= 2:
        # P-S4: the same lag at the same ts twice is a lost second phase; nothing repairs it while the main is idle.
        return (Reason.PARTNER_LAGS, "it never got the end of a commit"), view
    return None, view


def _goes_without_successor(view: View, partner: Instance) -> bool:
    """P-S7 for two pods under `serve`: cleared before it goes, or every write would wait until its loss is noticed."""
    if partner.pod is None or not partner.pod.deleting:
        return False
    if view.obs.policy.on_no_sync_replica is OnNoSyncReplica.BLOCK:
        return False
    others = set(range(view.obs.replicas_wanted)) - {partner.ordinal, view.document.master_index}
    return not any(view.answers(view.obs.instance(ordinal), Role.REPLICA) for ordinal in others)


def _sight(view: View, main_answer: Answer, row: Registration) -> tuple[View, Sighting]:
    """Remember how the partner looks, and for how many of the main's answers it has looked like that."""
    if row.status is Status.INVALID:
        what = Status.INVALID.value
    else:
        what = "caught up" if row.caught_up else f"{row.ts} {row.behind}"
    seen = view.memory.partner
    if seen is None or seen.registration != row.name or seen.what != what:
        seen = Sighting(row.name, what, view.obs.now, 1, main_answer.at)
    elif main_answer.at > seen.answer_at:
        seen = replace(seen, polls=seen.polls + 1, answer_at=main_answer.at)
    return view.remember(partner=seen), seen


def gain_partner(view: View, answer: Answer) -> Plan | None:
    """Make a replica the partner: without one, or when another one is wanted (P-S5, P-S7)."""
    sync = view.document.sync
    if sync is not None and not _replace(view):
        return None
    for row in answer.registrations or ():
        if strict(row) and row.name in view.memory.registered and (sync is None or row.name != sync.registration):
            return _towards_recorded(view, answer, row)
    candidate = best_replica(view, view.main)
    if candidate is None or candidate.pod is None or (sync is not None and candidate.ordinal == sync.ordinal):
        return None
    now = row_of(answer, candidate.ordinal)
    if now is None or not now.streams or now.behind is None or now.behind < -view.obs.policy.laggard_ts:
        return None  # membership registers it ASYNC first, or it is still too far behind
    if too_busy(view):
        return cut_for_partner(view, candidate)
    name = view.memory.next_name(candidate.ordinal)
    view = view.remember(names_used=view.memory.names_used + 1)
    address = candidate.pod.replication_address
    action = Register(target(view.main), target(candidate), name, address, Mode.STRICT_SYNC, now.name)
    message = f"making {name_of(candidate)} the replica that holds every write"
    return view.plan(Reason.PARTNER_REGISTERING, message, action, 0.0)


def _replace(view: View) -> bool:
    """P-S7: whether the recorded partner should give way to another one."""
    sync = view.document.sync
    assert sync is not None, "there is a partner to replace"
    instance = view.obs.instance(sync.ordinal)
    leaving = (instance.pod is not None and instance.pod.deleting) or sync.ordinal >= view.obs.replicas_wanted
    return leaving or wanted_partner(view) not in (None, sync.ordinal)


def towards_proof(
    view: View, main: Instance, answer: Answer, row: Registration, patience_s: float
) -> Plan | SyncReplica | None:
    """A strict registration of this leader: prove it or wait for it. The partner once proven; None: give it up."""
    ordinal = ordinal_of(row.name)
    assert ordinal is not None, "a registration this leader made carries its ordinal"
    replica = view.obs.instance(ordinal)
    if meets_s1(view, answer, row, replica):
        if row.name in view.memory.proven:
            return recorded(replica, row)
        proof = Prove(target(main), target(replica), row.name)
        return view.plan(Reason.PARTNER_PROVING, f"proving that {name_of(replica)} receives writes", proof, 0.0)
    if view.obs.now - view.memory.registered_at.get(row.name, view.obs.now) < patience_s:
        message = f"waiting for {name_of(replica)} to catch up"
        return view.wait(Reason.PARTNER_REGISTERING, message, 0.01, main.ordinal, ordinal)
    return None


def _towards_recorded(view: View, answer: Answer, row: Registration) -> Plan | None:
    """A strict registration that is not recorded yet; membership drops what is given up."""
    step = towards_proof(view, view.main, answer, row, view.obs.policy.strict_wait_s)
    if not isinstance(step, SyncReplica):
        return step
    reason = Reason.PARTNER_CHANGED if view.document.sync else Reason.PARTNER_RECORDED
    return view.publish(reason, f"{name_of(view.obs.instance(step.ordinal))} holds every write", sync=step)
