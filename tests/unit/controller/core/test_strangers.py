"""An address that a pod has lost, and the main of another cluster that answers there (P-F9)."""

from __future__ import annotations

import pytest
from toy_cluster import Toy, serving

from controller.core.actions import Demote, Drop, Mark, Promote, Prove, Register
from controller.core.model import Role
from controller.core.strangers import LOOK_EVERY_S


def _stranger_at(toy: Toy, ordinal: int) -> None:
    """The pod is as the watch last said; who answers is somebody else's main."""
    node = toy.nodes[ordinal]
    node.role, node.registrations, node.marker, node.reach = Role.MAIN, [], None, "ok"
    node.database_uuid = "another cluster's"


def _commands_to(toy: Toy, ordinal: int) -> list[object]:
    commands = [d.action for d in toy.log if isinstance(d.action, Promote | Demote | Mark | Register | Drop | Prove)]
    return [command for command in commands if command.on.ordinal == ordinal]


def test_a_stranger_at_the_main_s_address_gets_no_command() -> None:
    toy = serving()
    before = toy.document
    toy.log.clear()
    _stranger_at(toy, 0)
    toy.settle()
    assert _commands_to(toy, 0) == []
    assert toy.document == before, "nothing is known of the main, and its partner is as good as ever"
    assert "another database" in toy.log[-1].message


@pytest.mark.parametrize("stranger", [0, 1])
def test_a_stranger_is_not_taken_for_a_finished_failover(stranger: int) -> None:
    toy = serving()
    toy.fail(0, "refused")
    toy.step()
    assert toy.document.phase == "cut"
    toy.log.clear()
    _stranger_at(toy, stranger)
    for _ in range(200):
        toy.step()
    assert all(isinstance(action, Demote) for action in _commands_to(toy, stranger)), "P-F9 lets any other main have it"
    assert toy.document.phase == ("serving" if stranger == 0 else "cut")
    assert toy.document.master_index == (1 if stranger == 0 else 0)


def test_a_stranger_at_the_main_s_address_has_the_pods_listed_and_the_main_is_given_up() -> None:
    """The watch that would tell of the pod's end may be dead, and clients write to the stranger meanwhile (P-F9)."""
    toy = serving()
    toy.on_list = lambda: toy.fail(0, "gone")
    _stranger_at(toy, 0)
    assert toy.step().list_pods
    toy.settle()
    assert toy.document.phase == "serving"
    assert toy.document.master_index == 1


def test_pods_that_are_confirmed_are_listed_once_a_second() -> None:
    toy = serving()
    _stranger_at(toy, 0)
    began, listed = toy.now, 0
    while toy.now < began + 10:
        listed += toy.step().list_pods
    assert 2 <= listed <= 10 / LOOK_EVERY_S + 1


@pytest.mark.parametrize("gone", [True, False])
def test_a_second_main_of_another_database_is_demoted_only_if_its_pod_is_still_there(gone: bool) -> None:
    toy = serving()
    toy.fail(0, "silent")
    toy.settle()
    assert toy.document.master_index == 1
    _stranger_at(toy, 0)
    if gone:
        toy.on_list = lambda: toy.fail(0, "gone")
    toy.log.clear()
    toy.settle()
    assert bool(_commands_to(toy, 0)) is not gone
