"""Every name that more than one of our programs, the chart or an operator's dashboard must spell alike.

A name is spelled once, here. (The project before this one wrote a ConfigMap key as `masterIndex` and read it as
`MasterIndex`: every update was silently ignored, O-F3.)
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "memgraph-ha.io/"

# Labels
INJECT_LABEL: Final = PREFIX + "inject"
INJECT_ENABLED: Final = "enabled"
INJECT_DISABLED: Final = "disabled"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
"""Helm's label: which release a pod of ours belongs to."""
CLUSTER_LABEL: Final = PREFIX + "cluster"
COMPONENT_LABEL: Final = PREFIX + "component"
"""On our own pods: `controller`, `webhook` or `memgraph`. Such a pod is never injected."""
ROLE_LABEL: Final = PREFIX + "role"
"""On a Memgraph pod, by the controller: `main`, `sync` or `replica`; absent where that is not known."""

# Conditions
IN_SYNC_CONDITION: Final = PREFIX + "in-sync"
"""The readiness gate of the Memgraph pods: set by the controller, counted by the kubelet."""

# Annotations
STATUS_ANNOTATION: Final = PREFIX + "status"
"""On an injected pod: what was injected, as JSON."""
EPOCH_ANNOTATION: Final = PREFIX + "epoch"
"""On the Lease: the highest epoch its holder has published (P-W4)."""
TERM_ANNOTATION: Final = PREFIX + "term"
"""On the Lease: its holder's term, so that a rebuilt document does not begin with term 1 again (P-S2)."""
ANSWER_ANNOTATION: Final = PREFIX + "answer"
"""On the requests' ConfigMap: what became of the last request, as JSON."""
PAUSED_ANNOTATION: Final = PREFIX + "paused"
"""On the requests' ConfigMap while the controller only observes: who asked for it, and when."""

# Admission
WEBHOOK_NAME: Final = "inject.memgraph-ha.io"
"""For namespaces labelled enabled."""
POD_WEBHOOK_NAME: Final = "pod.inject.memgraph-ha.io"
"""For pods labelled enabled elsewhere."""
SIDECAR_CONTAINER: Final = "memgraph-ha-sidecar"
TOKEN_VOLUME: Final = "memgraph-ha-token"
TOKEN_MOUNT_PATH: Final = "/var/run/secrets/memgraph-ha.io"

# Ports
READ_WRITE_PORT: Final = 7687
READ_PORT: Final = 7688
ADMIN_PORT: Final = 17687
"""The sidecar's health and metrics."""
REPLICATION_PORT: Final = 10000
BOLT_PORT_NAME: Final = "bolt"
REPLICATION_PORT_NAME: Final = "replication"

METRIC_PREFIX: Final = "memgraph_ha_"


def state_config_map(release: str) -> str:
    """Name of the ConfigMap that holds the document of one Memgraph cluster."""
    return f"{release}-state"


def requests_config_map(release: str) -> str:
    """Name of the ConfigMap in which people ask the controller for something."""
    return f"{release}-requests"


def reseed_config_map(release: str) -> str:
    """Name of the ConfigMap with the order to begin an instance anew, read by its init container (P-R1)."""
    return f"{release}-reseed"


def lease(release: str) -> str:
    """Name of the Lease the controllers of one release compete for."""
    return f"{release}-controller"


def sidecar_role(release: str) -> str:
    """Name of the Role that lets a sidecar follow the document."""
    return f"{release}-sidecar"
