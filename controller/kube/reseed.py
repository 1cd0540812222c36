"""The ConfigMap with the re-seed order. Memgraph's init container reads it; nothing but the controller writes it."""

from __future__ import annotations

from kubernetes.aio import client

from controller.core.model import ReseedOrder, ReseedOrders
from controller.core.orders import from_data, to_data
from controller.kube.client import CALL_TIMEOUT_S, meta, writing
from controller.kube.config_maps import config_map


class OrderStore:
    """Reads and writes the one open order."""

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._core = client.CoreV1Api(api)
        self._namespace = namespace
        self._name = name

    async def read(self) -> ReseedOrders:
        """What is stored now. Raises Unavailable."""
        stored = await config_map(self._core, self._namespace, self._name)
        if stored is None:
            return ReseedOrders()
        return ReseedOrders(from_data(stored.data or {}), meta(stored).resource_version)

    async def write(self, order: ReseedOrder | None, resource_version: str | None) -> None:
        """Replace what is there if it still has this resourceVersion; create it if None."""
        metadata = client.V1ObjectMeta(name=self._name, namespace=self._namespace, resource_version=resource_version)
        body = client.V1ConfigMap(metadata=metadata, data=to_data(order))
        async with writing(f"writing ConfigMap {self._name}"):
            if resource_version is None:
                await self._core.create_namespaced_config_map(self._namespace, body, _request_timeout=CALL_TIMEOUT_S)
            else:
                await self._core.replace_namespaced_config_map(
                    self._name, self._namespace, body, _request_timeout=CALL_TIMEOUT_S
                )
