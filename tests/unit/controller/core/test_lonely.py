"""P-F1's last sentence: who reaches nobody gives way, if there is somebody to give way to."""

from __future__ import annotations

import pytest
from toy_cluster import Toy, serving

from controller.core.actions import StepDown
from controller.core.memory import Memory
from controller.core.reasons import Reason


def unheard(others: int) -> Toy:
    """A settled cluster whose leader suddenly hears of nobody."""
    toy = serving()
    toy.other_controllers = others
    for ordinal in range(3):
        toy.fail(ordinal, "silent")
    return toy


def resigns_within(toy: Toy, seconds: float) -> bool:
    until = toy.now + seconds
    while toy.now < until:
        if isinstance(toy.step().action, StepDown):
            return True
    return False


def test_a_leader_that_reaches_nobody_gives_way_after_three_seconds() -> None:
    """It must not sit on the lease while another controller could help (scenario 10)."""
    toy = unheard(others=1)
    assert not resigns_within(toy, 2.9)
    assert resigns_within(toy, 0.5)
    assert toy.log[-1].reason is Reason.REACHES_NOBODY
    assert toy.document.phase == "serving", "nothing was cut for a silence that is ours"


def test_the_last_controller_keeps_trying() -> None:
    assert not resigns_within(unheard(others=0), 30.0)


@pytest.mark.parametrize("reach", ["ok", "refused"])
def test_one_answer_is_enough_to_stay(reach: str) -> None:
    """A refused connection came from the instance's node: the network is fine."""
    toy = unheard(others=1)
    toy.fail(2, reach)
    assert not resigns_within(toy, 30.0)


def test_an_empty_memory_only_begins_to_count() -> None:
    toy = unheard(others=1)
    toy.now += 100.0
    toy.memory = Memory(term=toy.document.term)
    assert not isinstance(toy.step().action, StepDown)
