"""What Prometheus is given: closed lists and ordinals, the cluster by the leader only, and all of it documented."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from prometheus_client import generate_latest
from toy_cluster import serving

from controller.core.model import Found, Observation, Status
from controller.core.pacing import Why
from controller.core.reasons import Reason
from controller.core.stages import Change, Kind, Stage
from controller.metrics import Metrics, Probed

DOCS = Path(__file__).parents[3] / "docs" / "surfaces.md"


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"memgraph_ha_{name}", labels)


def seen(**changes: object) -> Observation:
    toy = serving()
    toy.fail(2, "refused")
    obs = toy.observation()
    assert isinstance(obs.stored, Found)
    document = replace(obs.stored.document, **changes)  # type: ignore[arg-type]  # fields by name
    return replace(obs, stored=replace(obs.stored, document=document))


def test_the_cluster_as_the_leader_sees_it() -> None:
    metrics = Metrics()
    metrics.leads(3)
    metrics.seen(seen(epoch=7))
    assert (value(metrics, "controller_leader"), value(metrics, "controller_term")) == (1, 3)
    assert (value(metrics, "published_epoch"), value(metrics, "serving"), value(metrics, "unprotected")) == (7, 1, 0)
    assert value(metrics, "replica_behind", ordinal="1") == 0
    assert value(metrics, "replica_status", ordinal="1", status="ready") == 1
    assert value(metrics, "replica_status", ordinal="2", status="invalid") == 1
    assert value(metrics, "replica_status", ordinal="2", status="ready") == 0
    metrics.seen(seen(sync=None))
    assert value(metrics, "unprotected") == 1


def test_a_standby_says_nothing_of_the_cluster() -> None:
    """It would be what was true when it led."""
    metrics = Metrics()
    metrics.leads(3)
    metrics.seen(seen())
    metrics.leads(None)
    assert (value(metrics, "controller_leader"), value(metrics, "controller_term")) == (0, 0)
    assert value(metrics, "serving") is None
    assert value(metrics, "replica_status", ordinal="1", status="ready") is None


def test_a_change_of_the_main_is_counted_with_its_stages() -> None:
    metrics = Metrics()
    metrics.changed(Change(Kind.FAILOVER, Reason.MAIN_SILENT, ((Stage.DETECT_TO_CUT, 1.5), (Stage.TOTAL, 2.0))))
    assert value(metrics, "main_changes_total", kind="failover", reason="MainSilent") == 1
    assert value(metrics, "main_change_seconds_sum", kind="failover", stage="total") == 2.0
    assert value(metrics, "main_change_seconds_count", kind="failover", stage="cut_to_promoted") is None


def test_probes_and_the_time_without_a_main() -> None:
    metrics = Metrics()
    metrics.probed(1, Probed.SILENT, 0.5)
    metrics.without_main(1.5)
    metrics.without_main(0.0)
    assert value(metrics, "probe_seconds_count", ordinal="1", outcome="silent") == 1
    assert value(metrics, "without_main_seconds_total") == 1.5


def test_the_table_in_the_docs_is_complete() -> None:
    """Each metric with its labels' names, and none that does not exist; each reason of the condition."""
    metrics = Metrics()
    metrics.seen(seen())
    exposed = {
        line.split()[2]
        for line in generate_latest(metrics.registry).decode().splitlines()
        if line.startswith("# TYPE") and not line.split()[2].endswith("_created")
    }
    text = DOCS.read_text()
    assert set(re.findall(r"^\| `(memgraph_ha_\w+)` \|", text, re.MULTILINE)) == exposed
    reasons = set(re.findall(r"^\| `(\w+)` \| (?:True|False) \|", text, re.MULTILINE))
    assert reasons == {why.value for why in Why}


def test_a_replica_s_series_are_as_many_as_there_are_words() -> None:
    metrics = Metrics()
    metrics.seen(seen())
    lines = generate_latest(metrics.registry).decode().splitlines()
    assert sum(line.startswith("memgraph_ha_replica_status{") for line in lines) == 2 * len(Status)
