"""Users (P-U): the main is given a changed Secret at once, a promoted instance before it is published, for a while."""

from __future__ import annotations

import copy

import pytest
from toy_cluster import Toy, serving

from controller.core.actions import ApplyUser, Publish
from controller.core.memory import Memory
from controller.core.model import UsersWanted
from controller.core.reasons import Reason
from controller.core.users import Pending, pending_users
from sidecar.contract.state import Phase

FIRST, SECOND = UsersWanted("v1", ("app", "ops")), UsersWanted("v2", ("app", "ops"))


@pytest.fixture
def toy() -> Toy:
    """A settled cluster whose instances all started with the first Secret."""
    toy = serving()
    toy.users = FIRST
    for node in toy.nodes:
        node.users = dict.fromkeys(FIRST.names, FIRST.version)
    return toy


def applied(toy: Toy) -> list[tuple[int, str]]:
    """(instance, user), in the order of the plans."""
    return [(p.action.on.ordinal, p.action.name) for p in toy.log if isinstance(p.action, ApplyUser)]


def published_at(toy: Toy) -> float:
    """Step until the document serves again; how long that took."""
    began = toy.now
    while True:
        action = toy.step().action
        if isinstance(action, Publish) and action.document.phase is Phase.SERVING:
            return toy.now - began


def fail_over(toy: Toy) -> float:
    """The main dies; seconds until another is published."""
    toy.nodes[0].terminated = True
    toy.fail(0, "refused")
    toy.now += 1
    return published_at(toy)


def test_a_changed_secret_reaches_the_main_at_once_and_nobody_else(toy: Toy) -> None:
    """A replica would refuse: it is pending."""
    toy.users = SECOND
    toy.settle()
    assert applied(toy) == [(0, "app"), (0, "ops")]
    assert pending_users(toy.observation()) == (Pending(1, ("app", "ops")), Pending(2, ("app", "ops")))
    toy.restart(2)
    toy.settle()
    assert pending_users(toy.observation()) == (Pending(1, ("app", "ops")),)


def test_an_instance_that_started_with_today_s_secret_is_promoted_without_any_user_statement(toy: Toy) -> None:
    """The ordinary failover pays nothing."""
    assert fail_over(toy) < 0.5
    assert applied(toy) == []


def test_a_pending_partner_gets_its_users_before_it_is_published(toy: Toy) -> None:
    """Otherwise a password that was taken back would work again."""
    toy.users = SECOND
    toy.settle()
    toy.log.clear()
    fail_over(toy)
    main = toy.document.master_index
    assert applied(toy) == [(main, "app"), (main, "ops")]
    assert isinstance(toy.log[-1].action, Publish)


@pytest.mark.parametrize("trouble", ["refused", "not asked"])
def test_users_never_hold_a_failover_up_for_long(toy: Toy, trouble: str) -> None:
    """One second; what is left follows while serving."""
    toy.users = SECOND
    toy.settle()
    for node in toy.nodes:
        node.users_asked = trouble != "not asked"
    if trouble == "refused":
        toy.refused_users = {"app"}
    assert fail_over(toy) < 1.6
    for node in toy.nodes:
        node.users_asked = True
    toy.refused_users.clear()
    toy.now += 60
    toy.settle()
    main = toy.nodes[toy.document.master_index]
    assert main.users == dict.fromkeys(SECOND.names, SECOND.version)


def test_a_refused_user_is_tried_again_later_and_stops_nobody_else(toy: Toy) -> None:
    """With a pause: it will be refused until somebody changes the Secret."""
    toy.users, toy.refused_users = SECOND, {"app"}
    toy.settle()
    assert applied(toy)[:2] == [(0, "app"), (0, "ops")]
    assert len(applied(toy)) <= 3
    assert toy.document.sync is not None


@pytest.mark.parametrize("main_dies", [False, True])
def test_a_leader_that_dies_after_any_step_leaves_the_users_to_the_next(toy: Toy, main_dies: bool) -> None:
    """What the instances know is asked, not remembered: forget everything after step k, for every k."""
    toy.users = SECOND
    if main_dies:
        toy.settle()
        toy.nodes[0].terminated = True
        toy.fail(0, "refused")
    smooth = copy.deepcopy(toy)
    for k in range(len(smooth.settle())):
        again = copy.deepcopy(toy)
        for _ in range(k):
            again.step()
        again.memory = Memory()
        again.settle()
        main = again.nodes[again.document.master_index]
        assert (again.document.phase, main.reach) == (Phase.SERVING, "ok")
        assert main.users == dict.fromkeys(SECOND.names, SECOND.version)


def test_an_instance_that_refuses_the_controller_is_no_candidate_and_is_named(toy: Toy) -> None:
    """It may hold every write: still, nothing can be done there."""
    assert toy.document.sync is not None
    partner = toy.document.sync.ordinal
    toy.fail(partner, "denied")
    (*_, steady) = toy.settle()
    assert f"m-{partner} refuses the controller's credentials" in steady.message
    assert steady.reason in (Reason.CREDENTIALS_REFUSED, Reason.UNPROTECTED)
    toy.fail(0, "denied")
    (*_, waiting) = toy.settle()
    assert waiting.reason is Reason.CREDENTIALS_REFUSED
    assert "m-0 refuses the controller's credentials" in waiting.message
    assert toy.document.master_index == 0


def test_without_a_secret_nothing_is_pending() -> None:
    """Users are nobody's business then."""
    toy = serving()
    assert pending_users(toy.observation()) == ()
    assert applied(toy) == []
