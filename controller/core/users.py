"""Users (P-U): Community replicates none and a replica takes none, so each main is given them, and asked by logging in.

Every instance also takes users at each start, from the init-file composed when its pod began; a replica whose pod is
older than the Secret stays behind until that pod is replaced or it is promoted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from controller.core.actions import ApplyUser, Plan
from controller.core.model import Instance, Observation
from controller.core.reasons import Reason
from controller.core.view import View, name_of, target

_NOT_ASKED_S = 0.05  # it is being asked: another look soon


@dataclass(frozen=True, slots=True)
class Pending:
    """An instance that is not known to have today's users. `lacks` is None while it has not been asked."""

    ordinal: int
    lacks: tuple[str, ...] | None


def pending_users(obs: Observation) -> tuple[Pending, ...]:
    """Who is not known to have today's users: by name, or not asked yet. Empty where there are no users to apply."""
    if obs.users is None:
        return ()
    expected = [obs.instance(ordinal) for ordinal in range(obs.replicas_wanted)]
    each = [Pending(instance.ordinal, lacking(obs, instance)) for instance in expected]
    return tuple(pending for pending in each if pending.lacks != ())


def lacking(obs: Observation, instance: Instance) -> tuple[str, ...] | None:
    """The users this instance lacks or knows by another password; None if it was not asked about this version."""
    if obs.users is None:
        return ()
    known = instance.users
    return known.lacks if known is not None and known.version == obs.users.version else None


def apply_users(view: View) -> Plan | None:
    """A changed Secret reaches the serving main at once, a user a step."""
    return _apply(view, view.main)


def users_before_publishing(view: View, main: Instance) -> Plan | None:
    """In a `cut`: give the new main its users first, for at most `users_wait_s`; what is left follows while serving."""
    cut = view.memory.cut
    missing = lacking(view.obs, main)
    if missing == () or cut is None:
        return None
    since = cut.users_since if cut.users_since is not None else view.obs.now
    if view.obs.now - since >= view.obs.policy.users_wait_s:
        return None
    view = view.remember(cut=replace(cut, users_since=since))
    if missing is None:
        message = f"asking {name_of(main)} which users it knows"
        return view.wait(Reason.USERS_APPLYING, message, _NOT_ASKED_S)
    return _apply(view, main)


def _apply(view: View, main: Instance) -> Plan | None:
    wanted = view.obs.users
    if wanted is None or main.pod is None:
        return None
    for name in lacking(view.obs, main) or ():
        failed = (main.pod.incarnation, wanted.version, name)
        if view.obs.now >= view.memory.users_failed.get(failed, 0.0):
            message = f"giving {name_of(main)} user {name} with its present password"
            return view.plan(Reason.USERS_APPLYING, message, ApplyUser(target(main), wanted.version, name), 0.0)
    return None


def denied(instances: Iterable[Instance]) -> str:
    """A sentence on those that refuse every password the controller has, or nothing."""
    names = [name_of(instance) for instance in instances if instance.denied]
    if not names:
        return ""
    return f"{' and '.join(names)} {'refuses' if len(names) == 1 else 'refuse'} the controller's credentials"


def and_denied(message: str, instances: Iterable[Instance]) -> str:
    """The message, and after it who refuses every password, if anybody does."""
    refusing = denied(instances)
    return f"{message}; {refusing}" if refusing else message
