"""The controller's metrics, by Prometheus' conventions. The table for people is docs/surfaces.md.

Label values are closed lists and ordinals. What describes the cluster is exported by the leader only: from a standby it
would be old, and a sum over controllers would count it twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from controller.core.actions import Outcome
from controller.core.fleet.model import Health
from controller.core.model import Found, Instance, Observation, Role, Status
from controller.core.reasons import Reason
from controller.core.stages import Change
from controller.core.view import ordinal_of
from sidecar.contract.names import METRIC_PREFIX
from sidecar.contract.state import Document, Phase

_CONTROLLER: Final = METRIC_PREFIX + "controller_"
_CHANGE_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 300.0)
_PROBE_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Probed(StrEnum):
    """How a probe ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    SILENT = "silent"
    DENIED = "denied"


class Metrics:
    """One registry, and one method for each thing worth counting."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._leader = Gauge(_CONTROLLER + "leader", "1 while this controller leads", registry=registry)
        self._term = Gauge(_CONTROLLER + "term", "The term it leads in, 0 if it does not", registry=registry)
        self._paused = Gauge(_CONTROLLER + "paused", "1 while it only observes, as it was asked to", registry=registry)
        self._decisions = Counter(
            _CONTROLLER + "decisions_total", "Changes of opinion, by what it became", ["reason"], registry=registry
        )
        self._actions = Counter(
            _CONTROLLER + "actions_total",
            "Actions executed; outcome conflict: a compare-and-swap that somebody else won",
            ["action", "outcome"],
            registry=registry,
        )
        self._changes = Counter(
            METRIC_PREFIX + "main_changes_total",
            "Cuts that ended, by what they were and why they were made",
            ["kind", "reason"],
            registry=registry,
        )
        self._stages = Histogram(
            METRIC_PREFIX + "main_change_seconds",
            "How long they took, stage by stage",
            ["kind", "stage"],
            buckets=_CHANGE_BUCKETS,
            registry=registry,
        )
        self._without = Counter(
            METRIC_PREFIX + "without_main_seconds_total", "Seconds without a main that serves", registry=registry
        )
        self._probes = Histogram(
            METRIC_PREFIX + "probe_seconds",
            "How long the questions of one probe took",
            ["ordinal", "outcome"],
            buckets=_PROBE_BUCKETS,
            registry=registry,
        )
        self._picture = _Picture()
        registry.register(self._picture)

    def leads(self, term: int | None) -> None:
        """This controller leads in this term, or no longer leads."""
        self._leader.set(0 if term is None else 1)
        self._term.set(term or 0)
        if term is None:
            self._picture.seen = self._picture.fleet = None
            self._paused.set(0)  # the next leader says it

    def seen(self, observation: Observation) -> None:
        """The cluster as the leader sees it now."""
        self._picture.seen = observation

    def fleet(self, pods: Mapping[Health, int] | None) -> None:
        """Pods that carry a sidecar or should, as the leader's last audit counted them; None without one."""
        self._picture.fleet = pods

    def paused(self, paused: bool) -> None:
        """This controller, leading, found a pause, or none."""
        self._paused.set(1 if paused else 0)

    def decided(self, reason: Reason) -> None:
        """A change of opinion."""
        self._decisions.labels(reason.value).inc()

    def acted(self, action: str, outcome: Outcome) -> None:
        """An action ended."""
        self._actions.labels(action, outcome.value).inc()

    def changed(self, change: Change) -> None:
        """A cut ended."""
        self._changes.labels(change.kind.value, change.reason.value).inc()
        for stage, seconds in change.seconds:
            self._stages.labels(change.kind.value, stage.value).observe(seconds)

    def without_main(self, seconds: float) -> None:
        """So long there was no main, since it was counted last."""
        self._without.inc(seconds)

    def probed(self, ordinal: int, outcome: Probed, seconds: float) -> None:
        """A probe ended."""
        self._probes.labels(str(ordinal), outcome.value).observe(seconds)


class _Picture(Collector):
    """Gauges made from the latest observation when somebody asks; none without one."""

    def __init__(self) -> None:
        self.seen: Observation | None = None
        self.fleet: Mapping[Health, int] | None = None

    def collect(self) -> Iterable[Metric]:
        """The gauges."""
        seen = self.seen
        epoch = _gauge("published_epoch", "The epoch of the published document")
        serving = _gauge("serving", "1 while clients may talk to the main")
        unprotected = _gauge("unprotected", "1 while no replica is known to hold every write")
        behind = _gauge("replica_behind", "Commits a replica lacks, as its main says", "ordinal")
        status = _gauge("replica_status", "1 for the status the main reports of this replica", "ordinal", "status")
        if seen is not None and isinstance(seen.stored, Found):
            document = seen.stored.document
            epoch.add_metric([], document.epoch)
            serving.add_metric([], 1 if document.phase is Phase.SERVING else 0)
            unprotected.add_metric([], 0 if document.sync else 1)
            _replicas(_main(seen, document), behind, status)
        fleet = _gauge("fleet_pods", "Pods that carry a sidecar of this release or should, by how it does", "health")
        for health, number in (self.fleet or {}).items():
            fleet.add_metric([health.value], number)
        return [epoch, serving, unprotected, behind, status, fleet]


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(METRIC_PREFIX + name, text, labels=list(labels))


def _main(seen: Observation, document: Document) -> Instance | None:
    main = seen.instance(document.master_index)
    return main if main.answer is not None and main.answer.role is Role.MAIN else None


def _replicas(main: Instance | None, behind: GaugeMetricFamily, status: GaugeMetricFamily) -> None:
    """One series for each status, so that a change leaves no old one behind."""
    known: set[int] = set()
    for row in (main.answer.registrations or ()) if main and main.answer else ():
        ordinal = ordinal_of(row.name)
        if ordinal is None or ordinal in known:
            continue
        known.add(ordinal)
        if row.behind is not None:
            behind.add_metric([str(ordinal)], -row.behind)
        for word in Status:
            status.add_metric([str(ordinal), word.value], 1 if word is row.status else 0)
