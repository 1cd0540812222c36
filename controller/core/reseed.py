"""Re-seeding: a replica that diverged begins anew without data, its own moved aside (P-R1, P-R2).

Memgraph heals no divergence by itself (M-3.4): only an empty replica is taken back. The order is carried out by the
init container of the pod's successor, so nothing is moved under a running process.
"""

from __future__ import annotations

from dataclasses import replace

from controller.core.actions import CloseOrder, Plan, Reseed
from controller.core.answers import accept, refuse
from controller.core.memory import with_item
from controller.core.model import (
    Answer,
    Instance,
    Registration,
    ReseedOrder,
    Status,
)
from controller.core.reasons import Reason
from controller.core.requests import ReseedRequest
from controller.core.reseedable import needs_a_person, reseed_refusal, source
from controller.core.view import View, diverged, name_of, ordinal_of, target

_INVALID_FOR_S = 3.0  # as long as a registration may stay `invalid` before it is dropped (membership)


def note_diverged(view: View, answer: Answer) -> View:
    """Remember what the main's rows say of registrations this leader made for the process that runs now.

    `diverged` says it itself. A replica with other data of another database refuses the main for ever: `invalid`.
    """
    for row in answer.registrations or ():
        ordinal = ordinal_of(row.name)
        instance = view.obs.instance(ordinal) if ordinal is not None else None
        if instance is None or instance.pod is None or view.main.pod is None:
            continue
        if view.memory.registered.get(row.name) != instance.pod.incarnation:
            continue  # by an earlier leader or for an earlier process: registered anew, it says so again
        if row.status is Status.DIVERGED or _refuses_for_ever(view, instance, row):
            between = (instance.pod.incarnation, view.main.pod.incarnation)
            view = view.remember(diverged=with_item(view.memory.diverged, instance.ordinal, between))
    return view


def _refuses_for_ever(view: View, instance: Instance, row: Registration) -> bool:
    said = view.obs.answer(instance)
    if row.status is not Status.INVALID or said is None or _empty(said):
        return False
    if said.database_uuid == view.document.database_uuid:
        return False
    return view.obs.now - view.memory.registered_at.get(row.name, view.obs.now) >= _INVALID_FOR_S


def _empty(answer: Answer) -> bool:
    return answer.marker is None and not answer.vertices and not answer.user_schema


def take_reseed(view: View) -> Plan | None:
    """Answer the request for a re-seed; what was accepted is begun as soon as it may be (P-R1)."""
    request = view.obs.request
    if request is None or not isinstance(request.wanted, ReseedRequest):
        return None
    ordinal, asked = request.wanted.ordinal, view.memory.reseed_asked
    why = reseed_refusal(view, ordinal)
    if why is None and asked is not None:
        why = f"instance {asked} is about to be re-seeded: one at a time"
    if why is not None:
        return refuse(view.obs, view.memory, request, why)
    memory = replace(view.memory, reseed_asked=ordinal)
    name = name_of(view.obs.instance(ordinal))
    return accept(view.obs, memory, request, f"re-seed of {name} accepted: its data is moved aside, not deleted")


def reseed(view: View) -> Plan | None:
    """Look after the open order; without one, re-seed who was asked for, or who diverged and needs no person's word."""
    order, asked = view.obs.orders.open, view.memory.reseed_asked
    if order is not None:
        return _attend(view, order)
    if asked is not None and _rested(view, asked):
        why = reseed_refusal(view, asked)
        if why is None:
            return reseed_plan(view, asked)
        return view.remember(reseed_asked=None).wait(Reason.RESEED_WITHDRAWN, f"no re-seed any more: {why}", 0.1)
    main = source(view)
    for instance in view.obs.instances if main is not None else ():
        if main is None or not diverged(view, instance, main) or not _rested(view, instance.ordinal):
            continue
        if reseed_refusal(view, instance.ordinal) is None and needs_a_person(view, instance) is None:
            return reseed_plan(view, instance.ordinal)
    return None


def reseed_plan(view: View, ordinal: int) -> Plan:
    """Order this instance's re-seed. `reseed_refusal` must have nothing against it."""
    instance, policy = view.obs.instance(ordinal), view.obs.policy
    assert instance.pod is not None, "reseed_refusal wants a pod"
    expires = int(view.obs.unix_s) + policy.reseed_order_s
    order = ReseedOrder(ordinal, instance.pod.uid, view.document.epoch, expires)
    return _order(view, instance, order)


def _order(view: View, instance: Instance, order: ReseedOrder) -> Plan:
    main = source(view)
    answer = view.obs.answer(main) if main is not None else None
    assert main is not None, "reseed_refusal wants a main"
    assert answer is not None, "reseed_refusal wants the main's answer"
    assert answer.marker is not None, "reseed_refusal wants the newest marker"
    assert instance.pod is not None, "reseed_refusal wants a pod"
    action = Reseed(
        instance.pod,
        instance.ordinal,
        order,
        view.obs.orders.resource_version,
        view.document.term,
        target(main),
        view.document.database_uuid,
        answer.marker,
    )
    message = (
        f"{name_of(instance)} begins anew from {name_of(main)}: replacing its pod; "
        f"its data is moved aside, to mg_data.old-{order.epoch} on its volume"
    )
    return view.plan(Reason.RESEEDING, message, action, 0.0)


def remark(view: View) -> tuple[Reason, str] | None:
    """What people should know of re-seeds while nothing is to be done: reason and half a sentence."""
    order = view.obs.orders.open
    if order is not None:
        return Reason.RESEEDING, f"waiting for the successor of instance {order.ordinal}'s pod, to begin it anew"
    main = source(view)
    for instance in view.obs.instances if main is not None else ():
        if main is not None and diverged(view, instance, main) and view.obs.answer(instance) is not None:
            why = needs_a_person(view, instance)
            if why is not None:
                how = f"decide with: memgraph-ha reseed {instance.ordinal}"
                return Reason.DIVERGED_REPLICA, f"{name_of(instance)} diverged and is left alone, since {why}; {how}"
            why = reseed_refusal(view, instance.ordinal) or "the last attempt was a moment ago"
            return Reason.DIVERGED_REPLICA, f"{name_of(instance)} diverged and waits for its re-seed: {why}"
    return None


def close_order(view: View) -> Plan | None:
    """Close the open order when the successor answers, or when it must no longer be carried out."""
    order = view.obs.orders.open
    if order is None:
        return None
    instance = view.obs.instance(order.ordinal)
    name, said = name_of(instance), view.obs.answer(instance)
    replaced = instance.pod is not None and instance.pod.uid != order.pod_uid
    if replaced and said is not None and _empty(said):
        message = f"{name} begins anew without data; its former data is mg_data.old-{order.epoch} on its volume"
        return _close(view, order, Reason.RESEEDED, message)
    if order.epoch != view.document.epoch:  # its init container refuses it now, too
        return _close(view, order, Reason.RESEED_WITHDRAWN, f"the order to begin {name} anew is void: the main changed")
    if replaced and said is not None:
        return _close(view, order, Reason.RESEED_FAILED, f"{name} was replaced, and still has its former data")
    if view.obs.unix_s >= order.expires:
        return _close(view, order, Reason.RESEED_FAILED, f"{name} did not come back before its order expired")
    if order.ordinal >= view.obs.replicas_wanted:
        return _close(view, order, Reason.RESEED_WITHDRAWN, f"{name} is no longer wanted")
    return None


def _attend(view: View, order: ReseedOrder) -> Plan | None:
    """The open order: close it, or carry on with one whose pod was not deleted."""
    closed = close_order(view)
    if closed is not None:
        return closed
    instance = view.obs.instance(order.ordinal)
    name = name_of(instance)
    replaced = instance.pod is not None and instance.pod.uid != order.pod_uid
    if instance.pod is None or replaced or instance.pod.deleting or view.memory.reseed_sent == order.pod_uid:
        return None
    if not _rested(view, order.ordinal):
        return None
    # Written, and the pod not deleted: a leader ended in between, or the API server refused.
    unordered = replace(view, obs=replace(view.obs, orders=replace(view.obs.orders, open=None)))
    why = reseed_refusal(unordered, order.ordinal)
    if why is not None:
        return _close(view, order, Reason.RESEED_WITHDRAWN, f"{name} is not begun anew: {why}")
    return _order(view, instance, order)


def _close(view: View, order: ReseedOrder, reason: Reason, message: str) -> Plan:
    action = CloseOrder(order, view.obs.orders.resource_version, failed=reason is Reason.RESEED_FAILED)
    return view.plan(reason, message, action, 0.0)


def _rested(view: View, ordinal: int) -> bool:
    return view.obs.now >= view.memory.backoff_until.get(ordinal, 0.0)
