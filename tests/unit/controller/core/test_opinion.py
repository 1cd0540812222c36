"""One log line a change of opinion."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toy_cluster import serving

from controller.core.actions import Plan
from controller.core.memory import Memory
from controller.core.opinion import opinion
from controller.core.reasons import Reason
from sidecar.contract.state import Phase


def test_it_carries_what_the_leader_stands_on() -> None:
    toy = serving()
    said = opinion(Plan(Reason.STEADY, "m"), toy.document)
    assert (said.reason, said.message, said.term, said.epoch) == ("Steady", "m", 1, toy.document.epoch)
    assert (said.phase, said.main, said.sync) == ("serving", "m-0", 1)
    alone = opinion(Plan(Reason.UNPROTECTED, "m"), replace(toy.document, sync=None, phase=Phase.CUT))
    assert (alone.phase, alone.sync) == ("cut", None)


def test_without_a_document_there_is_only_the_term() -> None:
    said = opinion(Plan(Reason.WAITING_FOR_INSTANCES, "m", memory=Memory(term=3)), None)
    assert (said.term, said.epoch, said.phase, said.main, said.sync) == (3, None, "", "", None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2 replicas can be read", "1 replicas can be read", True),
        ("it lags 17 behind, for 2.5 s", "it lags 3 behind, for 3.0 s", True),
        ("promoting m-1", "promoting m-2", False),
        ("dropping memgraph_1_t1_0", "dropping memgraph_1_t1_1", False),
        ("the main is gone", "the main is back", False),
    ],
)
def test_counts_alone_are_no_change(one: str, other: str, same: bool) -> None:
    """Names are: their digits tell pods apart."""
    document = serving().document
    gists = [opinion(Plan(Reason.STEADY, text), document).gist for text in (one, other)]
    assert (gists[0] == gists[1]) is same


def test_another_epoch_main_or_partner_is_a_change() -> None:
    document = serving().document
    plan = Plan(Reason.STEADY, "m")
    others = [replace(document, epoch=9), replace(document, main_pod="m-9"), replace(document, sync=None)]
    assert all(opinion(plan, other).gist != opinion(plan, document).gist for other in others)
