"""Stages of a failover and a switchover, told by the planner's own plans in the toy cluster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from toy_cluster import Toy, serving

from controller.core.absorb import absorb
from controller.core.actions import Outcome, Plan, Promote, Publish, Target
from controller.core.memory import Memory
from controller.core.model import Found, OnNoSyncReplica, Policy
from controller.core.plan import plan
from controller.core.reasons import Reason
from controller.core.stages import Change, Kind, Stage, Stages, decided, ended
from sidecar.contract.state import CutKind, Document, Phase

STEP_S = 0.01


@dataclass
class Told:
    """A toy cluster whose every step is told to a tracker, as the loop does; each action takes STEP_S."""

    toy: Toy
    stages: Stages = field(default_factory=Stages)
    changes: list[Change] = field(default_factory=list)
    without: float = 0.0

    def run(self, steps: int = 200) -> None:
        for _ in range(steps):
            self.step()

    def step(self) -> Plan:
        toy = self.toy
        document = toy.stored.document if isinstance(toy.stored, Found) else None
        made = plan(toy.observation(), toy.memory)
        self.stages, without = decided(self.stages, toy.now, made, document)
        self.without += without
        toy.memory = made.memory
        if made.action is None:
            toy.now += max(made.wake_after, STEP_S)
            return made
        outcome, at = toy.apply(made.action), toy.now
        toy.now += STEP_S
        toy.memory = absorb(toy.memory, made.action, outcome, toy.now)
        self.stages, change = ended(self.stages, toy.now, made.action, outcome, document, at)
        if change is not None:
            self.changes.append(change)
        return made

    def only(self) -> tuple[Kind, Reason, dict[Stage, float]]:
        (change,) = self.changes
        return change.kind, change.reason, dict(change.seconds)


def test_a_failover_has_every_stage_and_they_add_up() -> None:
    told = Told(serving())
    told.run(5)
    assert (told.changes, told.without) == ([], 0.0)
    told.toy.fail(0, "refused")
    told.run()
    kind, reason, seconds = told.only()
    assert (kind, reason) == (Kind.FAILOVER, Reason.MAIN_REFUSES)
    assert list(seconds) == [*Stage]
    parts = seconds[Stage.DETECT_TO_CUT] + seconds[Stage.CUT_TO_PROMOTED] + seconds[Stage.PROMOTED_TO_PUBLISHED]
    assert seconds[Stage.TOTAL] == pytest.approx(parts)
    assert seconds[Stage.DETECT_TO_CUT] == pytest.approx(STEP_S)
    assert seconds[Stage.CUT_TO_PROMOTED] >= told.toy.policy.cut_settle_s
    assert told.without == pytest.approx(seconds[Stage.TOTAL])


def test_detection_begins_with_the_first_sign() -> None:
    """A main that nobody may replace yet is missing all the same."""
    told = Told(serving())
    told.toy.fail(1, "refused")
    told.toy.fail(0, "refused")
    told.run(30)
    waited = told.without
    assert waited > 1
    assert told.changes == []
    told.toy.restart(1)
    told.run()
    _, _, seconds = told.only()
    assert seconds[Stage.DETECT_TO_CUT] >= waited
    assert told.without == pytest.approx(seconds[Stage.TOTAL])


def test_a_switchover_begins_with_its_decision() -> None:
    told = Told(serving())
    told.run(5)
    told.toy.requests["switchover"] = "any"
    told.run()
    kind, reason, seconds = told.only()
    assert (kind, reason) == (Kind.SWITCHOVER, Reason.SWITCHOVER)
    assert seconds[Stage.DETECT_TO_CUT] == pytest.approx(STEP_S)
    assert told.without == pytest.approx(seconds[Stage.TOTAL] - STEP_S), "until the cut there was a main"


def test_a_pause_keeps_its_main() -> None:
    """`block`: writes wait for another partner; nothing failed over."""
    told = Told(serving(policy=Policy(on_no_sync_replica=OnNoSyncReplica.BLOCK)))
    told.toy.fail(1, "gone")
    told.run(400)
    kind, reason, seconds = told.only()
    assert (kind, reason) == (Kind.PAUSE, Reason.PARTNER_LOST)
    assert set(seconds) == {Stage.DETECT_TO_CUT, Stage.TOTAL}


def test_a_bootstrap_is_no_failover() -> None:
    told = Told(Toy())
    told.run()
    assert told.only()[:2] == (Kind.BOOTSTRAP, Reason.BOOTSTRAP)


def test_a_leader_that_finds_a_cut_knows_only_its_end() -> None:
    """Counted once, by whoever finishes it, under the reason that the document still gives."""
    told = Told(serving())
    told.toy.fail(0, "refused")
    while told.toy.document.phase is Phase.SERVING:
        told.step()
    second = Told(told.toy)
    told.toy.memory = Memory()
    second.run()
    kind, reason, seconds = second.only()
    assert (kind, reason) == (Kind.FAILOVER, Reason.MAIN_REFUSES)
    assert set(seconds) == {Stage.PROMOTED_TO_PUBLISHED}


def test_a_switchover_that_became_a_failover_is_one() -> None:
    toy = serving()
    before = toy.document
    cut = replace(before, phase=Phase.CUT, cut_kind=CutKind.PLANNED, epoch=before.epoch + 1, reason="Switchover")
    worse = replace(cut, cut_kind=CutKind.FAILOVER, epoch=cut.epoch + 1, reason="SwitchoverBecameFailover")
    again = replace(worse, term=2, reason="TermBegun")
    served = replace(worse, phase=Phase.SERVING, cut_kind=None, main_uid="another", reason="Published")
    stages, change, last = Stages(), None, before
    for at, document in enumerate((cut, worse, again, served)):
        stages, change = ended(stages, at, Publish(document, "1"), Outcome.DONE, last, at - 0.5)
        last = document
    assert change is not None
    assert (change.kind, change.reason) == (Kind.FAILOVER, Reason.SWITCHOVER_BECAME_FAILOVER)
    assert dict(change.seconds)[Stage.TOTAL] == 3.5
    assert stages == Stages(without_since=0)


def test_what_did_not_happen_is_not_counted() -> None:
    toy = serving()
    document: Document = replace(toy.document, phase=Phase.CUT, cut_kind=CutKind.FAILOVER)
    for outcome in (Outcome.FAILED, Outcome.UNKNOWN):
        assert ended(Stages(), 1.0, Publish(document, "1"), outcome, toy.document, 0.0) == (Stages(), None)


def test_a_missed_probe_is_forgotten() -> None:
    """The next failover's detection does not begin there."""
    stages, _ = decided(Stages(), 1.0, Plan(Reason.MAIN_UNHEARD, "m"), serving().document)
    assert stages.sign_at == 1.0
    stages, without = decided(stages, 1.2, Plan(Reason.STEADY, "m"), serving().document)
    assert stages == Stages()
    assert without == pytest.approx(0.2)


def test_a_promotion_that_nobody_asked_about_is_harmless() -> None:
    """It belongs to the change that ends next."""
    toy = serving()
    pod = toy.nodes[1].pod()
    assert pod is not None
    stages, change = ended(Stages(), 1.0, Promote(Target(1, pod), "d"), Outcome.DONE, toy.document, 0.5)
    assert (stages.promoted_at, change) == (1.0, None)
