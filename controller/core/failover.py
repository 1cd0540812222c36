"""Failover: when the recorded main is given up (P-F1), for whom (P-F2, P-F3), and the cut that comes first (P-F4)."""

from __future__ import annotations

from controller.core.actions import Plan
from controller.core.model import Instance, Role
from controller.core.reasons import Reason
from controller.core.requests import promote_command
from controller.core.users import and_denied
from controller.core.view import View, name_of, without_readers
from sidecar.contract.state import CutKind, Phase

_GIVEN_UP_TOO_OFTEN = 2  # P-F3
_GIVEN_UP_KEPT = 4  # of two mains that take turns


def suspect(view: View) -> Reason | None:
    """P-F1: why the recorded main can no longer be the main, or None. Pod readiness plays no part in it."""
    main, document = view.main, view.document
    if main.pod is None or main.pod.uid != document.main_uid:
        return Reason.MAIN_POD_GONE
    if main.pod.terminated:
        return Reason.MAIN_TERMINATED
    remembered = view.memory.main_incarnation
    if remembered is not None and remembered[0] == document.epoch and remembered[1] != main.pod.incarnation:
        return Reason.MAIN_RESTARTED
    if view.answers(main, Role.REPLICA):
        return Reason.MAIN_IS_REPLICA
    policy = view.obs.policy
    if main.refused >= policy.refused_probes:
        return Reason.MAIN_REFUSES
    if main.silent >= policy.silent_probes and any(
        view.obs.answer(other) for other in view.obs.instances if other.ordinal != main.ordinal
    ):
        # Were nobody else to answer, the silence would more likely be ours than the main's.
        return Reason.MAIN_SILENT
    return None


def eligible(view: View) -> tuple[Instance, ...]:
    """P-F3: who may become main at all. The recorded partner, and the last published main on its recorded volume.

    Everything else lacks the proof that it holds each acknowledged write.
    """
    main = view.main
    candidates = []
    partner = view.partner()
    if partner is not None:
        candidates.append(partner)
    if main.pod is not None and main.pod.volume == view.document.main_volume:
        candidates.append(main)
    return tuple(candidates)


def choose_candidate(view: View) -> Instance | None:
    """P-F2, P-F3: the eligible instance to promote now, or None if none answers `replica` with the right database.

    One answers: that one, at once. Both: the higher epoch marker, then the last main. The partner comes first where it
    is known to hold everything (a switchover demoted the main), or where the main may have lost something (it was given
    up twice within a minute, or it does not flush every commit).
    """
    answering = [instance for instance in eligible(view) if view.is_ours(instance, Role.REPLICA)]
    if not answering:
        return None
    cut = view.memory.cut
    demoted = cut is not None and cut.epoch == view.document.epoch and cut.demoted
    partner_first = demoted or view.obs.policy.wal_flush_every > 1 or _given_up_again(view)

    def rank(instance: Instance) -> tuple[int, bool]:
        marker = instance.answer.marker if instance.answer else None
        is_main = instance.ordinal == view.document.master_index
        return (marker if marker is not None else -1, is_main is not partner_first)

    return max(answering, key=rank)


def waiting_for_candidates(view: View) -> str:
    """What a cluster without a candidate waits for, and what a person may do where that will never come (P-F3)."""
    names = " or ".join(name_of(instance) for instance in eligible(view))
    if names:
        return and_denied(f"waiting for {names} to answer as a replica", eligible(view))
    commands = " or ".join(promote_command(i.ordinal) for i in view.obs.instances if view.obs.answer(i) is not None)
    message = f"waiting for {view.document.main_pod} to come back on its volume"
    return f"{message}; if that is lost, a person has to decide, by {commands}" if commands else message


def _given_up_again(view: View) -> bool:
    """P-F3: the recorded main was given up twice within a minute: something ails it."""
    since = view.obs.now - view.obs.policy.restarts_s
    times = [at for at, volume in view.memory.given_up if volume == view.document.main_volume and at >= since]
    return len(times) >= _GIVEN_UP_TOO_OFTEN


def _note_given_up(view: View) -> View:
    noted = (*view.memory.given_up, (view.obs.now, view.document.main_volume))
    return view.remember(given_up=noted[-_GIVEN_UP_KEPT:])


def fail_over(view: View) -> Plan | None:
    """Give the main up if it must be: publish `cut`, with the candidate out of the read addresses (P-F4)."""
    reason = suspect(view)
    if reason is None:
        return None
    what = _SENTENCES[reason].format(main=view.document.main_pod)
    candidate = choose_candidate(view)
    if candidate is None and view.main_answer is not None:
        return None  # its pod's status came late: this process was promoted already, since none is born a main
    if candidate is None:
        message = f"{what}, but no instance may take over yet: {waiting_for_candidates(view)}"
        return view.plan(Reason.NO_CANDIDATE, message, None, 0.1)
    return _note_given_up(view).publish(
        reason,
        f"{what}: cutting the clients, then {name_of(candidate)} takes over",
        phase=Phase.CUT,
        cut_kind=CutKind.FAILOVER,
        # Whoever may be promoted, not only today's choice: another one may answer first (P-F4).
        read_addresses=without_readers(view, *eligible(view)),
    )


_SENTENCES = {
    Reason.MAIN_POD_GONE: "the pod of main {main} is gone",
    Reason.MAIN_TERMINATED: "the process of main {main} ended",
    Reason.MAIN_RESTARTED: "the process of main {main} was restarted",
    Reason.MAIN_IS_REPLICA: "main {main} says it is a replica",
    Reason.MAIN_REFUSES: "main {main} refuses connections",
    Reason.MAIN_SILENT: "main {main} accepts connections and does not answer",
}
