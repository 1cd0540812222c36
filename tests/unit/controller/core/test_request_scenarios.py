"""Every request against a toy cluster: what is answered, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from toy_cluster import Toy, healthy, serving

from controller.core.absorb import absorb
from controller.core.actions import AnswerRequest, Outcome, Plan, Promote, Publish, Reseed
from controller.core.memory import Memory
from controller.core.model import Absent, OnNoSyncReplica, Policy, Role
from controller.core.plan import plan
from controller.core.reasons import Reason
from controller.core.requests import promotion
from sidecar.contract.state import CutKind, Phase


def ask(toy: Toy, key: str, value: str = "", steps: int = 50) -> str:
    """Write the key and step until it is answered; "yes: …" or "no: …"."""
    toy.requests[key] = value
    for _ in range(steps):
        toy.step()
        if key not in toy.requests:
            answer = toy.answers[-1]
            assert (answer.request, answer.value) == (key, value)
            assert (answer.at, answer.writer) == ("2026-01-01T00:00:00", "c-0")
            return ("yes: " if answer.accepted else "no: ") + answer.message
    raise AssertionError(f"not answered; the last plan: {toy.log[-1]}")


def ambiguous() -> Toy:
    """Two mains with data and no document (P-F7's last sentence)."""
    toy = Toy()
    for ordinal in (0, 2):
        toy.nodes[ordinal].role, toy.nodes[ordinal].writes = Role.MAIN, 3 + ordinal
    toy.step()
    return toy


def leaderless() -> Toy:
    """Main and partner are gone for good: only an asynchronous replica, which may lack writes, is left."""
    toy = serving()
    toy.fail(1, "refused")
    toy.fail(0, "refused")
    for _ in range(20):
        toy.step()
    assert toy.log[-1].reason is Reason.NO_CANDIDATE
    return toy


def kinds(plans: list[Plan]) -> list[str]:
    """The plans' actions by name."""
    return [type(step.action).__name__ for step in plans if step.action]


def test_a_value_nobody_understands_is_refused_in_every_state() -> None:
    """Serving, without a main, without a document."""
    for toy in (serving(), leaderless(), ambiguous()):
        for key in ("switchover", "promote", "reseed"):
            assert ask(toy, key, "now, please").startswith(f"no: {key} refused: 'now, please'")


def test_a_re_seed_is_accepted_and_carried_out() -> None:
    """P-R1: the answer comes first, then the order; once."""
    toy = serving()
    toy.write()
    assert ask(toy, "reseed", "2") == "yes: re-seed of m-2 accepted: its data is moved aside, not deleted"
    plans = toy.settle()
    assert [p.action.ordinal for p in plans if isinstance(p.action, Reseed)] == [2]
    healthy(toy)


def test_a_re_seed_that_may_not_be_is_refused() -> None:
    """P-R1: whoever asks, with the reason."""
    assert ask(serving(), "reseed", "0") == "no: reseed refused: instance 0 is the main"
    assert ask(serving(), "reseed", "1") == "no: reseed refused: instance 1 is the replica that holds every write"
    assert ask(serving(), "reseed", "3") == "no: reseed refused: there is no instance 3"
    assert ask(leaderless(), "reseed", "2") == "no: reseed refused: main m-0 does not answer"
    assert ask(ambiguous(), "reseed", "2") == "no: reseed refused: there is no main to seed it from"
    busy = serving()
    busy.kubelet = "slow"
    ask(busy, "reseed", "2")
    assert ask(busy, "reseed", "2") == "no: reseed refused: instance 2 is about to be re-seeded: one at a time"
    busy.settle()
    assert ask(busy, "reseed", "2") == "no: reseed refused: m-2 is being deleted already"


def test_an_accepted_re_seed_survives_another_request_s_lost_answer() -> None:
    """Only what was not answered is not begun."""
    toy = serving()
    toy.memory = replace(toy.memory, reseed_asked=2)
    toy.requests["switchover"] = "0"
    decision = plan(toy.observation(), toy.memory)
    assert isinstance(decision.action, AnswerRequest)
    assert absorb(decision.memory, decision.action, Outcome.UNKNOWN, toy.now).reseed_asked == 2
    toy.requests = {"reseed": "2"}
    decision = plan(toy.observation(), Memory(term=toy.document.term))
    assert isinstance(decision.action, AnswerRequest)
    assert absorb(decision.memory, decision.action, Outcome.UNKNOWN, toy.now).reseed_asked is None


def test_a_switchover_without_a_main_is_refused_at_once() -> None:
    """It would wait for something that only another request can bring about."""
    for toy in (leaderless(), ambiguous()):
        assert ask(toy, "switchover", "any") == "no: switchover refused: there is no main to switch from"


def test_several_requests_are_answered_one_by_one() -> None:
    toy = serving()
    toy.requests.update({"switchover": "any", "reseed": "x", "pause": "me", "resume": ""})
    toy.settle()
    assert [answer.request for answer in toy.answers] == ["resume", "pause", "switchover", "reseed"]
    assert [answer.accepted for answer in toy.answers] == [False, True, False, False]
    assert "the controller is paused" in toy.answers[2].message


def test_a_request_that_was_taken_back_is_not_carried_out() -> None:
    """The answer's compare-and-swap failed: whoever asked believes that nothing happens."""
    for key, value in (("switchover", "any"), ("promote", promotion(2))):
        toy = serving()
        before = toy.document
        toy.requests[key] = value
        decision = plan(toy.observation(), toy.memory)
        assert isinstance(decision.action, AnswerRequest)
        toy.requests.clear()
        toy.memory = absorb(decision.memory, decision.action, toy.apply(decision.action), toy.now)
        toy.settle()
        assert toy.answers == []
        assert toy.document == before


# promote


def test_a_person_resolves_an_ambiguous_rebuild() -> None:
    """P-B1: the message names the commands, and one of them ends it."""
    toy = ambiguous()
    said = toy.step()
    assert said.reason is Reason.REBUILD_AMBIGUOUS
    assert "m-2: main, epoch marker None, 5 vertices" in said.message
    assert "memgraph-ha promote 2 --accept-data-loss" in said.message
    assert ask(toy, "promote", promotion(2)) == "yes: promotion of m-2 accepted, with the loss of what it lacks"
    plans = toy.settle()
    assert plans[0].reason is Reason.PROMOTED_BY_COMMAND
    assert kinds(plans)[:2] == ["Publish", "Mark"], "it says main already"
    assert toy.document.master_index == 2
    assert [node.role for node in toy.nodes] == [Role.REPLICA, Role.REPLICA, Role.MAIN]


def test_a_person_may_name_a_main_while_an_instance_is_missing() -> None:
    """P-B1 waits for every ordinal; a disk that is lost for good never answers."""
    toy = serving()
    toy.write()
    toy.stored, toy.memory = Absent(), Memory()
    toy.fail(0, "gone")
    toy.step()
    assert toy.log[-1].reason is Reason.WAITING_FOR_INSTANCES
    assert ask(toy, "promote", promotion(1)).startswith("yes")
    toy.settle()
    assert toy.document.master_index == 1
    assert toy.write()


def test_a_person_promotes_an_asynchronous_replica_when_main_and_partner_are_gone() -> None:
    """P-F3's last sentence: cut as a failover, one epoch higher, without partner; then F5 to F7."""
    toy = leaderless()
    before = toy.document
    assert ask(toy, "promote", promotion(2)).startswith("yes")
    assert isinstance(toy.step().action, Publish)
    document = toy.document
    assert (document.phase, document.cut_kind, document.epoch) == (Phase.CUT, CutKind.FAILOVER, before.epoch + 1)
    assert (document.master_index, document.main_pod, document.main_volume) == (2, "m-2", "vol-2")
    assert document.database_uuid == toy.nodes[2].database_uuid
    assert document.sync is None
    began = toy.now
    while toy.nodes[2].role is Role.REPLICA:
        toy.step()
    assert toy.now - began >= toy.policy.cut_settle_s, "P-F5: the main that served may live"
    toy.settle()
    assert (toy.document.phase, toy.document.master_index) == (Phase.SERVING, 2)
    assert toy.document.epoch == before.epoch + 2


def test_a_cut_that_nobody_can_finish_is_finished_by_command() -> None:
    toy = serving()
    toy.fail(0, "refused")
    toy.step()
    assert toy.document.phase is Phase.CUT
    toy.fail(1, "gone")
    for _ in range(10):
        toy.step()
    assert toy.log[-1].reason is Reason.NO_CANDIDATE
    assert ask(toy, "promote", promotion(2)).startswith("yes")
    toy.settle()
    assert (toy.document.phase, toy.document.master_index) == (Phase.SERVING, 2)


def test_a_request_in_a_cut_that_goes_on_waits_for_its_end() -> None:
    """A cut is the one thing that no request may hold up."""
    toy = serving()
    toy.fail(0, "refused")
    toy.step()
    toy.requests.update({"pause": "me", "promote": promotion(2)})
    while toy.document.phase is Phase.CUT:
        assert toy.answers == []
        toy.step()
    assert toy.document.master_index == 1


UNFIT: dict[str, tuple[Callable[[Toy], None], int, str]] = {
    "the main": (lambda toy: None, 0, "instance 0 is the main already"),
    "nobody": (lambda toy: None, 7, "there is no instance 7"),
    "refuses connections": (lambda toy: toy.fail(2, "refused"), 2, "instance 2 does not answer"),
    "without a pod": (lambda toy: toy.fail(2, "gone"), 2, "instance 2 does not answer"),
    "leaving": (lambda toy: setattr(toy.nodes[2], "deleting", True), 2, "the pod of instance 2 is being deleted"),
    "unknown database": (
        lambda toy: setattr(toy.nodes[2], "database_uuid", ""),
        2,
        "instance 2 does not say which database it holds",
    ),
}


@pytest.mark.parametrize("who", UNFIT)
def test_promotions_that_are_refused(who: str) -> None:
    """With a document, and but for the main without one."""
    prepare, ordinal, why = UNFIT[who]
    toy = serving()
    before = toy.document
    prepare(toy)
    assert ask(toy, "promote", promotion(ordinal)) == f"no: promote refused: {why}"
    assert toy.document.master_index == before.master_index
    if ordinal:
        toy = ambiguous()
        prepare(toy)
        assert ask(toy, "promote", promotion(ordinal)) == f"no: promote refused: {why}"
        assert isinstance(toy.stored, Absent)


def test_a_promotion_whose_instance_dies_after_the_answer_is_given_up() -> None:
    """Nothing of the accepted word is left when it comes back."""
    for toy in (leaderless(), ambiguous()):
        assert ask(toy, "promote", promotion(2)).startswith("yes")
        before = toy.stored
        toy.fail(2, "refused")
        step = toy.step()
        assert step.reason is Reason.REQUEST_REFUSED
        assert step.message == "promotion of m-2 given up: instance 2 does not answer"
        toy.nodes[2].reach = "ok"
        for _ in range(30):
            toy.step()
        assert toy.stored == before


def test_a_leader_that_dies_after_its_answer_leaves_no_promotion_behind() -> None:
    """And with one that died after any later step, the next leader finishes it."""
    toy = leaderless()
    ask(toy, "promote", promotion(2))
    toy.memory = Memory()
    for _ in range(30):
        toy.step()
    assert toy.nodes[2].role is Role.REPLICA
    for k in range(1, 8):
        toy = leaderless()
        ask(toy, "promote", promotion(2))
        for _ in range(k):
            toy.step()
        toy.memory = Memory()
        toy.settle()
        assert (toy.document.phase, toy.document.master_index) == (Phase.SERVING, 2)


def test_an_accepted_promotion_is_for_the_document_it_was_accepted_under() -> None:
    """Somebody published in between: what was accepted was another situation."""
    toy = leaderless()
    ask(toy, "promote", promotion(2))
    memory, toy.memory = toy.memory, Memory()
    toy.restart(1)
    toy.settle()
    assert toy.document.master_index == 1
    promoted = len(toy.log)
    toy.memory = Memory(toy.document.term, toy.document, promotion=memory.promotion)
    toy.settle()
    assert not any(isinstance(p.action, Promote) for p in toy.log[promoted:])
    assert toy.document.master_index == 1


# pause, resume


def test_while_paused_nothing_is_published_and_nothing_commanded() -> None:
    """Not even when the main dies; then it is resumed, and fails over."""
    toy = serving()
    assert ask(toy, "pause", "alice") == "yes: pause accepted: no failover until it is resumed"
    assert toy.paused == "by alice at 2026-01-01T00:00:00"
    toy.fail(0, "refused")
    plans = [toy.step() for _ in range(100)]
    assert {step.reason for step in plans} == {Reason.PAUSED}
    assert kinds(plans) == []
    assert "by alice" in plans[-1].message
    assert ask(toy, "resume") == "yes: resume accepted: the controller acts again"
    assert toy.paused is None
    toy.settle()
    assert toy.document.master_index == 1


def test_a_pause_outlives_its_leader() -> None:
    """A new leader does not even begin its term; nor does it restore a document."""
    for stored in (serving().stored, Absent()):
        toy = serving()
        ask(toy, "pause")
        toy.memory, toy.stored = Memory(), stored
        assert kinds([toy.step() for _ in range(20)]) == []
        ask(toy, "resume")
        toy.settle()
        assert toy.document.phase is Phase.SERVING


def test_while_paused_everything_else_is_refused_and_so_is_what_is_so_already() -> None:
    toy = serving()
    assert ask(toy, "resume") == "no: resume refused: the controller is not paused"
    ask(toy, "pause", "alice")
    for key, value in (("switchover", "any"), ("promote", promotion(1)), ("reseed", "1")):
        assert "the controller is paused (by alice at" in ask(toy, key, value)
    assert ask(toy, "pause", "bob").startswith("no: pause refused: the controller is paused already (by alice")
    assert toy.paused == "by alice at 2026-01-01T00:00:00"


def test_a_cut_under_way_is_finished_before_the_pause() -> None:
    """Clients are never left out for a pause; and one who answers in an endless cut keeps it."""
    toy = serving()
    toy.fail(0, "refused")
    toy.step()
    toy.paused = "by me"
    while toy.document.phase is Phase.CUT:
        assert toy.step().reason is not Reason.PAUSED
    assert toy.document.master_index == 1
    assert toy.step().reason is Reason.PAUSED
    toy = serving(2, Policy(on_no_sync_replica=OnNoSyncReplica.BLOCK))
    toy.fail(1, "refused")
    for _ in range(50):
        toy.step()
    assert toy.document.phase is Phase.CUT
    assert ask(toy, "pause", "me").startswith("yes")
    assert ask(toy, "promote", promotion(0)).startswith("no")
    assert toy.paused is not None
    toy.restart(1)
    while toy.document.phase is Phase.CUT:
        toy.step()
    assert toy.step().reason is Reason.PAUSED


def test_registration_names_are_not_used_again_after_a_pause() -> None:
    """P-S2: all else is forgotten, since a pause is for a person's own hands."""
    toy = serving()
    used = toy.memory.names_used
    assert used
    ask(toy, "pause")
    toy.step()
    assert toy.memory == Memory(toy.memory.term, toy.memory.document, names_used=used)
