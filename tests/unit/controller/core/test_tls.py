"""Sidecars are told of TLS as the controller uses it: from the first document on, and when it changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toy_cluster import Toy, serving

from controller.core.actions import Publish
from controller.core.model import Found, Policy, Tls
from controller.core.reasons import Reason
from sidecar.contract.state import Document, Phase

OLD, NEW = Tls("old pem", "graph"), Tls("new pem", "graph")


def document(toy: Toy) -> Document:
    assert isinstance(toy.stored, Found)
    return toy.stored.document


def told(toy: Toy) -> Tls:
    return Tls(document(toy).tls_ca, document(toy).tls_server_name)


def test_the_first_document_has_it() -> None:
    """A sidecar that dialled without would send passwords in the clear."""
    toy = Toy()
    toy.tls = OLD
    toy.settle()
    assert told(toy) == OLD
    documents = [plan.action.document for plan in toy.log if isinstance(plan.action, Publish)]
    assert documents
    assert {each.tls_ca for each in documents} == {OLD.ca}


@pytest.mark.parametrize("then", [NEW, Tls("old pem", "other"), Tls("", "graph"), Tls()], ids=str)
def test_a_change_is_one_epoch_and_one_document(then: Tls) -> None:
    toy = serving()
    toy.tls = OLD
    toy.settle()
    before, steps = document(toy), len(toy.log)
    toy.tls = then
    toy.settle()
    assert told(toy) == then
    assert document(toy).epoch == before.epoch + 1
    reasons = [plan.reason for plan in toy.log[steps:] if isinstance(plan.action, Publish)]
    assert reasons == [Reason.TLS_CHANGED]


def test_a_failover_keeps_it_and_a_change_within_comes_right_after() -> None:
    """Nothing is published before the new main was heard."""
    toy = serving()
    toy.tls = OLD
    toy.settle()
    toy.nodes[0].terminated = True
    toy.fail(0, "refused")
    toy.now += 1
    toy.tls = NEW
    toy.settle()
    assert document(toy).master_index != 0
    assert document(toy).phase is Phase.SERVING
    assert told(toy) == NEW


def test_what_does_not_answer_by_the_new_tls_is_published_as_before() -> None:
    toy = serving()
    toy.tls = OLD
    toy.settle()
    for ordinal in range(3):
        toy.fail(ordinal, "silent")
    toy.now += 1
    toy.tls = NEW
    for _ in range(10):
        toy.step()
    assert told(toy) == OLD


def test_whether_sidecars_cut_is_published_without_a_new_epoch() -> None:
    """And a value written into the document by hand is taken back."""
    toy = serving()
    before = document(toy)
    toy.policy = replace(toy.policy, cut_on_change=False)
    toy.settle()
    assert (document(toy).cut_on_change, document(toy).epoch) == (False, before.epoch)
    assert [plan.reason for plan in toy.log if isinstance(plan.action, Publish)][-1] is Reason.CUTTING_CHANGED
    assert isinstance(toy.stored, Found)
    toy.stored = replace(toy.stored, document=replace(document(toy), cut_on_change=True))
    toy.settle()
    assert document(toy).cut_on_change is False


def test_the_first_document_says_whether_sidecars_cut() -> None:
    toy = Toy(policy=Policy(cut_on_change=False))
    toy.settle()
    documents = [plan.action.document for plan in toy.log if isinstance(plan.action, Publish)]
    assert {each.cut_on_change for each in documents} == {False}
