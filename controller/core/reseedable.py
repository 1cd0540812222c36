"""May this instance begin anew without data, now, and from whom (P-R1)? Does it need a person's word (P-R2)?"""

from __future__ import annotations

from controller.core.failover import eligible
from controller.core.model import Instance, OnDiverged, OnNoSyncReplica, Role
from controller.core.partner import best_replica
from controller.core.requests import SwitchoverRequest
from controller.core.view import View, diverged, name_of, serving, strict


def source(view: View) -> Instance | None:
    """Whose data the others get: the published main. With `block`, also the main that is about to be published.

    That one is MAIN and marked already, and waits for nothing but a partner: no other rule could end that wait where
    every replica diverged. The last main and the last partner are replicas like any other then: the one that was
    promoted holds what they held, and without the recorded database they are no candidates any more (P-F2).
    """
    if serving(view):
        return view.main
    if view.obs.policy.on_no_sync_replica is not OnNoSyncReplica.BLOCK:
        return None
    mains = [i for i in view.obs.instances if view.answers(i, Role.MAIN)]
    if len(mains) != 1 or mains[0] not in eligible(view):
        return None
    answer = view.obs.answer(mains[0])
    return mains[0] if answer is not None and answer.marker == view.document.epoch + 1 else None


def reseed_refusal(view: View, ordinal: int) -> str | None:
    """P-R1: why this instance may not be re-seeded now, whoever asks; None if it may."""
    return _against_instance(view, ordinal) or _against_moment(view) or _against_order(view) or _rebuilt(view, ordinal)


def _against_instance(view: View, ordinal: int) -> str | None:
    document, instance = view.document, view.obs.instance(ordinal)
    if serving(view) and ordinal == document.master_index:
        return f"instance {ordinal} is the main"
    if serving(view) and document.sync is not None and ordinal == document.sync.ordinal:
        return f"instance {ordinal} is the replica that holds every write"
    if ordinal >= view.obs.replicas_wanted or instance.pod is None:
        return f"there is no instance {ordinal}"
    if instance.pod.deleting:
        return f"{name_of(instance)} is being deleted already"
    if view.answers(instance, Role.MAIN):
        return f"{name_of(instance)} says it is main"
    return None


def _against_moment(view: View) -> str | None:
    """Whether the main can be trusted to hold everything worth having, and to stay."""
    document, main = view.document, source(view)
    if main is None:
        return "the clients are cut"
    answer = view.main_answer if serving(view) else view.obs.answer(main)
    if main.pod is None or answer is None:
        stranger = view.answers(main, Role.MAIN) and not view.is_our_main(main)
        return f"main {document.main_pod} does not {'hold the recorded database' if stranger else 'answer'}"
    if not serving(view) and (best_replica(view, main) or any(strict(row) for row in answer.registrations or ())):
        return "the clients are cut, and another replica may become the one that holds every write"
    published = main.ordinal == document.master_index
    if answer.database_uuid != document.database_uuid or (published and main.pod.volume != document.main_volume):
        return f"main {name_of(main)} does not hold the recorded database"
    markers = [i.answer.marker for i in view.obs.instances if i.answer is not None and i.answer.marker is not None]
    if answer.marker is None or answer.marker < max(markers):
        return f"main {name_of(main)} does not have the newest epoch marker"
    wanted = view.obs.request.wanted if view.obs.request is not None else None
    going = serving(view) and (view.memory.switchover is not None or isinstance(wanted, SwitchoverRequest))
    if main.pod.deleting or going:
        return "another instance is about to become main"
    return None


def _against_order(view: View) -> str | None:
    order = view.obs.orders.open
    return f"instance {order.ordinal} is being re-seeded: one at a time" if order is not None else None


def _rebuilt(view: View, ordinal: int) -> str | None:
    """Never in the term of a rebuild, unless the instance has followed this main's line since then.

    The document carries it, so that a leader without memory knows it, too.
    """
    document, said = view.document, view.obs.instance(ordinal).answer
    if not document.rebuilt_term or document.rebuilt_term != document.term:
        return None
    if said is not None and said.marker is not None and said.marker >= document.rebuilt_epoch:
        return None
    return (
        f"instance {ordinal} may hold what nobody else has: the document was rebuilt in this term "
        f"(restart the leading controller to begin another)"
    )


def needs_a_person(view: View, instance: Instance) -> str | None:
    """P-R2: why this instance is not re-seeded by itself, although P-R1 may allow it; None if it is.

    By itself only a member of an epoch that a recorded failover or switchover ended: its commits beyond that were
    acknowledged to nobody through a sidecar.
    """
    document, said, main = view.document, view.obs.answer(instance), source(view)
    main_said = view.obs.answer(main) if main is not None else None
    if view.obs.policy.on_diverged is OnDiverged.MANUAL:
        return "onDiverged is manual"
    if instance.ordinal in view.memory.reseed_failed:
        return "its last re-seed did not take"
    if said is None or main_said is None:
        return "it does not answer"
    if said.database_uuid != document.database_uuid:
        return "it holds another database"
    if said.marker is None:
        return "it has no epoch marker"
    if main_said.marker is None or said.marker >= main_said.marker:
        return "its epoch marker is not older than the main's"
    if said.marker < document.rebuilt_epoch:
        return "the document was rebuilt since its epoch"
    if said.vertices and not main_said.vertices:
        return "the main is empty, and it is not"
    return None


def left_to_a_person(view: View) -> dict[int, str]:
    """Who diverged and is not re-seeded by itself: ordinal -> why."""
    main = source(view)
    if main is None:
        return {}
    found = {i.ordinal: needs_a_person(view, i) for i in view.obs.instances if diverged(view, i, main)}
    return {ordinal: why for ordinal, why in found.items() if why is not None}
