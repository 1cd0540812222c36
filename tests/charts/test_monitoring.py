"""Alerts, monitors and dashboard: what they name exists, and each alert fires when it should and only then."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml
from alert_cases import CASES, Case
from reference_metrics import metrics

from sidecar.contract import names
from webhook.core.container import container

ROOT: Final = Path(__file__).parents[2]
ON: Final = {
    "monitoring": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True},
    }
}
_METRIC: Final = re.compile(r"\bmemgraph_ha_[a-z_]+")
Render = Callable[..., list[dict[str, Any]]]


def _of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [found for found in objects if found["kind"] == kind]


@pytest.fixture(scope="module")
def alerts(render: Render) -> list[dict[str, Any]]:
    (rule,) = _of_kind(render(ON), "PrometheusRule")
    (group,) = rule["spec"]["groups"]
    return list(group["rules"])


@pytest.fixture(scope="module")
def promtool() -> str:
    local = ROOT / ".venv" / "prometheus" / "usr" / "bin" / "promtool"
    found = shutil.which("promtool") or (str(local) if local.exists() else None)
    if found is None:
        reason = "promtool is not there (Debian: apt-get install prometheus, or make promtool)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def test_nothing_of_it_is_there_by_default(render: Render) -> None:
    """A cluster without the operator's CRDs refuses its kinds."""
    kinds = {found["kind"] for found in render()}
    assert not kinds & {"PodMonitor", "PrometheusRule"}


def test_every_metric_that_is_named_exists(alerts: list[dict[str, Any]]) -> None:
    known = {name for each in metrics() for name in each.series}
    dashboard = (ROOT / "charts" / "memgraph-ha" / "files" / "dashboard.json").read_text()
    for text in (*(each["expr"] for each in alerts), dashboard):
        named = set(_METRIC.findall(text))
        assert named, text
        assert named <= known, sorted(named - known)


def test_every_label_that_is_named_exists(alerts: list[dict[str, Any]]) -> None:
    """Beside those that a PodMonitor gives."""
    known = {name: {*each.labels, "le"} for each in metrics() for name in each.series}
    panels = json.loads((ROOT / "charts" / "memgraph-ha" / "files" / "dashboard.json").read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel["targets"]]
    for text in (*(each["expr"] for each in alerts), *shown):
        for name, selector in re.findall(r"(memgraph_ha_[a-z_]+)\{([^}]*)\}", text):
            assert set(re.findall(r"(\w+)(?:=|!=|=~)\"", selector)) <= {*known[name], "namespace", "pod"}, text


def test_every_alert_has_a_page(alerts: list[dict[str, Any]], render: Render) -> None:
    headings = {
        line.removeprefix("## ").lower()
        for line in (ROOT / "docs" / "alerts.md").read_text().splitlines()
        if line.startswith("## ")
    }
    for each in alerts:
        assert each["annotations"]["runbook"] == f"docs/alerts.md#{each['alert'].lower()}"
        assert each["alert"].lower() in headings
    assert {each["alert"].lower() for each in alerts} == {one for one in headings if one.startswith("memgraphha")}
    (rule,) = _of_kind(
        render({"monitoring": {"prometheusRule": {"enabled": True, "runbookURL": "https://wiki.example/ha/"}}}),
        "PrometheusRule",
    )
    first = rule["spec"]["groups"][0]["rules"][0]["annotations"]
    assert first["runbook_url"] == "https://wiki.example/ha/alerts.md#memgraphhanomain"


def test_every_alert_has_a_case_that_fires_and_one_that_does_not(alerts: list[dict[str, Any]]) -> None:
    for each in alerts:
        assert {bool(case.fires) for case in CASES if case.alert == each["alert"]} == {True, False}


def test_expressions_are_promql(alerts: list[dict[str, Any]], promtool: str, tmp_path: Path) -> None:
    _rules(alerts, tmp_path)
    _run(promtool, "check", "rules", str(tmp_path / "rules.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.about}")
def test_an_alert_fires_when_it_should(case: Case, alerts: list[dict[str, Any]], promtool: str, tmp_path: Path) -> None:
    (alert,) = (each for each in alerts if each["alert"] == case.alert)
    # Texts are not compared: they may hold a value that depends on the sample.
    bare = [{**alert, "annotations": {}}]
    _rules(bare, tmp_path)
    expected = [{"exp_labels": {**alert["labels"], **labels}} for labels in case.fires]
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "5s",
        "tests": [
            {
                "interval": "5s",
                "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
                "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    _run(promtool, "test", "rules", str(tmp_path / "test.yaml"))


def test_monitors_find_the_pods_and_their_ports(render: Render) -> None:
    objects = render(ON)
    monitors = {found["metadata"]["name"]: found["spec"] for found in _of_kind(objects, "PodMonitor")}
    assert monitors.keys() == {"graph-controller", "graph-webhook", "graph-sidecar"}
    for component in ("controller", "webhook"):
        (deployment,) = (
            found for found in _of_kind(objects, "Deployment") if found["metadata"]["name"] == f"graph-{component}"
        )
        pod = deployment["spec"]["template"]
        monitor = monitors[f"graph-{component}"]
        assert monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {each["port"] for each in monitor["podMetricsEndpoints"]} <= ports
    assert monitors["graph-sidecar"]["namespaceSelector"] == {"any": True}
    (endpoint,) = monitors["graph-sidecar"]["podMetricsEndpoints"]
    assert f'"name": "{endpoint["port"]}", "containerPort"' in Path(container.__code__.co_filename).read_text()
    assert all(found["metadata"]["labels"]["release"] == "prometheus" for found in _of_kind(objects, "PodMonitor"))


def test_the_dashboard_is_a_config_map_that_grafana_finds(render: Render) -> None:
    (found,) = (each for each in _of_kind(render(ON), "ConfigMap") if each["metadata"]["name"] == "graph-dashboard")
    kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(found["data"]["memgraph-ha.json"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert names.METRIC_PREFIX in json.dumps(dashboard["templating"])


def _rules(alerts: list[dict[str, Any]], folder: Path) -> None:
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "memgraph-ha", "rules": alerts}]}))


def _run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 0, ended.stdout + ended.stderr
