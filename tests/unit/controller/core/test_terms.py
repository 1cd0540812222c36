"""What the operator chose for connections is in the document, and stays there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toy_cluster import Toy, serving

from controller.core.actions import Publish
from controller.core.model import Found, Terms
from controller.core.plan import plan
from controller.core.reasons import Reason
from sidecar.contract.state import Document, Phase


def published(toy: Toy) -> Document:
    """What is planned to be published because of the terms."""
    step = plan(toy.observation(), toy.memory)
    assert isinstance(step.action, Publish)
    assert step.reason is Reason.TERMS_CHANGED
    return step.action.document


@pytest.mark.parametrize(
    ("terms", "epochs", "said"),
    [
        (Terms("PEM", "db.example"), 1, "the authority"),
        (Terms(tls_server_name="db.example"), 1, "the name"),
        (Terms(cut_on_change=False), 0, "whether a change of main ends connections"),
    ],
)
def test_other_terms_are_published_and_other_tls_is_another_epoch(terms: Terms, epochs: int, said: str) -> None:
    toy = serving(3)
    before = toy.document
    toy.terms = terms
    document = published(toy)
    assert Terms(document.tls_ca, document.tls_server_name, document.cut_on_change) == terms
    assert document.epoch == before.epoch + epochs
    assert document.phase is Phase.SERVING
    assert document.main_uid == before.main_uid
    assert said in document.message


def test_terms_that_are_as_chosen_are_left_alone() -> None:
    toy = serving(3)
    toy.terms = Terms()
    assert plan(toy.observation(), toy.memory).reason is Reason.STEADY


def test_without_terms_of_its_own_a_controller_leaves_the_document_s() -> None:
    toy = serving(3)
    assert isinstance(toy.stored, Found)
    toy.stored = replace(toy.stored, document=replace(toy.document, cut_on_change=False))
    assert plan(toy.observation(), toy.memory).reason is Reason.STEADY


def test_the_first_document_has_them() -> None:
    toy = Toy(3)
    toy.terms = Terms("PEM", "db.example", cut_on_change=False)
    step = plan(toy.observation(), toy.memory)
    assert isinstance(step.action, Publish)
    document = step.action.document
    assert Terms(document.tls_ca, document.tls_server_name, document.cut_on_change) == toy.terms


def test_a_main_that_is_gone_comes_before_other_terms() -> None:
    toy = serving(3)
    toy.terms = Terms(cut_on_change=False)
    toy.fail(0, "gone")
    toy.now += 1.0
    step = plan(toy.observation(), toy.memory)
    assert step.reason is not Reason.TERMS_CHANGED
