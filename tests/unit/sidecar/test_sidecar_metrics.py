"""The exposition: what an independent parser reads from it is what was counted."""

from __future__ import annotations

import tomllib
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from sidecar.metrics import VERSION, Metrics, Series


def _samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.expose())
        for sample in family.samples
    }


def test_every_value_reaches_a_parser() -> None:
    metrics = Metrics("database/graph-state")
    metrics.epoch.set(12)
    metrics.cuts.add("planned")
    metrics.cuts.add("planned")
    metrics.cuts.add("failover")
    metrics.last_contact.set(1767268800.125)
    for seconds in (0.0005, 0.002, 99.0):
        metrics.cut_duration.observe(seconds)
    seen = _samples(metrics)
    assert seen["memgraph_ha_sidecar_epoch", ()] == 12
    assert seen["memgraph_ha_sidecar_cuts_total", (("kind", "planned"),)] == 2
    assert seen["memgraph_ha_sidecar_cuts_total", (("kind", "failover"),)] == 1
    assert seen["memgraph_ha_sidecar_last_contact_timestamp_seconds", ()] == 1767268800.125
    assert seen["memgraph_ha_sidecar_cut_duration_seconds_bucket", (("le", "0.0005"),)] == 1
    assert seen["memgraph_ha_sidecar_cut_duration_seconds_bucket", (("le", "0.0025"),)] == 2
    assert seen["memgraph_ha_sidecar_cut_duration_seconds_bucket", (("le", "+Inf"),)] == 3
    assert seen["memgraph_ha_sidecar_cut_duration_seconds_count", ()] == 3
    assert seen["memgraph_ha_sidecar_info", (("document", "database/graph-state"), ("version", VERSION))] == 1


def test_label_values_are_escaped() -> None:
    series = Series("gauge", "odd", "Odd.", "value")
    odd = 'a "quoted"\\ line\nand another'
    series.set(1, odd)
    family = next(iter(text_string_to_metric_families(series.expose())))
    assert family.samples[0].labels == {"value": odd}


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
