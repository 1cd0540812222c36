"""The time limit of a transaction (`tx_timeout`)."""

from __future__ import annotations

from sandbox.memgraph.core.effects import Steps, Until


class Timer:
    """`run` it beside the transaction, and set `stopped` at its end."""

    def __init__(self) -> None:
        self.stopped = False
        self.expired = False

    def run(self, timeout_s: float) -> Steps[None]:
        """Let the time pass."""
        self.expired = not (yield Until(lambda: self.stopped, timeout_s))
