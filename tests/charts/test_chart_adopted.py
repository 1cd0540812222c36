"""A StatefulSet of somebody else's: the chart makes none, and its controller looks at that one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

import controller.settings
from memgraph_ha.core.checks.facts import Stateful
from memgraph_ha.core.checks.stateful import shortcomings

CHART: Final = Path(__file__).parents[2] / "charts" / "memgraph-ha"
Objects = list[dict[str, Any]]
Render = Callable[..., Objects]
EXISTING: Final = {
    "memgraph": {"existing": {"statefulSet": "db", "service": "db-headless", "podLabels": {"app": "db"}}}
}


@pytest.fixture
def adopted(render: Render) -> Objects:
    return render({**EXISTING, "networkPolicy": {"enabled": True}})


def kinds(objects: Objects) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in objects:
        found.setdefault(each["kind"], []).append(each["metadata"]["name"])
    return found


def test_nothing_of_memgraph_s_is_made_but_what_yours_may_mount(render: Render) -> None:
    ours, theirs = kinds(render()), kinds(render(EXISTING))
    gone = {kind: sorted(set(names) - set(theirs.get(kind, []))) for kind, names in ours.items()}
    assert {kind: names for kind, names in gone.items() if names} == {
        "StatefulSet": ["graph"],
        "Service": ["graph-nodes"],
        "ServiceAccount": ["graph-memgraph"],
        # Two budgets for one pod would make every eviction of it fail.
        "PodDisruptionBudget": ["graph-memgraph"],
    }
    assert theirs["ConfigMap"] == ["graph-init"], "the lines of birth, and the script that moves data aside"


def test_the_controller_is_pointed_at_it_and_may_read_it(adopted: Objects) -> None:
    (deployment,) = (o for o in adopted if (o["kind"], o["metadata"]["name"]) == ("Deployment", "graph-controller"))
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    settings = controller.settings.from_env({e["name"]: e.get("value", "10.0.0.1") for e in env})
    assert (settings.statefulset, settings.service, settings.release) == ("db", "db-headless", "graph")
    (role,) = (o for o in adopted if (o["kind"], o["metadata"]["name"]) == ("Role", "graph-controller"))
    (rule,) = (rule for rule in role["rules"] if rule["resources"] == ["statefulsets"])
    assert rule == {"apiGroups": ["apps"], "resources": ["statefulsets"], "resourceNames": ["db"], "verbs": ["get"]}


def test_policies_select_its_pods(adopted: Objects) -> None:
    policies = {o["metadata"]["name"]: o["spec"] for o in adopted if o["kind"] == "NetworkPolicy"}
    assert policies["graph-memgraph"]["podSelector"]["matchLabels"] == {"app": "db"}
    (peers,) = (rule["to"] for rule in policies["graph-controller"]["egress"] if "to" in rule)
    assert peers == [{"podSelector": {"matchLabels": {"app": "db"}}}]


def test_its_tls_needs_only_a_ca(render: Render) -> None:
    objects = render({**EXISTING, "tls": {"caConfigMap": "authority", "serverName": "db.example"}})
    (deployment,) = (o for o in objects if (o["kind"], o["metadata"]["name"]) == ("Deployment", "graph-controller"))
    env = {e["name"]: e.get("value") for e in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["MEMGRAPH_HA_TLS_SERVER_NAME"] == "db.example"
    default = render({**EXISTING, "tls": {"caConfigMap": "authority"}})
    assert "db-headless.database.svc" in str(default)


def test_every_object_is_valid(adopted: Objects) -> None:
    for found in adopted:
        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)


def test_the_notes_name_it_and_what_looks_at_it(chart: Any) -> None:
    notes = chart.render(EXISTING, name="graph", namespace="database")["memgraph-ha/templates/NOTES.txt"]
    assert "your StatefulSet db, 2 controllers" in notes
    assert "memgraph-ha doctor --release graph" in notes


@pytest.mark.parametrize(
    "values", [{}, {"memgraph": {"walFlushEveryTransactions": 100}}, {"users": {"existingSecret": "u"}}]
)
def test_ours_has_what_one_of_yours_must_have(render: Render, values: dict[str, Any]) -> None:
    """What doctor asks of a StatefulSet, so that neither asks for more than the other."""
    found = {(o["kind"], o["metadata"]["name"]): o for o in render(values)}
    variables = found["Deployment", "graph-controller"]["spec"]["template"]["spec"]["containers"][0]["env"]
    told = {variable["name"]: variable.get("value", "") for variable in variables}
    known = Stateful(
        "graph", told["MEMGRAPH_HA_SERVICE"], found["StatefulSet", "graph"], found["Service", "graph-nodes"],
        told["MEMGRAPH_HA_ON_DIVERGED"], told["MEMGRAPH_HA_WAL_FLUSH_EVERY"],
    )  # fmt: skip
    assert list(shortcomings(known)) == []


def test_the_example_lacks_nothing_and_mounts_what_the_release_makes(render: Render) -> None:
    service, stateful = yaml.safe_load_all((CHART / "examples" / "existing-statefulset.yaml").read_text())
    for found in (service, stateful):
        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)
    known = Stateful("memgraph", "memgraph-nodes", stateful, service, "reseed", "1")
    assert list(shortcomings(known)) == []
    (ours,) = (o for o in render(name="memgraph-ha") if o["kind"] == "StatefulSet")
    spec, mine = stateful["spec"]["template"]["spec"], ours["spec"]["template"]["spec"]
    for key in ("command", "args", "env", "volumeMounts"):
        assert spec["initContainers"][0][key] == mine["initContainers"][0][key]
    assert spec["volumes"] == mine["volumes"]
    (container,), (own,) = spec["containers"], mine["containers"]
    assert container["ports"] == own["ports"]
    assert set(container["args"]) <= set(own["args"])
