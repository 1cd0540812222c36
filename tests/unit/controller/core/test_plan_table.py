"""Every combination of roles, reachability and document for two and three instances: what may never be planned."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from toy_cluster import Toy, serving

from controller.core.actions import (
    AnswerRequest,
    Demote,
    Drop,
    Mark,
    Plan,
    Promote,
    Prove,
    Publish,
    Register,
    Reseed,
)
from controller.core.failover import eligible
from controller.core.memory import Memory
from controller.core.model import Found, Observation, Role
from controller.core.plan import plan
from controller.core.reasons import Reason
from controller.core.view import View
from sidecar.contract.state import CutKind, Phase

STATES = [*itertools.product(("ok",), Role), ("refused", Role.REPLICA), ("silent", Role.MAIN), ("gone", Role.REPLICA)]


def worlds(size: int) -> list[tuple[str, Toy]]:
    """Each combination of instance states, under each kind of document, with a fresh and with a kept memory."""
    result = []
    for states in itertools.product(STATES, repeat=size):
        for phase, kind in ((Phase.SERVING, None), (Phase.CUT, CutKind.FAILOVER), (Phase.CUT, CutKind.PLANNED)):
            for protected in (True, False):
                for forget in (True, False):
                    toy = serving(size)
                    _shape(toy, states, phase, kind, protected, forget)
                    label = f"{states} {phase} {kind} protected={protected} forget={forget}"
                    result.append((label, toy))
    return result


def _shape(
    toy: Toy, states: tuple[tuple[str, Role], ...], phase: Phase, kind: CutKind | None, protected: bool, forget: bool
) -> None:
    assert isinstance(toy.stored, Found)
    document = replace(toy.document, phase=phase, cut_kind=kind, epoch=toy.document.epoch + (phase is Phase.CUT))
    if not protected:
        document = replace(document, sync=None)
    toy.stored = replace(toy.stored, document=document)
    toy.memory = replace(toy.memory, document=document)
    for node, (reach, role) in zip(toy.nodes, states, strict=True):
        node.role = role
        if reach != "ok":
            toy.fail(node.ordinal, reach)
    toy.now += 1.0  # every wait of a cut is over; no answer is older than the plan
    if forget:
        # A new leader; its term has begun, or nothing else could be planned.
        toy.memory = Memory(term=document.term, document=document)


@pytest.mark.parametrize("size", [2, 3])
def test_what_may_never_be_planned(size: int) -> None:
    """One step in every world: only holders of every write are promoted, and only while clients are cut.

    O-F15, O-F16.
    """
    promoted = published = 0
    for label, toy in worlds(size):
        observation = toy.observation()
        decision = plan(observation, toy.memory)
        assert decision.message, label
        assert decision.action is not None or decision.wake_after > 0 or decision.ask, label
        _allowed(label, observation, toy, decision)
        promoted += isinstance(decision.action, Promote)
        published += isinstance(decision.action, Publish)
    assert promoted > 0
    assert published > 0


def _allowed(label: str, observation: Observation, toy: Toy, decision: Plan) -> None:
    action, document = decision.action, toy.document
    assert isinstance(observation.stored, Found)
    view = View(observation, toy.memory, document, observation.stored.resource_version)
    holders = {i.ordinal for i in eligible(view)}
    match action:
        case Promote():
            assert document.phase is Phase.CUT, label
            assert action.on.ordinal in holders, label
            assert toy.nodes[action.on.ordinal].role is Role.REPLICA, label
            assert not any(n.role is Role.MAIN and n.reach == "ok" and n.ordinal in holders for n in toy.nodes), label
        case Demote():
            planned = document.cut_kind is CutKind.PLANNED
            assert action.on.ordinal != document.master_index or planned, label
        case Publish():
            named = toy.nodes[action.document.master_index]
            assert action.document.epoch >= document.epoch, label
            if action.document.phase is Phase.SERVING and document.phase is Phase.CUT:
                assert named.role is Role.MAIN, label
                assert named.reach == "ok", label
            if action.document.phase is Phase.CUT and action.document.cut_kind is CutKind.FAILOVER:
                answering = [toy.nodes[o] for o in holders if toy.nodes[o].reach == "ok"]
                was_planned = document.cut_kind is CutKind.PLANNED
                assert was_planned or any(n.role is Role.REPLICA for n in answering), label
        case Reseed():
            sync = document.sync.ordinal if document.sync else None
            main = toy.nodes[document.master_index]
            assert document.phase is Phase.SERVING, label
            assert action.ordinal not in (document.master_index, sync), label
            assert (main.role, main.reach) == (Role.MAIN, "ok"), label
            assert main.marker == max(node.marker or 0 for node in toy.nodes), label
            assert toy.nodes[action.ordinal].role is Role.REPLICA, label
        case Mark() | Drop() | Register() | Prove():
            assert toy.nodes[action.on.ordinal].role is Role.MAIN, label
            assert action.on.ordinal in holders, label


@pytest.mark.parametrize(
    "asked", [("promote", "1 accept-data-loss"), ("pause", ""), ("switchover", "1"), ("reseed", "x")]
)
def test_a_request_allows_nothing_but_its_answer(asked: tuple[str, str]) -> None:
    """Unanswered, it changes no rule; and a cut that can go on goes on."""
    answered = 0
    for label, toy in worlds(2):
        alone = plan(toy.observation(), toy.memory)
        toy.requests[asked[0]] = asked[1]
        decision = plan(toy.observation(), toy.memory)
        _allowed(label, toy.observation(), toy, decision)
        if isinstance(decision.action, AnswerRequest):
            answered += 1
            assert toy.document.phase is Phase.SERVING or alone.action is None, label
    assert answered > 0


def test_while_paused_only_a_cut_goes_on() -> None:
    """Whatever is seen, and whoever leads."""
    for label, toy in worlds(2):
        alone = plan(toy.observation(), toy.memory)
        toy.paused = "by me"
        for memory in (toy.memory, Memory()):
            decision = plan(toy.observation(), memory)
            if toy.document.phase is Phase.SERVING:
                assert (decision.action, decision.reason) == (None, Reason.PAUSED), label
            elif memory.term is not None:
                assert decision == alone, label


@pytest.mark.parametrize("size", [2, 3])
def test_what_may_never_be_planned_when_everybody_diverged(size: int) -> None:
    """P-R1, in every world: with every pair of instances remembered as diverged, of older epochs or not."""
    planned = 0
    for label, toy in worlds(size):
        document = toy.document
        main = toy.nodes[document.master_index].pod()
        pods = [pod for node in toy.nodes if (pod := node.pod()) is not None]
        if main is not None:
            pairs = {int(pod.name[-1]): (pod.incarnation, main.incarnation) for pod in pods}
            toy.memory = replace(toy.memory, diverged=pairs)
        for older, registered in itertools.product(range(size), (True, False)):
            for node in toy.nodes:
                node.marker = document.epoch - (node.ordinal == older)
                node.registrations = node.registrations if registered else []
            observation = toy.observation()
            decision = plan(observation, toy.memory)
            _allowed(label, observation, toy, decision)
            planned += isinstance(decision.action, Reseed)
    assert planned > 0


@pytest.mark.parametrize("size", [2, 3])
def test_no_command_before_the_term_began(size: int) -> None:
    """P-W2: a new leader's first action is the compare-and-swap that raises the term, whatever it sees."""
    for label, toy in worlds(size):
        decision = plan(toy.observation(), Memory())
        assert isinstance(decision.action, Publish), label
        assert decision.action.document.term == toy.document.term + 1, label
        assert decision.action.document.epoch >= toy.document.epoch, label


def test_from_every_world_healing_leads_to_one_main() -> None:
    """Liveness: all processes restarted, any document: one main, published, within a bounded number of steps."""
    for label, toy in worlds(3):
        for node in toy.nodes:
            node.writes = 0
            node.database_uuid = toy.document.database_uuid
            toy.restart(node.ordinal)
        toy.settle()
        mains = [n.ordinal for n in toy.nodes if n.role is Role.MAIN]
        assert mains == [toy.document.master_index], label
        assert toy.document.phase is Phase.SERVING, label
        assert toy.document.sync is not None, label
