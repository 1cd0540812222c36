"""Every metric of the three programs, read from the objects that count them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import GaugeMetricFamily

import controller.metrics
import sidecar.metrics
import webhook.metrics

_HEAD: Final = re.compile(r"# HELP (\S+) (.*)\n# TYPE \S+ (\w+)\n")


@dataclass(frozen=True)
class Metric:
    """One metric as it is exposed: a counter's name ends in _total."""

    program: str
    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names that an expression may use."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


def metrics() -> list[Metric]:
    """All of them, in the order of the code."""
    return [
        *_client_library("controller", controller.metrics.Metrics()),
        *_client_library("webhook", webhook.metrics.Metrics()),
        *_sidecar(),
    ]


def _client_library(program: str, counted: object) -> Iterator[Metric]:
    """The library tells a metric's labels only once something was counted: the objects know them before."""
    parts = vars(counted).values()
    (registry,) = (each for each in parts if isinstance(each, CollectorRegistry))
    labels = {each._name: each._labelnames for each in parts if isinstance(each, MetricWrapperBase)}
    for family in registry.collect():
        own = family._labelnames if isinstance(family, GaugeMetricFamily) else labels[family.name]
        name = family.name + ("_total" if family.type == "counter" else "")
        yield Metric(program, name, family.type, tuple(own), family.documentation)


def _sidecar() -> Iterator[Metric]:
    for each in vars(sidecar.metrics.Metrics()).values():
        found = _HEAD.match(each.expose())
        assert found is not None
        name, meaning, kind = found.groups()
        labels = each._labels if isinstance(each, sidecar.metrics.Series) else ()
        yield Metric("sidecar", name, kind, labels, meaning)


def table(program: str) -> str:
    """The rows of one program, as a table in Markdown."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for each in metrics():
        if each.program == program:
            labels = ", ".join(f"`{label}`" for label in each.labels)
            rows.append(f"| `{each.name}` | {each.kind} | {labels} | {each.meaning.rstrip('.')} |")
    return "\n".join(rows)
