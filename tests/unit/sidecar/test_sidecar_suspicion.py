"""Suspects: until when they are waited for, and what ends that (P-C4)."""

from __future__ import annotations

import time

import anyio
import pytest

from sidecar.core.route import SUSPECT_S
from sidecar.suspicion import Suspicion

pytestmark = pytest.mark.anyio


class Waiting:
    """A connection whose acknowledgement waits."""

    def __init__(self) -> None:
        self.confirming = True

    def confirmed(self) -> None:
        self.confirming = False


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_an_answer_ends_what_was_asked_about_and_nothing_else() -> None:
    woken: list[int] = []
    suspicion = Suspicion(lambda: woken.append(1))
    suspicion.suspect("a")
    question = await suspicion.raised()
    suspicion.suspect("b")
    assert question.open
    question.answered(sure=True)
    assert list(suspicion.until) == ["b"]
    assert woken == [1]
    with anyio.fail_after(1):
        await suspicion.raised()  # the second one is asked about, too


async def test_a_suspect_is_asked_about_once_at_a_time() -> None:
    suspicion = Suspicion(lambda: None)
    suspicion.suspect("a")
    until = suspicion.until["a"]
    await suspicion.raised()
    suspicion.suspect("a")
    assert suspicion.until == {"a": until}
    with pytest.raises(TimeoutError), anyio.fail_after(0.01):
        await suspicion.raised()


async def test_a_word_that_comes_too_late_lets_it_be_asked_about_again() -> None:
    """Otherwise one unanswered question would be the last about that address until the main changes."""
    woken: list[int] = []
    suspicion = Suspicion(lambda: woken.append(1))
    suspicion.suspect("a")
    suspicion.suspect("b")
    suspicion.until["a"] = time.monotonic() - SUSPECT_S
    suspicion.heard()
    assert list(suspicion.until) == ["b"]  # still waits for its own answer
    assert woken == [1]
    await suspicion.raised()
    suspicion.suspect("a")
    with anyio.fail_after(1):
        await suspicion.raised()


async def test_only_an_answer_that_was_asked_for_afterwards_confirms() -> None:
    """P-C6: the one under way may be of before the cut."""
    suspicion = Suspicion(lambda: None)
    early, late = Waiting(), Waiting()
    suspicion.confirm(early)
    question = await suspicion.raised()
    suspicion.confirm(late)
    question.answered(sure=True)
    assert (early.confirming, late.confirming) == (False, True)
    with anyio.fail_after(1):
        (await suspicion.raised()).answered(sure=True)
    assert not late.confirming


@pytest.mark.parametrize("answered", [False, True])
async def test_without_a_document_that_counts_it_is_asked_again_while_somebody_waits(answered: bool) -> None:
    suspicion = Suspicion(lambda: None)
    waiting, gone = Waiting(), Waiting()
    suspicion.confirm(waiting)
    suspicion.confirm(gone)
    question = await suspicion.raised()
    gone.confirming = False
    if answered:
        question.answered(sure=False)
    else:
        question.again()
    assert waiting.confirming
    with anyio.fail_after(1):
        question = await suspicion.raised()
    waiting.confirming = False
    assert not question.open
    question.again()
    with pytest.raises(TimeoutError), anyio.fail_after(0.01):
        await suspicion.raised()
