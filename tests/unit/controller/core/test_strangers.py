"""An address that a pod has lost, and the main of another cluster that answers there (P-F9)."""

from __future__ import annotations

import pytest
from toy_cluster import Toy, serving

from controller.core.actions import Demote, Drop, Mark, Promote, Prove, Register
from controller.core.model import Role


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
