"""What the webhook counts. The only file that imports `prometheus_client`."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from sidecar.contract.names import METRIC_PREFIX
from webhook.core.model import Decision

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds; the last is the webhook's timeout at the API server."""


class Metrics:
    """One registry, so that a test can have as many as it likes."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._reviews = Counter(
            f"{METRIC_PREFIX}webhook_reviews",
            "Admission reviews answered, by decision (inject, skip, error) and reason.",
            ("decision", "reason"),
            registry=self._registry,
        )
        self._duration = Histogram(
            f"{METRIC_PREFIX}webhook_review_duration_seconds",
            "Time from a review's last byte to its answer.",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._expiry = Gauge(
            f"{METRIC_PREFIX}webhook_certificate_expiry_timestamp_seconds",
            "When the serving certificate ends, in Unix time.",
            registry=self._registry,
        )

    def certificate_ends(self, timestamp: float) -> None:
        """Note when the serving certificate ends (Unix time)."""
        self._expiry.set(timestamp)

    def reviewed(self, decision: Decision, seconds: float) -> None:
        """Count one answer."""
        self._reviews.labels(decision.decision, decision.reason.value).inc()
        self._duration.observe(seconds)

    def exposition(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)
