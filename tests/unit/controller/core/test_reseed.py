"""Re-seeding (P-R1, P-R2) on the toy cluster: who begins anew by itself, who never does, and what a crash leaves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from toy_cluster import Toy, healthy, serving

from controller.core.absorb import absorb
from controller.core.actions import CloseOrder, Mark, Outcome, Plan, Publish, Register, Reseed
from controller.core.memory import Memory
from controller.core.model import (
    Absent,
    Found,
    Mode,
    OnDiverged,
    OnNoSyncReplica,
    Policy,
    ReseedOrder,
    Role,
    Status,
)
from controller.core.orders import from_data, to_data
from controller.core.partner import best_replica
from controller.core.reasons import Reason
from controller.core.reseed import reseed_plan
from controller.core.reseedable import reseed_refusal
from controller.core.view import View, ordinal_of
from sidecar.contract.state import CutKind, Phase


def diverged(policy: Policy | None = None) -> Toy:
    """Main 0 was killed with a commit its partner aborted, and is back; 1 is main, 2 its partner."""
    toy = serving(policy=policy)
    for _ in range(5):
        assert toy.write()
    toy.fail(0, "refused")
    toy.settle()
    assert toy.document.master_index == 1
    toy.nodes[0].tail = True
    toy.restart(0)
    return toy


def view_of(toy: Toy) -> View:
    assert isinstance(toy.stored, Found)
    return View(toy.observation(), toy.memory, toy.stored.document, toy.stored.resource_version)


def reseeds(plans: list[Plan]) -> list[Reseed]:
    return [plan.action for plan in plans if isinstance(plan.action, Reseed)]


def last_words(toy: Toy) -> Plan:
    plan = toy.step()
    assert plan.action is None
    return plan


def document(toy: Toy, **changes: Any) -> None:
    """Change what is published, whoever did it."""
    assert isinstance(toy.stored, Found)
    toy.stored = replace(toy.stored, document=replace(toy.stored.document, **changes))


def test_an_order_is_read_as_it_was_written() -> None:
    order = ReseedOrder(2, "0c9d-uid", 7, 1_800_000_000)
    assert to_data(order) == {"pod-2": "podUID=0c9d-uid\nepoch=7\nexpires=1800000000\n"}
    assert from_data(to_data(order)) == order
    assert from_data(to_data(None)) is None
    assert from_data({"pod-x": "", "pod-1": "podUID=a b\nepoch=1\nexpires=1\n"}) is None


def test_an_ex_main_with_a_commit_of_its_own_begins_anew() -> None:
    """P-R2's ordinary case, from Error 3 to a healthy cluster, without a person."""
    toy = diverged()
    former = toy.nodes[0].pod()
    plans = toy.settle()
    healthy(toy)
    (action,) = reseeds(plans)
    assert former is not None
    assert action.order == ReseedOrder(0, former.uid, toy.document.epoch, action.order.expires)
    assert (toy.order, toy.nodes[0].tail) == (None, False)
    assert [p.reason for p in plans if isinstance(p.action, CloseOrder)] == [Reason.RESEEDED]
    modes = [p.action.mode for p in plans if isinstance(p.action, Register) and p.action.replica.ordinal == 0]
    assert modes == [Mode.ASYNC, Mode.ASYNC], "once to find out, once with the new process"
    assert toy.nodes[0].writes == toy.nodes[1].writes


def test_a_leader_that_dies_after_any_step_of_a_re_seed_leaves_it_to_the_next() -> None:
    """Every plan is right with an empty memory; the pod is replaced once, whoever leads."""
    length = len(copy.deepcopy(diverged()).settle())
    for k in range(length):
        toy = diverged()
        for _ in range(k):
            toy.step()
        toy.memory = Memory()
        toy.settle()
        healthy(toy)
        assert toy.order is None
        assert toy.nodes[0].incarnation == 2, f"forgotten after step {k}"


def test_a_diverged_replica_is_not_offered_to_the_same_main_again() -> None:
    """A REGISTER stalls the main (M-2.4); the same two processes will not agree. Another main is asked."""
    toy = diverged(Policy(on_diverged=OnDiverged.MANUAL))
    toy.settle()
    plans = toy.settle(quiet_s=60)
    assert [p for p in plans if isinstance(p.action, Register)] == []
    toy.fail(1, "refused")
    asked = [p.action.on.ordinal for p in toy.settle() if isinstance(p.action, Register) and "m-0" in p.message]
    assert asked
    assert set(asked) == {2}


def test_what_the_main_reports_as_diverged_is_remembered() -> None:
    """Found on a heartbeat instead of at the registration (M-3.4)."""
    toy = diverged(Policy(on_diverged=OnDiverged.MANUAL))
    toy.nodes[0].tail = False
    toy.settle()
    main = toy.nodes[1]
    main.registrations = [
        replace(row, status=Status.DIVERGED) if ordinal_of(row.name) == 0 else row for row in main.registrations
    ]
    reasons = [p.reason for p in toy.settle()]
    assert Reason.REGISTRATION_DROPPED in reasons
    assert last_words(toy).reason is Reason.DIVERGED_REPLICA


def test_what_the_main_reports_of_an_earlier_process_is_not() -> None:
    """The one that runs now may have begun anew: only a registration made for it says something of it."""
    toy = serving()
    toy.write()
    toy.restart(2)
    main = toy.nodes[0]
    main.registrations = [
        replace(row, status=Status.DIVERGED) if ordinal_of(row.name) == 2 else row for row in main.registrations
    ]
    assert reseeds(toy.settle()) == []
    healthy(toy)


def test_by_hand_only_it_says_so_and_names_the_command() -> None:
    """P-R2: also that nobody protects the main meanwhile."""
    toy = diverged(Policy(on_diverged=OnDiverged.MANUAL))
    toy.fail(2, "gone")
    assert reseeds(toy.settle()) == []
    plan = last_words(toy)
    assert plan.reason is Reason.DIVERGED_REPLICA
    assert "no replica is known to hold every write" in plan.message
    assert "onDiverged is manual" in plan.message
    assert "memgraph-ha reseed 0" in plan.message


def equal_marker(toy: Toy) -> None:
    toy.nodes[0].marker = toy.nodes[1].marker


def no_marker(toy: Toy) -> None:
    toy.nodes[0].marker = None


def rebuilt_since(toy: Toy) -> None:
    marker = toy.nodes[0].marker
    assert marker is not None
    document(toy, rebuilt_term=1, rebuilt_epoch=marker + 1, term=toy.document.term + 1)
    toy.memory = replace(toy.memory, term=toy.document.term)


def empty_main(toy: Toy) -> None:
    toy.nodes[1].writes = toy.nodes[2].writes = 0


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        (equal_marker, "not older than the main's"),
        (no_marker, "no epoch marker"),
        (rebuilt_since, "rebuilt since"),
        (empty_main, "the main is empty"),
    ],
)
def test_anything_but_an_ended_epoch_s_member_is_left_to_a_person(shape: Callable[[Toy], None], why: str) -> None:
    """P-R2; a person's word overrides it."""
    toy = diverged()
    shape(toy)
    assert reseeds(toy.settle()) == []
    plan = last_words(toy)
    assert plan.reason is Reason.DIVERGED_REPLICA
    assert why in plan.message
    view = view_of(toy)
    assert reseed_refusal(view, 0) is None
    order = reseed_plan(view, 0)
    assert isinstance(order.action, Reseed)
    toy.memory = absorb(order.memory, order.action, toy.apply(order.action), toy.now)
    toy.settle()
    assert toy.nodes[0].tail is False
    assert toy.order is None


def test_another_database_s_data_is_left_to_a_person() -> None:
    """Memgraph never registers it well: `invalid` for ever. It is dropped, and not registered again and again."""
    toy = diverged()
    toy.nodes[0].database_uuid, toy.nodes[0].tail = "foreign", False
    assert reseeds(toy.settle(quiet_s=20)) == []
    plan = last_words(toy)
    assert plan.reason is Reason.DIVERGED_REPLICA
    assert "another database" in plan.message


def is_main(toy: Toy) -> int:
    return 1


def is_partner(toy: Toy) -> int:
    return 2


def is_not_there(toy: Toy) -> int:
    return 7


def has_no_pod(toy: Toy) -> int:
    toy.fail(0, "gone")
    return 0


def is_being_deleted(toy: Toy) -> int:
    toy.nodes[0].deleting = True
    return 0


def says_main(toy: Toy) -> int:
    toy.nodes[0].role = Role.MAIN
    return 0


def while_cut(toy: Toy) -> int:
    document(toy, phase=Phase.CUT, cut_kind=CutKind.PLANNED)
    return 0


def silent_main(toy: Toy) -> int:
    toy.fail(1, "silent")
    return 0


def main_is_no_main(toy: Toy) -> int:
    toy.nodes[1].role = Role.REPLICA
    return 0


def main_of_another_pod(toy: Toy) -> int:
    toy.nodes[1].pod_uid = "another"
    return 0


def main_of_another_database(toy: Toy) -> int:
    toy.nodes[1].database_uuid = "another"
    return 0


def main_on_another_volume(toy: Toy) -> int:
    document(toy, main_volume="another")
    return 0


def newer_marker_elsewhere(toy: Toy) -> int:
    toy.nodes[0].marker = 99
    return 0


def newer_marker_on_a_third(toy: Toy) -> int:
    toy.nodes[2].marker = 99
    return 0


def main_without_marker(toy: Toy) -> int:
    toy.nodes[1].marker = None
    return 0


def leaving_main(toy: Toy) -> int:
    toy.nodes[1].deleting = True
    return 0


def switchover_asked_for(toy: Toy) -> int:
    toy.requests["switchover"] = "2"
    return 0


def switchover_accepted(toy: Toy) -> int:
    toy.memory = replace(toy.memory, switchover=2)
    return 0


def asked(toy: Toy, ordinal: int) -> None:
    """A person's request was accepted."""
    toy.memory = replace(toy.memory, reseed_asked=ordinal)


def test_what_a_person_asked_for_is_done_once() -> None:
    """Any replica but the partner, diverged or not (P-R2)."""
    toy = serving()
    toy.write()
    asked(toy, 2)
    (action,) = reseeds(toy.settle())
    assert action.ordinal == 2
    assert (toy.nodes[1].incarnation, toy.nodes[2].incarnation) == (0, 1)
    healthy(toy)


def test_what_a_person_asked_for_is_dropped_if_it_may_no_longer_be() -> None:
    """The partner, by now: said, and never done later by surprise."""
    toy = serving()
    asked(toy, 1)
    assert toy.step().reason is Reason.RESEED_WITHDRAWN
    toy.fail(1, "gone")
    assert reseeds(toy.settle()) == []


def another_order(toy: Toy) -> int:
    toy.order = ReseedOrder(2, "uid-2", toy.document.epoch, 10**10)
    return 0


def term_of_a_rebuild(toy: Toy) -> int:
    document(toy, rebuilt_term=toy.document.term, rebuilt_epoch=toy.document.epoch)
    return 0


REFUSALS: list[tuple[Callable[[Toy], int], str]] = [
    (is_main, "is the main"),
    (is_partner, "holds every write"),
    (is_not_there, "there is no instance 7"),
    (has_no_pod, "there is no instance 0"),
    (is_being_deleted, "being deleted already"),
    (says_main, "says it is main"),
    (while_cut, "clients are cut"),
    (silent_main, "does not answer"),
    (main_is_no_main, "does not answer"),
    (main_of_another_pod, "does not answer"),
    (main_of_another_database, "recorded database"),
    (main_on_another_volume, "recorded database"),
    (newer_marker_elsewhere, "newest epoch marker"),
    (newer_marker_on_a_third, "newest epoch marker"),
    (main_without_marker, "newest epoch marker"),
    (leaving_main, "about to become main"),
    (switchover_asked_for, "about to become main"),
    (switchover_accepted, "about to become main"),
    (another_order, "one at a time"),
    (term_of_a_rebuild, "rebuilt in this term"),
]


@pytest.mark.parametrize(("shape", "why"), REFUSALS, ids=[shape.__name__ for shape, _ in REFUSALS])
def test_what_no_word_overrides(shape: Callable[[Toy], int], why: str) -> None:
    """P-R1: refused for a person's request, and never planned by itself."""
    toy = diverged(Policy(on_diverged=OnDiverged.MANUAL))
    toy.settle()
    assert reseed_refusal(view_of(toy), 0) is None, "allowed before"
    ordinal = shape(toy)
    found = reseed_refusal(view_of(toy), ordinal)
    assert found is not None
    assert why in found
    toy.policy = Policy()
    assert [action.ordinal for action in reseeds([toy.step()])] in ([], [0] if ordinal != 0 else [])


def test_the_term_of_a_rebuild_is_in_the_document() -> None:
    """A leader with an empty memory knows it; one that follows the rebuilt line may be re-seeded all the same."""
    toy = serving()
    toy.write()
    toy.stored, toy.memory = Absent(), Memory()
    toy.nodes[2].marker = 1
    toy.settle()
    rebuilt = toy.document
    assert (rebuilt.rebuilt_term, rebuilt.rebuilt_epoch) == (rebuilt.term, rebuilt.epoch - 1)
    document(toy, sync=None)
    toy.nodes[2].marker = 1
    toy.memory = Memory(term=rebuilt.term)
    refusal = reseed_refusal(view_of(toy), 2)
    assert refusal is not None
    assert "rebuilt in this term" in refusal
    toy.nodes[0].marker = toy.nodes[2].marker = rebuilt.rebuilt_epoch + 1
    assert reseed_refusal(view_of(toy), 2) is None
    document(toy, term=rebuilt.term + 1)
    toy.nodes[2].marker = 1
    assert reseed_refusal(view_of(toy), 2) is None


def test_a_bootstrap_is_no_rebuild() -> None:
    """Nobody had data: a first term may last for months, and re-seeds in it."""
    assert serving().document.rebuilt_term == 0


def test_one_at_a_time() -> None:
    """The second waits until the first one's successor answers."""
    toy = serving(4)
    toy.write()
    toy.fail(0, "refused")
    toy.settle()
    partner = toy.document.sync
    assert partner is not None
    third = ({0, 1, 2, 3} - {0, toy.document.master_index, partner.ordinal}).pop()
    for ordinal in (0, third):
        toy.nodes[ordinal].tail = True
        toy.restart(ordinal)
    toy.nodes[third].marker = toy.nodes[0].marker
    toy.kubelet = "slow"
    plans = toy.settle()
    assert [action.ordinal for action in reseeds(plans)] == [0]
    assert last_words(toy).reason is Reason.RESEEDING
    toy.kubelet = "prompt"
    toy.replace(0)
    assert [action.ordinal for action in reseeds(toy.settle())] == [third]
    healthy(toy)


def test_a_re_seed_that_does_not_take_is_not_repeated() -> None:
    """An init container that is missing or cannot move the data: one pod is deleted, not one a second."""
    toy = diverged()
    toy.kubelet = "deaf"
    plans = toy.settle(quiet_s=60)
    assert len(reseeds(plans)) == 1
    assert [p.reason for p in plans if isinstance(p.action, CloseOrder)] == [Reason.RESEED_FAILED]
    plan = last_words(toy)
    assert plan.reason is Reason.DIVERGED_REPLICA
    assert "did not take" in plan.message
    assert reseed_refusal(view_of(toy), 0) is None


def test_an_order_ends_when_the_pod_does_not_come_back_in_time() -> None:
    toy = diverged(Policy(reseed_order_s=60))
    toy.kubelet = "slow"
    toy.settle()
    toy.fail(0, "gone")
    plans = toy.settle(steps=3000, quiet_s=70)
    assert [p.reason for p in plans if isinstance(p.action, CloseOrder)] == [Reason.RESEED_FAILED]
    assert toy.order is None


def test_a_pod_is_deleted_once_even_if_the_watch_is_slow_to_tell() -> None:
    toy = diverged()
    toy.kubelet = "unseen"
    assert len(reseeds(toy.settle(quiet_s=30))) == 1


def test_an_order_for_an_instance_that_is_no_longer_wanted_holds_up_nobody() -> None:
    toy = diverged()
    toy.kubelet = "slow"
    toy.settle()
    toy.order = ReseedOrder(3, "uid-3", toy.document.epoch, 10**10)
    plan = toy.step()
    assert isinstance(plan.action, CloseOrder)
    assert plan.reason is Reason.RESEED_WITHDRAWN


def test_an_order_is_void_once_the_main_changed() -> None:
    """The init container refuses it by its epoch; the next main decides anew."""
    toy = diverged()
    toy.kubelet = "slow"
    toy.settle()
    toy.fail(1, "refused")
    plans = toy.settle()
    assert [p.reason for p in plans if isinstance(p.action, CloseOrder)] == [Reason.RESEED_WITHDRAWN]
    toy.replace(0)
    assert toy.nodes[0].tail
    toy.kubelet = "prompt"
    assert len(reseeds(toy.settle())) == 1
    assert not toy.nodes[0].tail


def ordered_but_not_deleted() -> Toy:
    """A leader ended between the order and the deletion."""
    toy = diverged(Policy(on_diverged=OnDiverged.MANUAL))
    toy.settle()
    plan = reseed_plan(view_of(toy), 0)
    assert isinstance(plan.action, Reseed)
    toy._write_order(plan.action.order, plan.action.resource_version)
    toy.memory = Memory(term=toy.document.term)
    return toy


def test_an_order_whose_pod_was_not_deleted_is_carried_on() -> None:
    """Whoever asked for it, and with the very same order."""
    toy = ordered_but_not_deleted()
    order = toy.order
    (action,) = reseeds(toy.settle())
    assert action.order == order
    assert not toy.nodes[0].tail
    healthy(toy)


def test_an_order_whose_pod_was_not_deleted_is_withdrawn_when_it_must_not_be_any_more() -> None:
    toy = ordered_but_not_deleted()
    toy.nodes[0].marker = 99
    document(toy, epoch=100)
    order = toy.order
    assert order is not None
    toy.order = replace(order, epoch=100)
    plans = toy.settle()
    assert reseeds(plans) == []
    assert [p.reason for p in plans if isinstance(p.action, CloseOrder)] == [Reason.RESEED_WITHDRAWN]


def test_a_refused_deletion_is_tried_again_later() -> None:
    """Not as fast as the loop runs."""
    toy = diverged()
    while not isinstance((plan := toy.step()).action, Register) or plan.action.replica.ordinal != 0:
        pass
    toy.apply = lambda action: Outcome.FAILED  # type: ignore[method-assign]  # the API server refuses everything
    plans = [toy.step() for _ in range(30)]
    assert len(reseeds(plans)) <= 3


BLOCK = Policy(on_no_sync_replica=OnNoSyncReplica.BLOCK)


def all_diverged(policy: Policy = BLOCK) -> Toy:
    """With `block`, cut: main 0 is gone for good, its partner 1 is MAIN, and 2 diverged."""
    toy = serving(3, policy)
    toy.write()
    toy.fail(0, "gone")
    toy.nodes[2].tail = True
    return toy


def test_with_block_a_third_that_diverged_begins_anew_while_the_clients_are_cut() -> None:
    """P-R1: no other rule could end that cut. Its order is closed before the cut is over, or it would be void."""
    toy = all_diverged()
    plans = toy.settle()
    (action,) = reseeds(plans)
    at = [p.action for p in plans].index(action)
    before = [p.action for p in plans[:at]]
    assert (action.ordinal, action.main.ordinal, action.marker) == (2, 1, action.order.epoch + 1)
    assert [a.on.ordinal for a in before if isinstance(a, Mark)] == [1], "MAIN and marked first"
    last = [p.action for p in plans if isinstance(p.action, Publish)][-1]
    assert isinstance(last, Publish)
    assert (last.document.phase, last.document.epoch) == (Phase.SERVING, action.order.epoch + 1)
    reasons = [p.reason for p in plans if isinstance(p.action, CloseOrder)]
    assert reasons == [Reason.RESEEDED]
    assert (toy.document.master_index, toy.document.sync and toy.document.sync.ordinal) == (1, 2)
    assert not toy.nodes[2].tail
    assert toy.write()


def test_a_leader_that_dies_in_such_a_re_seed_leaves_it_to_the_next() -> None:
    """Every plan is right with an empty memory."""
    for k in range(len(copy.deepcopy(all_diverged()).settle())):
        toy = all_diverged()
        for _ in range(k):
            toy.step()
        toy.memory = Memory()
        toy.settle()
        assert (toy.document.phase, toy.order) == (Phase.SERVING, None), f"forgotten after step {k}"
        assert toy.nodes[2].incarnation == 1, f"forgotten after step {k}"


def test_what_a_cut_s_re_seed_is_not_for() -> None:
    """P-R1: not while another replica can become the partner; not without `block`; by hand only if nobody else can."""
    toy = all_diverged()
    toy.nodes[0].reach = "ok"
    toy.restart(0)
    toy.settle(steps=3000)
    assert toy.document.phase is Phase.SERVING
    cut = [p for p in toy.log if isinstance(p.action, Reseed) and p.action.order.epoch + 1 == toy.document.epoch]
    assert cut == []
    served = all_diverged(Policy())
    epochs = [action.order.epoch for action in reseeds(served.settle())]
    assert epochs == [served.document.epoch], "published first"
    manual = all_diverged(replace(BLOCK, on_diverged=OnDiverged.MANUAL))
    assert reseeds(manual.settle()) == []
    assert manual.log[-1].reason is Reason.UNPROTECTED
    assert "decide with: memgraph-ha reseed 2" in manual.log[-1].message
    manual.requests["reseed"] = "1"
    manual.settle()
    assert (manual.answers[-1].accepted, manual.document.phase) == (False, Phase.CUT)
    manual.requests["reseed"] = "2"
    manual.settle()
    assert (manual.answers[-1].accepted, manual.document.phase) == (True, Phase.SERVING)


def test_no_re_seed_in_a_cut_before_the_new_main_is_marked() -> None:
    """P-R1: a promotion that was not read back and marked may still be undone (P-F8)."""
    toy = all_diverged()
    while not isinstance(toy.step().action, Register):
        pass
    toy.nodes[1].marker = toy.document.epoch
    assert reseed_refusal(view_of(toy), 2) is not None
    toy.nodes[1].marker = toy.document.epoch + 1
    assert reseed_refusal(view_of(toy), 2) is None
    toy.nodes[0].reach, toy.nodes[0].role = "ok", Role.MAIN
    assert reseed_refusal(view_of(toy), 2) is not None, "two mains"


def test_a_replica_about_to_begin_anew_is_no_partner() -> None:
    """Its pod is not deleted yet: recorded as partner, it would hold every write until its order is carried out."""
    toy = serving()
    asked(toy, 2)
    toy.apply = _without_reseed(toy)  # type: ignore[method-assign,assignment]
    while toy.order is None:
        toy.step()
    assert best_replica(view_of(toy), toy.observation().instance(0)).ordinal == 1  # type: ignore[union-attr]
    toy.fail(1, "refused")
    assert best_replica(view_of(toy), toy.observation().instance(0)) is None


def _without_reseed(toy: Toy) -> Callable[[Any], Outcome]:
    """The order is written; the pod's deletion is refused."""
    apply = toy.apply

    def applied(action: Any) -> Outcome:
        if isinstance(action, Reseed):
            toy.order, toy.order_version = action.order, "1"
            return Outcome.FAILED
        return apply(action)

    return applied


def test_with_block_a_pair_whose_last_main_diverged_heals_by_itself() -> None:
    """P-R1, P-R2: a main killed under load often holds one commit more; nobody else could end the cut."""
    toy = serving(2, Policy(on_no_sync_replica=OnNoSyncReplica.BLOCK))
    toy.write()
    toy.fail(0, "refused")
    toy.settle()
    assert toy.document.phase is Phase.CUT
    toy.nodes[0].tail = True
    toy.restart(0)
    (action,) = reseeds(toy.settle(quiet_s=30))
    assert (action.ordinal, action.main.ordinal) == (0, 1)
    healthy(toy)
    assert not toy.nodes[0].tail
