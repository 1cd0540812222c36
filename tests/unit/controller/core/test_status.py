"""The status: what is told, and what is not."""

from __future__ import annotations

from dataclasses import replace

from toy_cluster import Toy, serving

from controller.core.model import Instance, Mode, Observation, Role, Status
from controller.core.plan import plan
from controller.core.reasons import Reason
from controller.core.requests import RequestAnswer
from controller.core.status import Decision, status_of

DECISION = Decision(Reason.STEADY, "m", "t")
ANSWER = RequestAnswer("switchover", "any", True, "RequestAnswered", "m", "t", "c-0")


def decided(toy: Toy) -> Decision:
    step = plan(toy.observation(), toy.memory)
    return Decision(step.reason, step.message, "t")


def test_a_leader_tells_the_document_and_how_each_instance_is() -> None:
    toy = serving()
    toy.paused = "by me"
    status = status_of(toy.observation(), "c-0", leading=True, decision=DECISION, answer=ANSWER)
    document = toy.document
    assert (status.term, status.epoch, status.phase, status.main) == (1, document.epoch, "serving", "m-0")
    assert (status.controller, status.leading, status.leader) == ("c-0", True, "c-0")
    assert (status.sync_replica, status.paused, status.decision, status.last_answer) == (1, "by me", DECISION, ANSWER)
    assert status.commands == ()
    main, partner, _ = status.instances
    assert (main.pod, main.role, main.marker, main.vertices) == ("m-0", Role.MAIN, document.epoch, toy.nodes[0].writes)
    assert (main.database_uuid, main.answered_ago_s, main.problem, main.registration) == ("db-0", 0.0, None, None)
    assert document.sync is not None
    assert partner.registration == document.sync.registration
    assert (partner.registration_mode, partner.registration_status, partner.behind) == (
        Mode.STRICT_SYNC,
        Status.READY,
        0,
    )


def test_a_standby_tells_who_leads_and_the_pods_and_nothing_old() -> None:
    toy = serving()
    toy.paused = "by me"
    obs = replace(toy.observation(), lease_epoch=7, lease_term=3, identity="c-1")
    status = status_of(obs, "c-0", leading=False, decision=DECISION, answer=ANSWER)
    assert (status.controller, status.leading, status.leader) == ("c-1", False, "c-0")
    assert (status.term, status.epoch) == (3, 7), "from the Lease"
    told = (status.phase, status.main, status.sync_replica, status.paused, status.decision, status.last_answer)
    assert told == (None,) * 6
    assert [i.pod for i in status.instances] == ["m-0", "m-1", "m-2"]
    assert {(i.role, i.vertices, i.problem, i.registration, i.answered_ago_s) for i in status.instances} == {
        (None,) * 5
    }


def test_what_is_wrong_with_an_instance_is_said() -> None:
    toy = serving()
    toy.fail(1, "silent")
    toy.fail(2, "refused")
    obs = toy.observation()
    pod = toy.nodes[2].pod()
    assert pod is not None
    problems = {
        "silent": obs.instance(1),
        "refused": obs.instance(2),
        "no pod": Instance(2),
        "denied": Instance(2, pod, denied=True),
        "not running": Instance(2, replace(pod, running=False), refused=2),
        None: toy.observation().instance(0),
    }
    for problem, instance in problems.items():
        assert _problem(replace(obs, instances=(replace(instance, ordinal=2),))) == problem
    status = status_of(obs, None, leading=True, decision=None, answer=None)
    assert status.instances[1].answered_ago_s == 60.0
    assert status.instances[1].role is Role.REPLICA, "what it said last"


def _problem(obs: Observation) -> str | None:
    return status_of(obs, None, leading=True, decision=None, answer=None).instances[0].problem


def test_while_it_is_ambiguous_the_commands_that_resolve_it_are_told() -> None:
    """P-B1: one for each instance that answers."""
    toy = Toy()
    for ordinal in (0, 2):
        toy.nodes[ordinal].role, toy.nodes[ordinal].writes = Role.MAIN, 3
    status = status_of(toy.observation(), "c-0", leading=True, decision=decided(toy), answer=None)
    assert status.commands == tuple(f"memgraph-ha promote {n} --accept-data-loss" for n in range(3))
    assert status.main is None
    assert [i.vertices for i in status.instances] == [3, 0, 3]
