"""A stand-in for scheduler and kubelet: it takes every pod there is, and runs its containers as local processes.

No images, no namespaces, no resource limits, no security contexts, no DNS, no Service addresses: what such a pod does
on its own is what the manifest's commands do on this machine, at a loopback address of its own.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import anyio

from sandbox.http import Unreachable
from sandbox.kube import Kube, Mirror, Refused
from sandbox.kubelet.addresses import Addresses
from sandbox.kubelet.core.containers import ports_in_use
from sandbox.kubelet.pod import NODE, Pod, Setting
from sandbox.kubelet.processes import Groups
from sidecar.contract import env
from sidecar.contract.logs import emit

Object = dict[str, Any]
_LOGGER: Final = logging.getLogger(__name__)
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "PYTHONPATH", "VIRTUAL_ENV")
"""The runner's variables a container may see: enough to start Python, nothing that would leak settings into it."""
RESTART_DELAY_S: Final = 1.0


class Kubelet:
    """Runs pods. `folder` gets pods/<namespace>_<pod>/<container>.log and the volumes; `changed` is called whenever a
    container's or a pod's state changed. For the seconds see container.py."""

    def __init__(
        self, kube: Kube, groups: Groups, folder: Path, addresses: Addresses, *,
        restart_delay_s: float = RESTART_DELAY_S, relist_s: float = 0.0, changed: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        server = urlsplit(kube.server)
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {env.API_HOST: server.hostname or "", env.API_PORT: str(server.port), "PYTHONUNBUFFERED": "1"}
        self._kube = kube
        self._addresses = addresses
        self._setting = Setting(kube, groups, folder.resolve(), environment, restart_delay_s, relist_s)
        self._changed = changed
        self._wake = anyio.Event()
        self._mirror = Mirror(kube, "pods", None, self._woken)
        self._pods: dict[str, Pod] = {}

    def find(self, namespace: str, name: str) -> Pod | None:
        """The pod of that name that runs now."""
        found = [pod for pod in self._pods.values() if (pod.namespace, pod.name) == (namespace, name)]
        return next((pod for pod in reversed(found) if not pod.gone.is_set()), None)

    async def run(self) -> None:
        """Run until cancelled; every process has ended then."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._mirror.run)
            while True:
                self._wake = anyio.Event()
                for manifest in list(self._mirror.objects.values()):
                    self._attend(manifest, tasks.start_soon)
                current = {manifest["metadata"]["uid"] for manifest in self._mirror.objects.values()}
                for uid, pod in list(self._pods.items()):
                    if uid not in current:
                        pod.removed()
                await self._wake.wait()

    def _attend(self, manifest: Object, start: Callable[..., object]) -> None:
        uid = manifest["metadata"]["uid"]
        if uid in self._pods:
            self._pods[uid].observe(manifest)
            return
        if manifest.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return
        pod = Pod(manifest, self._addresses.take(ports_in_use(manifest)), self._setting, self._changed)
        rivals = [other for other in self._pods.values() if _collide(pod.manifest, other.manifest)]
        self._pods[uid] = pod
        pod.observe(manifest)
        start(self._run, pod, rivals)

    async def _run(self, pod: Pod, rivals: list[Pod]) -> None:
        try:
            await self._bind(pod)
            emit(_LOGGER, "PodStarting", pod=pod.name, namespace=pod.namespace, address=pod.place.address)
            await pod.run(rivals)
            emit(_LOGGER, "PodGone", pod=pod.name, namespace=pod.namespace)
        finally:
            self._addresses.give_back(pod.place)
            del self._pods[pod.uid]
            self._changed()

    async def _bind(self, pod: Pod) -> None:
        """What a scheduler does. From here on, a deletion waits for this kubelet."""
        patch = {"metadata": {"uid": pod.uid}, "spec": {"nodeName": NODE}}
        while True:
            try:
                await self._kube.patch("pods", pod.namespace, pod.name, patch)
            except Unreachable:
                await anyio.sleep(0.3)
                continue
            except Refused:
                pod.removed()  # deleted before it was bound
            return

    def _woken(self) -> None:
        self._wake.set()
        self._changed()


def _collide(one: Object, other: Object) -> bool:
    """Whether two pods may not run at once: the same name, or the same claim."""

    def claims(manifest: Object) -> set[str]:
        volumes = manifest["spec"].get("volumes") or ()
        return {item["persistentVolumeClaim"]["claimName"] for item in volumes if "persistentVolumeClaim" in item}

    if one["metadata"]["namespace"] != other["metadata"]["namespace"]:
        return False
    return one["metadata"]["name"] == other["metadata"]["name"] or bool(claims(one) & claims(other))
