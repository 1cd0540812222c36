"""Epochs: how a main tells a replica that merely lags from one with commits of its own (Memgraph 3.12's rules)."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

HISTORY_LIMIT: Final = 1000
"""Entries Memgraph keeps."""


class Verdict(enum.Enum):
    """What a main thinks of a replica's position."""

    READY = "ready"
    BEHIND = "behind"
    DIVERGED = "diverged"


@dataclass(slots=True)
class Epochs:
    """The current epoch and the ended ones: (epoch, last durable timestamp in it), oldest first."""

    current: str
    history: list[tuple[str, int]] = field(default_factory=list)

    def save(self, ldt: int) -> None:
        """End the current epoch at `ldt`, unless the last entry already ends there (nothing was committed since)."""
        if not self.history or self.history[-1][1] != ldt:
            self.history.append((self.current, ldt))
            del self.history[:-HISTORY_LIMIT]

    def receive(self, epoch: str, ldt: int) -> bool:
        """A transaction or WAL file of `epoch` arrives at an instance that stands at `ldt`. True: the epoch is new.

        The epoch is taken over even if what arrives is refused in the next step.
        """
        if epoch == self.current:
            return False
        self.save(ldt)
        self.current = epoch
        return True

    def promote(self, fresh: str, ldt: int) -> None:
        """Begin a new epoch."""
        self.save(ldt)
        self.current = fresh

    def replayed(self, epoch: str, ldt: int) -> None:
        """At a start, a WAL file of `epoch` brought new commits up to `ldt`.

        So the running epoch stands in the history as if it had ended. If more commits of it follow and this instance
        is promoted, `save` appends a second entry, and `judge` finds this stale one first: false divergence (M-3.4).
        A further replay, or none because a snapshot covers everything, mends it.
        """
        if self.history and self.history[-1][0] == epoch:
            self.history[-1] = (epoch, ldt)
        else:
            self.history.append((epoch, ldt))
            self.current = epoch

    def of(self, ldt: int) -> str:
        """The epoch a replica reports: the ended one if nothing was committed since."""
        if self.history and self.history[-1][1] == ldt:
            return self.history[-1][0]
        return self.current

    def judge(self, my_ldt: int, epoch: str, ldt: int) -> Verdict:
        """A replica reports (`epoch`, `ldt`). A larger `ldt` in the same epoch passes as ready."""
        if epoch != self.current and ldt != 0:
            ended_at = next((ts for name, ts in self.history if name == epoch), None)
            if ended_at is None or ended_at < ldt:
                return Verdict.DIVERGED
        return Verdict.READY if ldt >= my_ldt else Verdict.BEHIND
