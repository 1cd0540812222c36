"""What a leader thinks at one moment, as one log line: said when it changes, not when only a number in it does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from controller.core.actions import Plan
from controller.core.reasons import Reason
from sidecar.contract.state import Document

_NUMBER: Final = re.compile(r"(?<![\w-])\d+(?:\.\d+)?(?![\w-])")
"""A number that stands alone: a count, an epoch. Those in names of pods and registrations tell things apart."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """A plan's reason and message, and the document it was made for (None and "" without one)."""

    reason: Reason
    message: str
    term: int | None
    epoch: int | None
    phase: str
    main: str
    sync: int | None

    @property
    def gist(self) -> tuple[object, ...]:
        """Equal for opinions that differ in counts only."""
        return (self.reason, _NUMBER.sub("#", self.message), self.term, self.epoch, self.phase, self.main, self.sync)


def opinion(plan: Plan, document: Document | None) -> Opinion:
    """The opinion behind a plan."""
    if document is None:
        return Opinion(plan.reason, plan.message, plan.memory.term, None, "", "", None)
    sync = document.sync.ordinal if document.sync else None
    return Opinion(
        plan.reason, plan.message, document.term, document.epoch, document.phase.value, document.main_pod, sync
    )
