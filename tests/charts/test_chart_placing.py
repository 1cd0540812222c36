"""Placing, labels, registry and network policies: over a matrix of values, each object valid."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import reference_values
import yaml

from sidecar.contract import names

CHART: Final = Path(__file__).parents[2] / "charts" / "memgraph-ha"
Objects = list[dict[str, Any]]
Render = Callable[..., Objects]
SPREAD: Final = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
PLACED: Final = {
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]},
    ]}}},
    "topologySpreadConstraints": [SPREAD],
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"operator": "Exists"}],
    "priorityClassName": "high",
    "podLabels": {"tier": "data"},
    "podAnnotations": {"linkerd.io/inject": "disabled"},
}  # fmt: skip
AS_GIVEN: Final = ("affinity", "nodeSelector", "tolerations", "priorityClassName")
POLICY: Final = {"networkPolicy": {"enabled": True}}
MATRIX: Final[dict[str, list[dict[str, Any]]]] = {
    "policy": [{}, POLICY, {"networkPolicy": {"enabled": True, "clients": [{"namespaceSelector": {}}]}}],
    "placing": [{}, dict.fromkeys(("memgraph", "controller", "webhook"), PLACED)],
    "labels": [{}, {"extraLabels": {"team": "data"}, "images": {"registry": "registry.example/mirror/"}}],
    "users": [{}, {"users": {"existingSecret": "graph-users"}}],
    "monitoring": [{}, {"monitoring": {"dashboard": {"enabled": True}}}],
}
CELLS: Final = list(product(*MATRIX.values()))


def merged(cell: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """No two of them have a key in common."""
    return {key: value for part in cell for key, value in part.items()}


def of_kind(objects: Objects, *kinds: str) -> Objects:
    return [found for found in objects if found["kind"] in kinds]


def templates(objects: Objects) -> dict[str, dict[str, Any]]:
    """Component -> pod template."""
    found = [each["spec"]["template"] for each in of_kind(objects, "Deployment", "StatefulSet")]
    return {each["metadata"]["labels"][names.COMPONENT_LABEL]: each for each in found}


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_every_object_of_the_matrix_is_valid(cell: tuple[dict[str, Any], ...], chart: Any, render: Render) -> None:
    values = merged(cell)
    chart.validate_schema(values)
    for found in render(values):
        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)


def test_pods_go_where_they_are_told(render: Render) -> None:
    for component, template in templates(render(merged(({}, MATRIX["placing"][1])))).items():
        spec = template["spec"]
        assert {key: spec[key] for key in AS_GIVEN} == {key: PLACED[key] for key in AS_GIVEN}
        (spread,) = spec["topologySpreadConstraints"]
        selector = spread["labelSelector"]["matchLabels"]
        assert selector.items() <= template["metadata"]["labels"].items()
        assert selector[names.COMPONENT_LABEL] == component


def test_a_spread_s_own_selector_is_kept(render: Render) -> None:
    mine = {**SPREAD, "labelSelector": {"matchLabels": {"team": "data"}}}
    spec = templates(render({"memgraph": {"topologySpreadConstraints": [mine]}}))["memgraph"]["spec"]
    assert spec["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]["team"] == "data"


def test_without_an_affinity_pods_of_a_kind_avoid_each_other(render: Render) -> None:
    for template in templates(render()).values():
        assert template["spec"]["affinity"].keys() == {"podAntiAffinity"}
        assert "topologySpreadConstraints" not in template["spec"]


def test_extra_labels_are_on_everything_and_select_nothing(render: Render) -> None:
    objects = render({"extraLabels": {"team": "data"}})
    assert all(found["metadata"]["labels"]["team"] == "data" for found in objects)
    assert all(each["metadata"]["labels"]["team"] == "data" for each in templates(objects).values())
    for found in of_kind(objects, "Deployment", "StatefulSet", "PodDisruptionBudget"):
        assert "team" not in found["spec"]["selector"]["matchLabels"], "a selector can never be changed"


@pytest.mark.parametrize("component", ["memgraph", "controller", "webhook"])
def test_pods_of_one_program_get_labels_and_annotations_of_their_own(render: Render, component: str) -> None:
    mine = {"podLabels": {"team": "data"}, "podAnnotations": {"linkerd.io/inject": "disabled"}}
    objects = render({component: mine})
    for other, template in templates(objects).items():
        labels, annotations = template["metadata"]["labels"], template["metadata"].get("annotations", {})
        assert (labels.get("team"), annotations) == (
            ("data", mine["podAnnotations"]) if other == component else (None, {})
        )
    assert not [o for o in objects if "team" in o["metadata"]["labels"]], "the pods alone"


@pytest.mark.parametrize("digest", ["", "sha256:" + "1" * 64])
def test_one_registry_for_every_image_the_sidecar_s_too(render: Render, digest: str) -> None:
    images = {"registry": "registry.example/mirror", "memgraph": {"digest": digest}, "sidecar": {"digest": digest}}
    objects = render({"images": images, "users": {"existingSecret": "graph-users"}})
    specs = [each["spec"] for each in templates(objects).values()]
    used = {c["image"] for spec in specs for c in spec["containers"] + spec.get("initContainers", [])}
    used |= {
        variable["value"]
        for spec in specs
        for variable in spec["containers"][0].get("env", [])
        if variable["name"] == "MEMGRAPH_HA_SIDECAR_IMAGE"
    }
    assert all(image.startswith("registry.example/mirror/memgraph") for image in used), used
    assert any(image.endswith(digest or ":3.12.0") for image in used)


def test_policies_let_through_what_the_programs_need(render: Render) -> None:
    objects = render(POLICY)
    policies = {
        found["spec"]["podSelector"]["matchLabels"][names.COMPONENT_LABEL]: found["spec"]
        for found in of_kind(objects, "NetworkPolicy")
    }
    pods = templates(objects)
    assert policies.keys() == pods.keys()
    for component, policy in policies.items():
        assert policy["podSelector"]["matchLabels"].items() <= pods[component]["metadata"]["labels"].items()
        named = {port["name"] for port in pods[component]["spec"]["containers"][0]["ports"]}
        assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == named
    assert reached(policies["controller"], "memgraph") == {names.READ_WRITE_PORT, names.REPLICATION_PORT}
    assert reached(policies["memgraph"], "memgraph") == {names.REPLICATION_PORT}
    assert reached(policies["controller"], None) == reached(policies["webhook"], None) == {443, 6443, 53}
    assert reached(policies["memgraph"], None) == {53}, "a database has nothing to ask of the API server"


def test_clients_can_be_named_and_the_controller_stays_one(render: Render) -> None:
    shop = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}
    (policy,) = (
        found["spec"]
        for found in of_kind(render({"networkPolicy": {"enabled": True, "clients": [shop]}}), "NetworkPolicy")
        if found["metadata"]["name"] == "graph-memgraph"
    )
    (bolt,) = (rule for rule in policy["ingress"] if rule["ports"] == [{"port": "bolt"}])
    assert shop in bolt["from"]
    assert "controller" in [
        peer.get("podSelector", {}).get("matchLabels", {}).get(names.COMPONENT_LABEL) for peer in bolt["from"]
    ]


def test_the_example_for_clients_reaches_memgraph_and_the_api_server(render: Render) -> None:
    example = yaml.safe_load((CHART / "examples" / "client-networkpolicy.yaml").read_text())
    kubernetes_validate.validate(example, kubernetes_validate.latest_version(), strict=True)
    labels = templates(render(name="memgraph-ha"))["memgraph"]["metadata"]["labels"]
    (rule,) = (each for each in example["spec"]["egress"] if "to" in each)
    assert rule["to"][0]["podSelector"]["matchLabels"].items() <= labels.items()
    assert [port["port"] for port in rule["ports"]] == [names.READ_WRITE_PORT]
    assert reached(example["spec"], None) == {443, 6443}
    assert example["spec"]["ingress"] == [{"ports": [{"port": names.ADMIN_PORT}]}]


def test_every_value_has_a_meaning() -> None:
    assert [each.path for each in reference_values.values() if not each.meaning] == []


def reached(policy: dict[str, Any], component: str | None) -> set[int]:
    """Ports that egress to these pods allows; None: to anywhere."""
    return {
        port["port"]
        for rule in policy["egress"]
        for port in rule["ports"]
        if (None if "to" not in rule else rule["to"][0]["podSelector"]["matchLabels"][names.COMPONENT_LABEL])
        == component
    }
