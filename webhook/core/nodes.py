"""Which nodes are too old: their kubelets know no native sidecars, or not well enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from webhook.core.model import Json, OldNode

MINOR_LEAST: Final = 30
"""Kubernetes 1.30: native sidecars and the `sleep` of preStop are on by default."""
_VERSION: Final = re.compile(r"v?1\.(\d{1,3})\b.*")


def old(page: Json) -> list[OldNode]:
    """The old ones of a list of nodes, as a Table (whose rows carry metadata only) or as a NodeList.

    Left out: nodes that take no new pods, Windows, and virtual kubelets, whose version says nothing of them.
    """
    found = []
    for metadata, version, schedulable in _nodes(page):
        labels = metadata.get("labels") or {}
        match = _VERSION.fullmatch(version)
        other = labels.get("kubernetes.io/os") == "windows" or labels.get("type") == "virtual-kubelet"
        if match and int(match[1]) < MINOR_LEAST and schedulable and not other:
            found.append(OldNode(metadata["name"], version, labels))
    return found


def _nodes(page: Json) -> Iterator[tuple[Json, str, bool]]:
    if page.get("kind") == "Table":
        columns = [column["name"] for column in page["columnDefinitions"]]
        for row in page.get("rows") or ():
            cells = dict(zip(columns, row["cells"], strict=False))
            yield row["object"]["metadata"], str(cells["Version"]), "SchedulingDisabled" not in str(cells["Status"])
        return
    for node in page.get("items") or ():
        version = ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion") or ""
        yield node["metadata"], version, not (node.get("spec") or {}).get("unschedulable")
