"""What the cluster itself has to bring."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from memgraph_ha.core.checks.facts import Facts, Finding, Level, Unknown, own, unknown
from sidecar.contract import names

LEAST_KUBELET: Final = (1, 30)
"""Native sidecars and the preStop sleep are on by default."""


def kubelets(facts: Facts) -> Iterator[Finding]:
    """An older kubelet would leave an injected pod in Init for ever."""
    if isinstance(facts.nodes, Unknown):
        yield unknown("kubelet versions", facts.nodes)
        return
    for node in facts.nodes:
        version = str(((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion", ""))
        found = re.match(r"v?(\d+)\.(\d+)", version)
        if found and (int(found[1]), int(found[2])) < LEAST_KUBELET:
            name = node["metadata"]["name"]
            yield Finding(
                Level.ERROR, f"node {name} has kubelet {version}; native sidecars need 1.30",
                f"upgrade the node, or keep pods with sidecars away from it: kubectl cordon {name}",
            )  # fmt: skip


def memory_maps(facts: Facts) -> Iterator[Finding]:
    """Memgraph says at its start when vm.max_map_count is low; no API tells it otherwise."""
    for pod in own(facts, "memgraph", names.COMPONENT_LABEL):
        name = pod["metadata"]["name"]
        log = facts.logs.get(name, Unknown("its log was not read"))
        if isinstance(log, Unknown):
            yield unknown(f"vm.max_map_count under {name}", log)
        elif any("max_map_count" in line and "low" in line for line in log.splitlines()):
            node = (pod.get("spec") or {}).get("nodeName", "its node")
            yield Finding(
                Level.WARNING, f"{name} says that vm.max_map_count is too low: a large database would be killed",
                f"on {node}: sysctl -w vm.max_map_count=262144 (and in /etc/sysctl.d)",
            )  # fmt: skip
