"""The pod that doctor tries in a namespace: it asks for the sidecar itself, as the namespace may have no label yet."""

from __future__ import annotations

from typing import Any, Final

from sidecar.contract import names


def pod(cluster: str) -> Any:
    """For the release of this cluster name. Allowed by the restricted standard."""
    labels = {names.INJECT_LABEL: names.INJECT_ENABLED, names.CLUSTER_LABEL: cluster}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "memgraph-ha-doctor-", "labels": labels},
        "spec": {"containers": [_APP], "securityContext": {"runAsNonRoot": True, "runAsUser": 65532}},
    }  # fmt: skip


_APP: Final = {
    "name": "app", "image": "memgraph-ha-doctor",
    # So that no quota refuses it before the sidecar is looked at.
    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "100m", "memory": "16Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}  # fmt: skip
