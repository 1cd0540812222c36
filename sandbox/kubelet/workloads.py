"""The StatefulSet and Deployment stand-ins: watch, look, and do what core.workloads says.

Each look is a fresh LIST, so its own last steps are always in it; the watches only say when to look.
"""

from __future__ import annotations

import logging
from typing import Final

import anyio

from sandbox.http import Unreachable
from sandbox.kube import Kube, Mirror, Refused
from sandbox.kubelet.core import workloads
from sandbox.kubelet.core.workloads import Action, Create, Remove, Report
from sidecar.contract.logs import emit

_LOGGER: Final = logging.getLogger(__name__)
_RETRY_S: Final = 0.3
"""After a step failed, for instance because the webhook that must admit a pod isn't up yet."""


class Workloads:
    """Keeps the pods that StatefulSets and Deployments ask for."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._wake = anyio.Event()
        self._complaint = ""

    async def run(self) -> None:
        """Run until cancelled."""
        async with anyio.create_task_group() as tasks:
            for plural in ("statefulsets", "deployments", "pods"):
                tasks.start_soon(Mirror(self._kube, plural, None, self._woken).run)
            while True:
                self._wake = anyio.Event()
                if await self._step():
                    await self._wake.wait()
                else:
                    await anyio.sleep(_RETRY_S)

    async def _step(self) -> bool:
        """One look and its actions; whether all went well."""
        try:
            actions = await self._plan()
        except (Refused, Unreachable) as error:
            self._complain(error)
            return False
        well = True
        for action in actions:
            try:
                await self._act(action)
            except (Refused, Unreachable) as error:
                self._complain(error)
                well = False
        if well:
            self._complaint = ""
        return well

    async def _plan(self) -> list[Action]:
        kube = self._kube
        statefulsets, deployments = await kube.list("statefulsets"), await kube.list("deployments")
        pods, claims = await kube.list("pods"), await kube.list("persistentvolumeclaims")
        actions = workloads.orphans([*statefulsets, *deployments], pods)
        for item in statefulsets:
            actions += workloads.statefulset(item, pods, claims)
        for item in deployments:
            actions += workloads.deployment(item, pods)
        return actions

    async def _act(self, action: Action) -> None:
        match action:
            case Create(plural, namespace, manifest):
                await self._kube.create(plural, namespace, manifest)
            case Remove(namespace, name, uid):
                await self._kube.delete("pods", namespace, name, uid=uid)
            case Report(plural, namespace, name, status):
                await self._kube.patch(plural, namespace, name, {"status": status}, "status")

    def _complain(self, error: Exception) -> None:
        """Once for each new complaint, not at each retry."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            emit(_LOGGER, "WorkloadStepFailed", logging.WARNING, message=str(error))

    def _woken(self) -> None:
        self._wake.set()
