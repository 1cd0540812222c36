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

    def _append(self, epoch: str, ldt: int) -> None:
        self.history.append((epoch, ldt))
        del self.history[:-HISTORY_LIMIT]

    def receive(self, epoch: str, ldt: int) -> None:
        """A commit of `epoch` arrives at an instance that stands at `ldt`."""
        if epoch != self.current:
            self._append(self.current, ldt)
            self.current = epoch

    def promote(self, fresh: str, ldt: int) -> None:
        """Begin a new epoch. An entry that already ends at `ldt` isn't repeated."""
        if not self.history or self.history[-1][1] != ldt:
            self._append(self.current, ldt)
        self.current = fresh

    def replayed(self, ldt: int) -> None:
        """After a restart from the commit log Memgraph lists the running epoch as if it had ended.

        If more commits of that epoch follow, this entry is stale, and `judge` finds it first: false divergence.
        """
        self._append(self.current, ldt)

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
