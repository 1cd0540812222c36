"""Several releases in one Kubernetes, and clusters that pull from nowhere but their own registry."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

Objects = list[dict[str, Any]]
Render = Callable[..., Objects]
ROOT: Final = Path(__file__).parents[2]
EVERYTHING: Final[dict[str, Any]] = {
    "users": {"existingSecret": "graph-users"},
    "webhook": {"certManager": {"enabled": True}},
    "rbac": {"clientAccess": "allServiceAccounts"},
    "networkPolicy": {"enabled": True},
    "monitoring": {part: {"enabled": True} for part in ("podMonitor", "prometheusRule", "dashboard")},
}
OFF: Final = {"cluster": {"default": False}}


def identities(objects: Objects) -> set[tuple[str, str, str]]:
    return {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in objects}


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
@pytest.mark.parametrize("names", [("graph", "shop"), ("graph", "graph-webhook"), ("a", "a-controller")], ids=str)
def test_two_releases_share_no_object_even_in_one_namespace(
    render: Render, values: dict[str, Any], names: tuple[str, str]
) -> None:
    """Cluster-wide ones carry the release's name, too, so a name is for one release of a Kubernetes."""
    first, second = (identities(render(values, name=name)) for name in names)
    assert first & second == set()


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_no_selector_of_one_release_matches_a_pod_of_the_other(render: Render, values: dict[str, Any]) -> None:
    first, second = render(values, name="graph"), render({**values, **OFF}, name="shop")
    pods = [o["spec"]["template"]["metadata"]["labels"] for o in second if "template" in o.get("spec", {})]
    assert len(pods) == 3
    selectors = [found for o in first for found in match_labels(o)]
    assert len(selectors) > 10
    for wanted in selectors:
        assert not any(wanted.items() <= labels.items() for labels in pods), wanted


def match_labels(value: Any) -> list[dict[str, str]]:
    """Every `matchLabels`, and every Service's selector, in an object."""
    if isinstance(value, list):
        return [found for item in value for found in match_labels(item)]
    if not isinstance(value, dict):
        return []
    here = [value["matchLabels"]] if "matchLabels" in value else []
    if value.get("kind") == "Service":
        here.append(value["spec"]["selector"])
    return here + [found for key, item in value.items() if key != "matchLabels" for found in match_labels(item)]


def all_images(value: Any) -> set[str]:
    """Whatever a kubelet will pull for these objects: every container's, and what the webhook puts into other pods."""
    if isinstance(value, list):
        return {found for item in value for found in all_images(item)}
    if not isinstance(value, dict):
        return set()
    here = {value["image"]} if isinstance(value.get("image"), str) else set()
    if str(value.get("name", "")).endswith("_IMAGE"):
        here.add(value["value"])
    return here | {found for item in value.values() for found in all_images(item)}


MATRIX: Final = list(
    product(
        [{}, {"users": {"existingSecret": "graph-users"}}],
        [{}, {"memgraph": {"raiseMaxMapCount": True}}],
        [{}, {"images": {"registry": "registry.example:5000/mirror"}}],
        [{}, {"webhook": {"certManager": {"enabled": True}}, "networkPolicy": {"enabled": True}}],
    )
)


@pytest.mark.parametrize("cell", MATRIX, ids=str)
def test_the_documented_command_lists_every_image(chart: Any, render: Render, cell: tuple[dict[str, Any], ...]) -> None:
    """docs/installation.md's own pipe, on what the chart renders."""
    values = {key: value for part in cell for key, value in part.items()}
    rendered = "\n---\n".join(chart.render(values, name="graph", namespace="database").values())
    page = (ROOT / "docs" / "installation.md").read_text()
    (pipe,) = re.findall(r"helm template .*?-f values\.yaml \\\n *\| (grep -oE .*)$", page, re.MULTILINE)
    listed = subprocess.run(["/bin/sh", "-c", pipe], input=rendered, capture_output=True, text=True, check=True)
    objects = render(values)
    assert set(listed.stdout.split()) == all_images(objects)
    assert len(all_images(objects)) == 3
