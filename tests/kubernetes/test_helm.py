"""What Helm 3 and Helm 4, the programs, make of the chart without any cluster: they render, lint, and refuse."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import kubernetes_validate
import pytest
import wrong_values
import yaml
from helm import KUBERNETES, Tool, objects_in, templated, tool
from plain_client import Object
from release import CHART, render

PROGRAMS = ["helm", "helm3"]
PLACED: Object = {
    "podLabels": {"tier": "data"}, "podAnnotations": {"note": "x"}, "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"operator": "Exists"}], "priorityClassName": "high",
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]},
    ]}}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
}  # fmt: skip
MATRIX: list[Object] = [
    {key: value for part in cell for key, value in part.items()}
    for cell in product(
        [{}, {"memgraph": {**PLACED, "raiseMaxMapCount": True}, "controller": PLACED, "webhook": PLACED}],
        [{}, {"users": {"existingSecret": "u"}, "images": {"registry": "r.example", "memgraph": {"digest": ""}}}],
        [{}, {"networkPolicy": {"enabled": True}, "monitoring": {"dashboard": {"enabled": True}},
              "rbac": {"clientAccess": "none", "viewerRole": False}, "extraLabels": {"team": "a"}}],
    )
]  # fmt: skip


@pytest.fixture(params=PROGRAMS)
def helm(request: pytest.FixtureRequest, tmp_path: Path) -> Tool:
    return tool(request.param, tmp_path)


@pytest.mark.parametrize("values", MATRIX, ids=str)
def test_it_renders_valid_objects_and_those_of_the_engine_of_the_other_tests(helm: Tool, values: Object) -> None:
    found = list(objects_in(templated(helm, "graph", "database", values)))
    for each in found:
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
    assert sorted(map(_key, found)) == sorted(map(_key, render("graph", "database", values)))


def _key(found: Object) -> str:
    return yaml.safe_dump(found)


def test_it_finds_nothing_to_complain_about(helm: Tool) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", "--kube-version", KUBERNETES, CHART)


def test_what_is_too_old_is_named(helm: Tool) -> None:
    """Native sidecars and the preStop sleep action are on by default from 1.30."""
    ended = helm.run("template", "graph", CHART, "--kube-version", "1.29.9")
    assert ended.returncode != 0
    assert "chart requires kubeVersion: >=1.30.0-0 which is incompatible with Kubernetes v1.29.9" in ended.stderr


@pytest.mark.parametrize(("values", "said"), [*wrong_values.BY_SCHEMA, *wrong_values.BY_SENTENCE], ids=str)
def test_it_refuses_wrong_values_and_says_where_and_why(helm: Tool, values: Object, said: str) -> None:
    arguments = ("template", "graph", CHART, "--kube-version", KUBERNETES, "-f", "-")
    ended = helm.run(*arguments, given=yaml.safe_dump(values))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in ended.stderr
