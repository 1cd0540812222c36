"""Counters, gauges and one histogram, and their text exposition.

The usual client library costs 14 MiB of memory at import (23 instead of 9), in every client pod; this costs none.
Names follow Prometheus' conventions: base units, `_total`, `_info`, timestamps rather than ages.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from sidecar.contract.names import METRIC_PREFIX

VERSION: Final = "0.1.0"
"""As in pyproject.toml. Reading it from the package's metadata would cost the memory of a mail parser."""
_PREFIX: Final = METRIC_PREFIX + "sidecar_"
CUT_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

HOLD_BUCKETS_S: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)


class Series:
    """One counter or gauge, with a value per combination of label values."""

    def __init__(self, kind: str, name: str, text: str, *labels: str) -> None:
        self.name = _PREFIX + name
        self._head = f"# HELP {self.name} {text}\n# TYPE {self.name} {kind}\n"
        self._labels = labels
        self.values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}

    def set(self, value: float, *labels: str) -> None:
        """Set the value for these label values."""
        self.values[labels] = value

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count `by` more for these label values."""
        self.values[labels] = self.values.get(labels, 0.0) + by

    def expose(self) -> str:
        """The text format's lines."""
        return self._head + "".join(
            f"{self.name}{_braces(zip(self._labels, labels, strict=True))} {value:.17g}\n"
            for labels, value in sorted(self.values.items())
        )


class Histogram:
    """How observations spread over fixed buckets."""

    def __init__(self, name: str, text: str, buckets: tuple[float, ...]) -> None:
        self.name = _PREFIX + name
        self._head = f"# HELP {self.name} {text}\n# TYPE {self.name} histogram\n"
        self._buckets = buckets
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._counts[bisect_left(self._buckets, value)] += 1
        self._sum += value

    def expose(self) -> str:
        """The text format's lines."""
        lines, total = [self._head], 0
        for bound, count in zip((*self._buckets, None), self._counts, strict=True):
            total += count
            le = "+Inf" if bound is None else f"{bound:g}"
            lines.append(f'{self.name}_bucket{{le="{le}"}} {total}\n')
        lines.append(f"{self.name}_sum {self._sum:.17g}\n{self.name}_count {total}\n")
        return "".join(lines)


class Metrics:
    """All the series of one sidecar. `document` is the ConfigMap it follows, namespace/name."""

    def __init__(self, document: str = "") -> None:
        self.info = Series(
            "gauge", "info", "Which sidecar this is, and whose document it follows.", "version", "document"
        )
        self.info.set(1, VERSION, document)
        self.epoch = Series("gauge", "epoch", "Epoch of the document acted on; 0 before the first.")
        self.stale = Series("gauge", "stale", "1 while the API server was not heard of for longer than is allowed.")
        self.serving = Series("gauge", "serving", "1 while the document acted on lets clients talk to the main.")
        self.connections = Series("gauge", "connections", "Client connections.", "port")
        self.held = Series("gauge", "held_connections", "Client connections that wait for an upstream.")
        self.hold_duration = Histogram(
            "hold_duration_seconds", "How long connections waited that then got an upstream.", HOLD_BUCKETS_S
        )
        self.bytes = Series(
            "counter", "bytes_total", "Bytes forwarded: up to the upstream, down to the client.", "port", "direction"
        )
        self.routes = Series("counter", "routes_total", "ROUTE requests answered here.")
        self.refused = Series("counter", "refused_connections_total", "Connections refused after a wait.", "reason")
        self.dial_failures = Series("counter", "dial_failures_total", "Dials of an upstream that failed.")
        self.cuts = Series("counter", "cuts_total", "Changes that cut every connection.", "kind")
        self.connections_cut = Series("counter", "connections_cut_total", "Connections that changes ended.")
        self.cut_duration = Histogram(
            "cut_duration_seconds", "From learning of a change to the end of its last old connection.", CUT_BUCKETS_S
        )
        self.rewrites = Series("counter", "rewrites_total", "FAILUREs rewritten into one that drivers retry.")
        self.confirmations = Series(
            "counter", "confirmations_total", "Late acknowledgements that waited for the API server's word.", "result"
        )
        self.malformed = Series("counter", "document_malformed_total", "Malformed documents seen.")
        self.problems = Series("counter", "problems_total", "What went wrong with the document or its API.", "reason")
        self.last_contact = Series(
            "gauge", "last_contact_timestamp_seconds", "When the API server was last heard of; 0 for never."
        )

    def expose(self) -> str:
        """Everything, in Prometheus' text format."""
        return "".join(series.expose() for series in vars(self).values())


def _braces(pairs: zip[tuple[str, str]]) -> str:
    text = ",".join(f'{name}="{_escape(value)}"' for name, value in pairs)
    return f"{{{text}}}" if text else ""


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
