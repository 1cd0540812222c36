"""Waiting for what somebody else makes true, with a deadline and an answer to: what is there instead?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_LOOK_EVERY_S = 0.25
"""Kubernetes is asked over TLS, and what is waited for takes seconds."""


class Unanswered(Exception):
    """Whoever was asked did not answer, or refused; it may do so later."""


def until(look: Callable[[], str], seconds: float, what: str) -> None:
    """Wait until `look` has no complaint. It says what is there instead of `what`; "" is nothing to complain of.

    Raises AssertionError with its last complaint.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            complaint = look()
        except Unanswered as problem:
            complaint = str(problem)
        if not complaint:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not so after {seconds:g} s; instead: {complaint}")
        time.sleep(_LOOK_EVERY_S)  # noqa: TID251 - here the condition is looked at again


def answered(ask: Callable[[], T], seconds: float, what: str) -> T:
    """The first answer to be had; who is asked may be starting just now. Raises AssertionError."""
    found: list[T] = []

    def look() -> str:
        found.append(ask())
        return ""

    until(look, seconds, what)
    return found[0]
