"""Writes what a pod shows of us: one patch of its status subresource, which leaves the kubelet's conditions alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from kubernetes.aio import client

from controller.core.model import Pod, Shown
from controller.kube.client import CALL_TIMEOUT_S, writing
from sidecar.contract import names

_STRATEGIC: Final = "application/strategic-merge-patch+json"


class PodFaces:
    """Implements ports.PodFaces.

    The label goes the same way as the condition: a pod's status may carry labels, too, and a right to patch pods would
    be a right to change their images.
    """

    def __init__(
        self, api: client.ApiClient, namespace: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._core = client.CoreV1Api(api)
        self._namespace = namespace
        self._now = now

    async def show(self, pod: Pod, shown: Shown) -> None:
        """Conditions are merged by type, so ours is the only one this touches."""
        async with writing(f"showing the state of pod {pod.name}"):
            await self._core.patch_namespaced_pod_status(
                pod.name,
                self._namespace,
                self._patch(pod, shown),
                _content_type=_STRATEGIC,
                _request_timeout=CALL_TIMEOUT_S,
            )

    def _patch(self, pod: Pod, shown: Shown) -> dict[str, Any]:
        condition = {
            "type": names.IN_SYNC_CONDITION,
            "status": "True" if shown.in_sync else "False",
            "reason": shown.reason,
            "message": shown.message,
        }
        if shown.in_sync != pod.shown.in_sync:
            condition["lastTransitionTime"] = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            # With another UID the API server refuses: a pod of the same name is not the one that was meant.
            "metadata": {"uid": pod.uid, "labels": {names.ROLE_LABEL: shown.role or None}},
            "status": {"conditions": [condition]},
        }
