"""Waiting for what nobody announces: the kernel and other programs' files are asked again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

from envtest.failure import DidNotStart

_LOOK_EVERY_S = 0.05


def until(condition: Callable[[], object], seconds: float, complaint: Callable[[], str]) -> None:
    """Wait until the condition is true. Raises DidNotStart with the complaint's text when the seconds have passed."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise DidNotStart(f"{complaint()} (waited {seconds:g} s)")
        time.sleep(_LOOK_EVERY_S)  # noqa: TID251 - here the condition is looked at again
