"""Who is registered where, while the document serves: second mains, hung ones, and the asynchronous replicas."""

from __future__ import annotations

from controller.core.actions import DeletePod, Demote, Drop, Plan, Register
from controller.core.model import Answer, Instance, Mode, Registration, Role, Status
from controller.core.reasons import Reason
from controller.core.strangers import doubtful
from controller.core.view import View, diverged, name_of, ordinal_of, strict, target

_LATE = "it did not catch up in time and holds up writes"
_INVALID_FOR_S = 3.0  # the main's own checker heals a short break within its three strikes


def demote_second_main(view: View, main: Instance) -> Plan | None:
    """P-F7, P-F9: any other instance that says MAIN gets demoted, and nothing else; never another cluster's."""
    for instance in view.obs.instances:
        if instance.ordinal == main.ordinal or doubtful(view, instance):
            continue
        if view.answers(instance, Role.MAIN):
            message = f"{name_of(instance)} says main, and {name_of(main)} is: demoting it"
            return view.plan(Reason.DEMOTING_SECOND_MAIN, message, Demote(target(instance)), 0.0)
    return None


def delete_hung_main(view: View, main: Instance) -> Plan | None:
    """P-F7: a hung instance that may be a former main would wake up as MAIN; its pod is deleted with grace 0.

    One that said `replica` before it hung, in this same process, wakes up as a replica and is left alone.
    """
    for instance in view.obs.instances:
        if instance.ordinal == main.ordinal or instance.pod is None or instance.silent_since is None:
            continue
        if instance.answer is not None and instance.answer.role is Role.REPLICA:
            continue
        if view.obs.now - instance.silent_since >= view.obs.policy.hung_main_s:
            message = f"{name_of(instance)} hangs and may believe it is main: deleting its pod"
            return view.plan(Reason.HUNG_INSTANCE_DELETED, message, DeletePod(instance.pod, instance.ordinal))
    return None


def drop_unfit(view: View, answer: Answer) -> Plan | None:
    """Drop registrations that are nobody's, a ghost's, a former process', or a strict one that never got ready."""
    seen: set[int] = set()
    ordinal: int | None
    sync = view.document.sync
    for row in answer.registrations or ():
        if sync is not None and row.name == sync.registration:
            ordinal, why = sync.ordinal, None
        else:
            ordinal = ordinal_of(row.name)
            why = _unfit(view, row, ordinal, seen)
        if why is not None:
            message = f"dropping registration {row.name}: {why}"
            if why == _LATE and row.name not in view.memory.proven:  # a former partner that was lost is no try
                view = view.remember(strict_tries=view.memory.strict_tries + 1)
            return view.plan(Reason.REGISTRATION_DROPPED, message, Drop(target(view.main), row.name), 0.0)
        if ordinal is not None and not strict(row):
            seen.add(ordinal)
    return None


def _unfit(view: View, row: Registration, ordinal: int | None, seen: set[int]) -> str | None:
    memory, now = view.memory, view.obs.now
    if ordinal is None or ordinal >= view.obs.replicas_wanted or ordinal == view.document.master_index:
        return "it is not in the plan"
    if ordinal in seen:
        return "this replica has another one"
    instance = view.obs.instance(ordinal)
    made_for = memory.registered.get(row.name)
    if strict(row):
        if made_for is None:
            return "an earlier leader made it and never recorded it"
        if now - memory.registered_at.get(row.name, now) >= view.obs.policy.strict_wait_s:
            return _LATE
    if row.status in (Status.GHOST, Status.DIVERGED):
        return f"it is {row.status.value}"
    if instance.pod is None:
        return None  # it may come back; a dead asynchronous registration delays nobody
    if row.address != instance.pod.replication_address:
        return "it points to an address that is no longer this replica's"
    if made_for is not None and made_for != instance.pod.incarnation:
        return "the replica was restarted and no longer obeys it"
    if made_for is not None:
        return None  # the main's checker heals links; REGISTER over a broken one stalls it until it counts as hung
    # By an earlier leader, perhaps for a process that is gone. Once is nothing: a main under load calls it so
    # whenever a commit comes while it catches up.
    invalid_for = now - memory.invalid_since.get(row.name, now)
    if view.answers(instance, Role.REPLICA) and invalid_for >= _INVALID_FOR_S:
        return "the main cannot reach it, and it answers"
    return None


def register_missing(view: View, answer: Answer) -> Plan | None:
    """Register every replica that answers and has no registration, ASYNC: it delays nobody while it catches up."""
    registered = {ordinal_of(row.name) for row in answer.registrations or ()}
    for instance in view.obs.instances:
        if instance.ordinal in registered or not _may_register(view, instance):
            continue
        assert instance.pod is not None, "an instance that answers has a pod"
        name = view.memory.next_name(instance.ordinal)
        view = view.remember(names_used=view.memory.names_used + 1)
        action = Register(target(view.main), target(instance), name, instance.pod.replication_address, Mode.ASYNC, None)
        message = f"registering {name_of(instance)} as an asynchronous replica"
        return view.plan(Reason.REPLICA_REGISTERING, message, action, 0.0)
    return None


def _may_register(view: View, instance: Instance) -> bool:
    return (
        instance.ordinal != view.document.master_index
        and instance.ordinal < view.obs.replicas_wanted
        and instance.pod is not None
        and not instance.pod.deleting
        and not diverged(view, instance, view.main)
        and view.answers(instance, Role.REPLICA)
        and view.obs.now >= view.memory.backoff_until.get(instance.ordinal, 0.0)
    )
