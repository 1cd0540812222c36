"""Where among the init containers the sidecar stands.

First, so that every other init container has the database; but after those that set up the pod's network, or nothing
could be reached from it. The place depends on who is there, not on who came first: whatever the order in which other
injectors run, the order of the containers is the same in the end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from webhook.core.model import Json

NETWORK_SETUP: Final = frozenset({
    "istio-init", "istio-validation", "istio-proxy",  # Istio: iptables, the CNI's check, the native sidecar
    "linkerd-init", "linkerd-network-validator", "linkerd-proxy",
    "kuma-init", "kuma-validation", "kuma-sidecar",
    "consul-connect-inject-init", "consul-dataplane",
    "proxyinit",  # AWS App Mesh
    "osm-init",
    "azwi-proxy-init", "azwi-proxy",  # Azure workload identity
})  # fmt: skip
"""Names under which meshes put their own containers in."""


def index(others: Sequence[dict[str, Json]], run_after: Collection[str] = ()) -> int:
    """The sidecar's index among the other init containers: right after the last one it has to wait for."""
    waits = [at for at, one in enumerate(others) if _name(one) in NETWORK_SETUP or _name(one) in run_after]
    return waits[-1] + 1 if waits else 0


def _name(container: dict[str, Json]) -> str:
    name = container.get("name")
    return name if isinstance(name, str) else ""
