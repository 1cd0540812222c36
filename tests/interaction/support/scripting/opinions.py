"""What the controllers think, in their own words: the log lines that a person would read in production."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from controller.core.reasons import Reason

_FIELDS = "memgraph_ha_fields"
_WHEN = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(\+00:00|Z)")
_WORTH_TELLING = frozenset({Reason.NO_CANDIDATE, Reason.REBUILD_AMBIGUOUS, Reason.UNPROTECTED})
"""Opinions that a script shows although nothing is done about them; other waits last for moments."""


@dataclass
class Opinion:
    """One line of a controller: why, in which words, and how what it did about it ended (None: it waits)."""

    reason: str
    message: str
    outcomes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        bad = [outcome for outcome in self.outcomes if outcome != "done"]
        return f"{self.reason}: {_WHEN.sub('(when)', self.message)}" + (f" [{bad[-1]}]" if bad else "")


class Opinions(logging.Handler):
    """Collects them."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Opinion] = []
        self._shown = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a log line in."""
        fields = getattr(record, _FIELDS, {})
        match record.getMessage():
            case "OpinionChanged":
                self.all.append(Opinion(str(fields["reason"]), str(fields["message"])))
            case "ActionDone" | "ActionFailed":
                self._latest(str(fields["reason"])).outcomes.append(str(fields["outcome"]))

    def _latest(self, reason: str) -> Opinion:
        return next(opinion for opinion in reversed(self.all) if opinion.reason == reason)

    def had(self, reason: str) -> bool:
        """Whether this was thought since the last look."""
        return any(opinion.reason == reason for opinion in self.all[self._shown :])

    def look(self) -> list[str]:
        """What was decided since the last look, and what is thought now."""
        news, self._shown = self.all[self._shown :], len(self.all)
        return [
            str(opinion)
            for opinion in news
            if opinion.outcomes or Reason(opinion.reason) in _WORTH_TELLING or opinion is self.all[-1]
        ]


@contextmanager
def listening() -> Iterator[Opinions]:
    """Collect what controllers in this process log, and keep it from everybody else."""
    logger, heard, disabled = logging.getLogger("controller"), Opinions(), logging.root.manager.disable
    before = (logger.level, logger.propagate)
    logging.disable(logging.NOTSET)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(heard)
    try:
        yield heard
    finally:
        logger.removeHandler(heard)
        logger.level, logger.propagate = before
        logger.setLevel(before[0])
        logging.disable(disabled)
