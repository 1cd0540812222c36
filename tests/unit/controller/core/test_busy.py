"""P-S5: a main whose commits never let a STRICT_SYNC registration through gets its partner while nobody writes."""

from __future__ import annotations

from toy_cluster import Toy, healthy, serving

from controller.core.actions import Plan, Publish
from controller.core.model import Mode
from controller.core.reasons import Reason
from sidecar.contract.state import CutKind, Phase


def busy() -> Toy:
    """The partner of a busy main restarts: whoever is to replace it finds the lock taken."""
    toy = serving()
    toy.busy = True
    toy.restart(toy.document.sync.ordinal)
    return toy


def cuts(plans: list[Plan]) -> list[Plan]:
    return [p for p in plans if p.reason is Reason.PARTNER_CUT and isinstance(p.action, Publish)]


def test_after_two_tries_the_clients_are_cut_for_a_moment() -> None:
    toy = busy()
    main = toy.document.master_index
    plans = toy.settle()
    (cut,) = cuts(plans)
    assert isinstance(cut.action, Publish)
    assert (cut.action.document.phase, cut.action.document.cut_kind) == (Phase.CUT, CutKind.PLANNED)
    tries = [p for p in plans[: plans.index(cut)] if p.reason is Reason.PARTNER_REGISTERING]
    assert len(tries) == 2
    healthy(toy)
    assert toy.document.master_index == main, "it stays the main"


def test_at_most_one_such_cut_a_minute() -> None:
    """The new partner is lost again at once: the second pause has to wait."""
    toy = busy()
    toy.settle()
    toy.restart(toy.document.sync.ordinal)
    began = toy.now
    while toy.now < began + 50.0:
        toy.step()
    assert len(cuts(toy.log)) == 1
    assert toy.document.sync is None
    while toy.now < began + 70.0:
        toy.step()
    assert len(cuts(toy.log)) == 2
    healthy(toy)


def test_an_asynchronous_replica_is_worth_no_cut() -> None:
    toy = serving()
    taken = (toy.document.master_index, toy.document.sync.ordinal)
    reader = next(node.ordinal for node in toy.nodes if node.ordinal not in taken)
    toy.busy = True
    toy.restart(reader)
    assert cuts(toy.settle()) == []
    rows = toy.nodes[toy.document.master_index].registrations
    assert sum(row.mode is Mode.ASYNC for row in rows) == 1
