"""The document's ConfigMap. `StateStore.write` is the one place in the product that changes it (P-W1)."""

from __future__ import annotations

from kubernetes.aio import client

from controller.core.model import Absent, Found, Malformed, Stored
from controller.kube.client import CALL_TIMEOUT_S, meta, writing
from controller.kube.config_maps import config_map
from sidecar.contract.state import Document, MalformedDocument, decode, encode


class StateStore:
    """Implements ports.StateStore."""

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._core = client.CoreV1Api(api)
        self._namespace = namespace
        self._name = name

    async def read(self) -> Stored:
        """What is stored now. Raises Unavailable."""
        stored = await config_map(self._core, self._namespace, self._name)
        if stored is None:
            return Absent()
        data = stored.data or {}
        version = meta(stored).resource_version or ""
        try:
            return Found(decode(data), version, meta(stored).uid or "")
        except MalformedDocument as error:
            text = data.get("epoch", "")
            return Malformed(error.problems, version, int(text) if text.isascii() and text.isdigit() else 0)

    async def write(self, document: Document, resource_version: str | None) -> None:
        """Replace the document if the object still has this resourceVersion; create it if None (P-W1).

        It has no owner: uninstalling the release must not take it from sidecars that live on.
        """
        metadata = client.V1ObjectMeta(name=self._name, namespace=self._namespace, resource_version=resource_version)
        body = client.V1ConfigMap(metadata=metadata, data=encode(document))
        async with writing(f"writing ConfigMap {self._name}"):
            if resource_version is None:
                await self._core.create_namespaced_config_map(self._namespace, body, _request_timeout=CALL_TIMEOUT_S)
            else:
                await self._core.replace_namespaced_config_map(
                    self._name, self._namespace, body, _request_timeout=CALL_TIMEOUT_S
                )
