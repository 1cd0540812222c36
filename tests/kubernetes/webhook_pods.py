"""Pods as an app's developer writes them, on a real API server, and what became of them."""

from __future__ import annotations

from typing import Any

from plain_client import Answer, Object, PlainClient

from sidecar.contract import names

CONTAINER = {
    "name": "app", "image": "app:1",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
                        "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
}  # fmt: skip


def create(
    admin: PlainClient,
    namespace: str,
    name: str = "",
    labels: Object | None = None,
    spec: Object | None = None,
    **query: Any,
) -> Answer:
    """A pod that meets the restricted standard, unless `spec` changes that."""
    named = {"name": name} if name else {"generateName": "app-"}
    body = {"metadata": {**named, "labels": labels or {}}, "spec": {"containers": [CONTAINER], **(spec or {})}}
    return admin.create(f"/api/v1/namespaces/{namespace}/pods", body, **query)


def sidecars(pod: Object) -> list[Object]:
    """The injected containers."""
    return [c for c in pod["spec"].get("initContainers") or [] if c["name"] == names.SIDECAR_CONTAINER]


def injected(admin: PlainClient, namespace: str, **query: Any) -> Object:
    """A pod with its sidecar, from when the API server has heard of the webhook's last change."""
    for _ in range(200):
        answer = create(admin, namespace, **query)
        assert answer.code == 201, answer.body
        if sidecars(answer.body):
            return answer.body
    raise AssertionError("never injected")
