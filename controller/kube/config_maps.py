"""Reading one ConfigMap by name. Writing stays with each store: who writes what is to be seen there (P-W1)."""

from __future__ import annotations

from kubernetes.aio import client

from controller.kube.client import CALL_TIMEOUT_S, reading


async def config_map(core: client.CoreV1Api, namespace: str, name: str) -> client.V1ConfigMap | None:
    """The object now, or None. Raises Unavailable."""
    try:
        async with reading(f"reading ConfigMap {name}"):
            return await core.read_namespaced_config_map(name, namespace, _request_timeout=CALL_TIMEOUT_S)
    except client.ApiException:
        return None
