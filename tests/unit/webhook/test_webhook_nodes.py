"""Old nodes are found in either form in which the API server lists nodes."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.core import nodes


def node(version: str, labels: dict[str, str] | None = None, *, unschedulable: bool = False) -> Any:
    return {
        "metadata": {"name": "n", "labels": labels},
        "spec": {"unschedulable": unschedulable},
        "status": {"nodeInfo": {"kubeletVersion": version}},
    }


@pytest.mark.parametrize(
    ("version", "old"),
    [("v1.29.15", True), ("v1.30.0", False), ("v1.9.0", True), ("v1.29.3-eks-036c24b", True), ("v1.34.4+k3s1", False),
     ("", False), ("v2.1.0", False), ("unknown", False)],
)  # fmt: skip
def test_a_version_is_old_before_1_30(version: str, old: bool) -> None:
    assert bool(nodes.old({"kind": "NodeList", "items": [node(version)]})) is old


@pytest.mark.parametrize(
    "other",
    [
        node("v1.28.0", unschedulable=True),
        node("v1.28.0", {"kubernetes.io/os": "windows"}),
        node("v1.19.0-vk-azure-aci-1.6.2", {"type": "virtual-kubelet"}),
        {"metadata": {"name": "n"}},
    ],
)
def test_nodes_where_no_sidecar_could_start_do_not_count(other: Any) -> None:
    assert nodes.old({"kind": "NodeList", "items": [other]}) == []


def test_a_table_is_read_by_the_names_of_its_columns() -> None:
    columns = [{"name": name} for name in ("Name", "Status", "Roles", "Age", "Version")]
    rows = [
        {"cells": ["a", "Ready", "<none>", "1d", "v1.28.1"], "object": {"metadata": {"name": "a"}}},
        {"cells": ["b", "Ready,SchedulingDisabled", "<none>", "1d", "v1.28.1"], "object": {"metadata": {"name": "b"}}},
        {"cells": ["c", "Ready", "<none>", "1d", "v1.34.1"], "object": {"metadata": {"name": "c"}}},
    ]
    assert [one.name for one in nodes.old({"kind": "Table", "columnDefinitions": columns, "rows": rows})] == ["a"]
