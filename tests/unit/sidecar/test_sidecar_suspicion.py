"""Suspects: until when they are waited for, and what ends that (P-C4)."""

from __future__ import annotations

import time

import anyio
import pytest

from sidecar.core.route import SUSPECT_S
from sidecar.suspicion import Suspicion

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_an_answer_ends_what_was_asked_about_and_nothing_else() -> None:
    woken: list[int] = []
    suspicion = Suspicion(lambda: woken.append(1))
    suspicion.suspect("a")
    answered = await suspicion.raised()
    suspicion.suspect("b")
    answered()
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
