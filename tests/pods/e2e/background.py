"""Something that goes on beside the tests, in a thread of its own, until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """Calls `step` again and again, with a pause between; `step` handles its own errors."""

    def __init__(self, step: Callable[[], bool], pause_s: float, name: str) -> None:
        self._step = step
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """It ends with its step."""
        self._stopping.set()

    def join(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set() and self._step():
            self._stopping.wait(self._pause_s)
