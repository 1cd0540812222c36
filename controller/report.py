"""Says what the loop sees, decides and does: one log line a change of opinion, and the metrics."""

from __future__ import annotations

import logging
from typing import Final

from controller.core.actions import Action, Outcome, Plan, Publish
from controller.core.model import Found, Observation
from controller.core.opinion import opinion
from controller.core.stages import Stages, decided, ended
from controller.core.status import Decision
from controller.metrics import Metrics
from sidecar.contract import logs
from sidecar.contract.state import Document

LOG: Final = logging.getLogger(__name__)


class Reporter:
    """One leadership after the other; `begin` forgets what the last one said."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._stages = Stages()
        self._gist: tuple[object, ...] = ()
        self._document: Document | None = None
        self._decided_at = 0.0
        self._term: int | None = None
        self.decision: Decision | None = None
        """The last decision, and since when it is this one but for its counts."""

    def begin(self) -> None:
        """This process leads; its term begins with its first write."""
        self._stages, self._gist, self._term, self.decision = Stages(), (), None, None

    def term(self, term: int | None) -> None:
        """The term as the leader's memory has it."""
        if term is not None and term != self._term:
            self._term = term
            self._metrics.leads(term)
            logs.emit(LOG, "BecameLeader", term=term)

    def paused(self, paused: bool) -> None:
        """Whether it was asked to only observe."""
        self._metrics.paused(paused)

    def end(self) -> None:
        """It no longer leads."""
        self._metrics.leads(None)
        logs.emit(LOG, "LeadershipLost", logging.WARNING, term=self._term)

    def decided(self, observation: Observation, plan: Plan) -> bool:
        """A plan was made; whether it is another opinion than the last one."""
        stored = observation.stored
        self._document = stored.document if isinstance(stored, Found) else None
        self._decided_at = observation.now
        self._metrics.seen(observation)
        self._stages, without = decided(self._stages, observation.now, plan, self._document)
        self._metrics.without_main(without)
        said = opinion(plan, self._document)
        known = self.decision if said.gist == self._gist else None
        self.decision = Decision(plan.reason, plan.message, known.since if known else observation.updated_at)
        if known is not None:
            return False
        self._gist = said.gist
        self._metrics.decided(plan.reason)
        logs.emit(
            LOG, "OpinionChanged", reason=said.reason, message=said.message, term=said.term, epoch=said.epoch,
            phase=said.phase, main=said.main, sync=said.sync,
        )  # fmt: skip
        return True

    def acted(self, plan: Plan, action: Action, outcome: Outcome, said: str, now: float) -> None:
        """The plan's action ended."""
        name = type(action).__name__
        done = outcome is Outcome.DONE
        self._metrics.acted(name, outcome)
        level, event = (logging.INFO, "ActionDone") if done else (logging.WARNING, "ActionFailed")
        logs.emit(LOG, event, level, action=name, outcome=outcome, reason=plan.reason, said=said)
        if isinstance(action, Publish) and done:
            _written(action.document)
        before, at = self._document, self._decided_at
        self._stages, change = ended(self._stages, now, action, outcome, before, at)
        if change is not None:
            self._metrics.changed(change)
            seconds = {stage.value: round(length, 3) for stage, length in change.seconds}
            logs.emit(LOG, "CutEnded", kind=change.kind, reason=change.reason, seconds=seconds)


def _written(document: Document) -> None:
    logs.emit(
        LOG,
        "DocumentWritten",
        epoch=document.epoch,
        term=document.term,
        phase=document.phase,
        cut_kind=document.cut_kind,
        master_index=document.master_index,
        main_pod=document.main_pod,
        main_address=document.main_address,
        sync_replica=document.sync.ordinal if document.sync else None,
        reason=document.reason,
        message=document.message,
    )
