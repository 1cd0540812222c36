"""The controller's metrics, by Prometheus' conventions."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from controller.core.actions import Outcome
from controller.core.reasons import Reason
from sidecar.contract.names import METRIC_PREFIX
from sidecar.contract.state import Document, Phase


class Metrics:
    """One registry, and one method for each thing worth counting."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        prefix = METRIC_PREFIX + "controller_"
        self._leader = Gauge(prefix + "leader", "1 while this controller leads", registry=self.registry)
        self._term = Gauge(prefix + "term", "The term this controller leads in", registry=self.registry)
        self._paused = Gauge(prefix + "paused", "1 while it only observes, as it was asked to", registry=self.registry)
        self._epoch = Gauge(METRIC_PREFIX + "published_epoch", "The epoch last published", registry=self.registry)
        self._serving = Gauge(METRIC_PREFIX + "serving", "1 while clients may talk to the main", registry=self.registry)
        self._protected = Gauge(
            METRIC_PREFIX + "protected", "1 while a replica is known to hold every write", registry=self.registry
        )
        self._decisions = Counter(prefix + "decisions_total", "Changes of opinion", ["reason"], registry=self.registry)
        self._actions = Counter(
            prefix + "actions_total", "Actions executed", ["action", "outcome"], registry=self.registry
        )
        self._published_at = Gauge(
            METRIC_PREFIX + "published_timestamp_seconds", "When a document was last written", registry=self.registry
        )

    def leads(self, term: int | None) -> None:
        """This controller leads in this term, or no longer leads."""
        self._leader.set(0 if term is None else 1)
        self._term.set(term or 0)
        if term is None:
            self._paused.set(0)  # the next leader says it

    def paused(self, paused: bool) -> None:
        """This controller, leading, found a pause, or none."""
        self._paused.set(1 if paused else 0)

    def decided(self, reason: Reason) -> None:
        """A change of opinion."""
        self._decisions.labels(reason.value).inc()

    def acted(self, action: str, outcome: Outcome) -> None:
        """An action ended."""
        self._actions.labels(action, outcome.value).inc()

    def published(self, document: Document) -> None:
        """A document was written."""
        self._epoch.set(document.epoch)
        self._serving.set(1 if document.phase is Phase.SERVING else 0)
        self._protected.set(1 if document.sync else 0)
        self._published_at.set_to_current_time()
