"""One pod, from its start to its last process: init containers in order, native sidecars, main containers, status,
and deletion (preStop, SIGTERM, grace, SIGKILL, object removed)."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from sandbox.http import Unreachable
from sandbox.kube import Kube, Refused
from sandbox.kubelet.container import Container
from sandbox.kubelet.core import containers
from sandbox.kubelet.core.containers import ConfigError, Launch, Place, Role
from sandbox.kubelet.core.status import State, gates_of, pod_status
from sandbox.kubelet.processes import Groups
from sandbox.kubelet.volumes import TokenFile, Volumes, mounts
from sandbox.kubernetes.core.patches import STRATEGIC
from sidecar.contract.logs import emit

Object = dict[str, Any]
_LOGGER: Final = logging.getLogger(__name__)
_RETRY_S: Final = 0.3
NODE: Final = "sandbox"


@dataclass(frozen=True, slots=True)
class Setting:
    """What all pods of a kubelet share."""

    kube: Kube
    groups: Groups
    folder: Path
    environment: Mapping[str, str]
    restart_delay_s: float
    relist_s: float


class Pod:
    """Runs one pod (one uid)."""

    def __init__(self, manifest: Object, place: Place, setting: Setting, changed: Callable[[], None]) -> None:
        self.manifest = manifest
        self.place = place
        self.gone = anyio.Event()
        """Its last process has ended."""
        metadata = manifest["metadata"]
        self.namespace: str = metadata["namespace"]
        self.name: str = metadata["name"]
        self.uid: str = metadata["uid"]
        self._setting = setting
        self._told = changed
        self._policy = manifest["spec"].get("restartPolicy", "Always")
        self._folder = setting.folder / "pods" / f"{self.namespace}_{self.name}"
        self._own = self._folder / self.uid
        self._volumes = Volumes(setting.kube, manifest, place, self._own, setting.folder / "volumes")
        self._folders: dict[str, Path] | None = None
        self._started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._containers = [self._container(role, item) for role, item in containers.in_start_order(manifest)]
        self._dirty = anyio.Event()
        self._gates = gates_of(manifest)
        self._ending = anyio.Event()
        self._grace = anyio.CancelScope()
        self._removed = False

    @property
    def states(self) -> list[State]:
        """The containers' states, in start order."""
        return [container.state for container in self._containers]

    async def run(self, predecessors: list[Pod]) -> None:
        """Run it to its end. Begins when `predecessors` (same name, or the same claims) have no process left."""
        try:
            for pod in predecessors:
                await pod.gone.wait()
            self._own.mkdir(parents=True, exist_ok=True)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._report)
                if not self._ending.is_set():
                    tasks.start_soon(self._start, tasks)
                await self._ending.wait()
                await self._terminate()
                tasks.cancel_scope.cancel()
        finally:
            self.gone.set()
            self._told()
        if not self._removed:
            await self._retry(self._remove_object)

    def observe(self, manifest: Object) -> None:
        """The object as it is now: a deletionTimestamp begins the end, a shorter grace hastens it; gates open."""
        metadata = manifest["metadata"]
        gates = gates_of(manifest)
        if gates != self._gates:
            self._gates = gates
            self._dirty.set()
        if "deletionTimestamp" in metadata:
            seconds = float(metadata.get("deletionGracePeriodSeconds", 30))
            self._grace.deadline = min(self._grace.deadline, anyio.current_time() + seconds)
            self._ending.set()

    def removed(self) -> None:
        """The object is gone from the API: nothing is left to wait for."""
        self._removed = True
        self._grace.deadline = -math.inf
        self._ending.set()

    def _container(self, role: Role, manifest: Object) -> Container:
        setting = self._setting
        return Container(
            role, manifest, self.place, self._policy, groups=setting.groups, folder=self._own,
            log=self._folder / f"{manifest['name']}.log", restart_delay_s=setting.restart_delay_s,
            relist_s=setting.relist_s, prepare=self._prepare, changed=self._changed,
        )  # fmt: skip

    async def _start(self, tasks: TaskGroup) -> None:
        """Start the containers: each init container when the one before it has passed, then all main ones."""
        if self.place.ports:
            await self._retry(self._publish_ports)
        for container in self._containers:
            if self._ending.is_set():
                return
            tasks.start_soon(container.run)
            if container.state.role is not Role.MAIN:
                await container.passed.wait()

    async def _prepare(self, container: Object) -> Launch:
        try:
            if self._folders is None:
                self._folders = await self._volumes.prepare()
            sources = {
                (plural, name): await self._setting.kube.find(plural, self.namespace, name)
                for plural, name in containers.references(self.manifest)
            }
        except (Refused, Unreachable) as error:
            raise ConfigError(str(error)) from error
        places = mounts(container, self._folders)
        return containers.launch(self.manifest, container, self.place, places, sources, self._setting.environment)

    async def _terminate(self) -> None:
        """End the main containers, then the sidecars in reverse order; SIGKILL when the grace is over."""
        begun = [container for container in self._containers if not container.ended.is_set()]
        running = [container for container in begun if container.state.pid is not None or container.state.restarts]
        waves = [[c for c in running if c.state.role is not Role.SIDECAR]]
        waves += [[c] for c in reversed(running) if c.state.role is Role.SIDECAR]
        with self._grace:
            for wave in waves:
                async with anyio.create_task_group() as ends:
                    for container in wave:
                        ends.start_soon(container.end)
        for container in begun:
            container.stop(signal.SIGKILL)
        for container in running:
            await container.ended.wait()

    async def _report(self) -> None:
        """Keep the API's status true, and the tokens fresh."""
        async with anyio.create_task_group() as tasks:
            renewed: set[Path] = set()
            while True:
                self._dirty = anyio.Event()
                await self._retry(self._write_status)
                for token in self._volumes.tokens:
                    if token.path not in renewed:
                        renewed.add(token.path)
                        tasks.start_soon(self._renew, token)
                await self._dirty.wait()

    async def _renew(self, token: TokenFile) -> None:
        while True:
            await anyio.sleep(token.renew_after_s)
            await self._retry(lambda: self._volumes.renew(token))

    async def _write_status(self) -> None:
        """Conditions are merged: those of others are not the kubelet's to touch."""
        status = pod_status(self.states, self.place, self._policy, self._started_at, self._gates)
        body = {"metadata": {"uid": self.uid}, "status": status}
        await self._setting.kube.patch("pods", self.namespace, self.name, body, "status", kind=STRATEGIC)

    async def _publish_ports(self) -> None:
        """Where pods share an address: what others read in the pod's spec must be the ports in use."""
        spec: Object = {}
        for key in ("initContainers", "containers"):
            if key in self.manifest["spec"]:
                spec[key] = [_moved(item, self.place) for item in self.manifest["spec"][key]]
        await self._setting.kube.patch("pods", self.namespace, self.name, {"metadata": {"uid": self.uid}, "spec": spec})

    async def _remove_object(self) -> None:
        await self._setting.kube.delete("pods", self.namespace, self.name, grace_s=0, uid=self.uid)

    async def _retry(self, act: Callable[[], Any]) -> None:
        """Until the API server has answered; what it refuses (the object is gone or another) is not tried again."""
        while True:
            try:
                await act()
            except Unreachable:
                await anyio.sleep(_RETRY_S)
                continue
            except Refused as refused:
                if refused.code not in (404, 409):
                    emit(_LOGGER, "ApiRefused", logging.WARNING, pod=self.name, message=str(refused))
            return

    def _changed(self) -> None:
        self._dirty.set()
        self._told()


def _moved(container: Object, place: Place) -> Object:
    ports = [port | {"containerPort": place.port(port["containerPort"])} for port in container.get("ports") or ()]
    return container | ({"ports": ports} if ports else {})
