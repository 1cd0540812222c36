"""A whole memgraph-ha on this machine: API server, kubelet, three instances, two controllers, the webhook, and apps.

`async with World(folder, apps=3) as world:` starts it and returns when a main is published that is protected by a
partner and every app's sidecar is ready; leaving the block, however, ends every process. Controller, webhook and
sidecars are the real programs, started as on a cluster. Everything an earlier world left in the folder is removed at
the start; logs stay after the end.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import anyio

from sandbox import manifests, worldfile
from sandbox.kube import Kube, Mirror
from sandbox.kubelet.addresses import KUBERNETES_PORT, ONLY_ADDRESS, Addresses, free_block, has_loopback_block
from sandbox.kubelet.kubelet import RESTART_DELAY_S, Kubelet
from sandbox.kubelet.processes import Group, Groups
from sandbox.kubelet.workloads import Workloads
from sandbox.portrait import Leadership, Seen, portrait
from sidecar.contract import names
from sidecar.contract.state import Document, MalformedDocument, Phase, decode

Object = dict[str, Any]
Predicate = Callable[["World"], bool]
API_START_S: Final = 20.0
START_S: Final = 60.0
"""From nothing to a protected main; ordinary is 10 s on two cores."""


class WorldError(Exception):
    """The world can't start or go on; the message says which part, and where its log is."""


class World:
    """A running sandbox. `state` is what world.json says, `document` what the controller has published.

    `app_manifest(number)` gives the pod of each app (default: one that waits); `controller_command` is what the
    controllers' containers run; `one_address` puts all pods on 127.0.0.1 with ports of their own (default: where the
    system has no other loopback address). `progress` is called with a sentence for each step.
    """

    def __init__(
        self, folder: Path, *, apps: int = 1, memgraphs: int = 3,
        app_manifest: Callable[[int], Object] = manifests.waiting_app,
        controller_command: Sequence[str] = manifests.CONTROLLER_COMMAND,
        progress: Callable[[str], None] = lambda _: None, restart_delay_s: float = RESTART_DELAY_S,
        relist_s: float = 0.0, one_address: bool | None = None, start_s: float = START_S,
    ) -> None:  # fmt: skip
        self.folder = folder.resolve()
        self.state: Object = {}
        self.document: Document | None = None
        self.kubernetes: Kube
        self._apps = [app_manifest(number) for number in range(apps)]
        self._memgraphs = memgraphs
        self._controller_command = controller_command
        self._progress = progress
        self._restart_delay_s = restart_delay_s
        self._relist_s = relist_s
        self._one_address = not has_loopback_block() if one_address is None else one_address
        self._start_s = start_s
        self._leadership = Leadership()
        self._changed = anyio.Event()
        self._turn = anyio.Event()
        self._kubelet: Kubelet
        self._mirrors: dict[str, Mirror] = {}
        self._context: AbstractAsyncContextManager[None]

    async def __aenter__(self) -> World:
        self._context = self._running()
        await self._context.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._context.__aexit__(kind, error, trace)

    async def create_app(self, manifest: Object, namespace: str = manifests.APPS_NAMESPACE) -> Object:
        """Create a pod; returns the object as it was admitted. Raises Refused or Unreachable."""
        return await self.kubernetes.create("pods", namespace, manifest)

    async def delete_app(self, name: str, *, grace_s: int = 5, namespace: str = manifests.APPS_NAMESPACE) -> None:
        """Delete a pod and wait until its processes are gone."""
        await self.kubernetes.delete("pods", namespace, name, grace_s=grace_s)
        await self.wait_until(
            lambda world: world.find_app(name, namespace) is None,
            deadline_s=grace_s + 10,
            what=f"the end of pod {name}",
        )

    def find_app(self, name: str, namespace: str = manifests.APPS_NAMESPACE) -> Object | None:
        """An app's entry in `state`."""
        apps = self.state.get("apps", ())
        return next((app for app in apps if (app["namespace"], app["pod"]) == (namespace, name)), None)

    def pods(self) -> dict[tuple[str, str], Object]:
        """Every pod's object as the API shows it, by namespace and name."""
        return self._mirrors["pods"].objects

    def ready(self, namespace: str, name: str) -> bool:
        """Whether the API shows this pod Ready."""
        pod = self._mirrors["pods"].objects.get((namespace, name), {})
        conditions = pod.get("status", {}).get("conditions") or ()
        return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

    async def wait_until(self, predicate: Predicate, *, deadline_s: float, what: str) -> None:
        """Wait until `predicate(world)` holds; it is asked after every change. Raises WorldError naming `what`."""
        with anyio.move_on_after(deadline_s):
            while not predicate(self):
                await self._turn.wait()
            return
        raise WorldError(f"{what} (waited {deadline_s:.0f} s). The logs are in {self.folder / 'pods'}")

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        with worldfile.held(self.folder):
            self._clear()
            try:
                async with Groups() as groups:
                    self._progress("starting a Kubernetes API server (a stand-in)")
                    server = await self._start_api_server(groups)
                    async with Kube(self.folder / "kubeconfig") as self.kubernetes, anyio.create_task_group() as tasks:
                        tasks.start_soon(self._guard, server)
                        addresses = Addresses(self._block)
                        self._kubelet = Kubelet(
                            self.kubernetes, groups, self.folder, addresses,
                            restart_delay_s=self._restart_delay_s, relist_s=self._relist_s, changed=self._touch,
                        )  # fmt: skip
                        for plural in ("pods", "leases", "configmaps"):
                            self._mirrors[plural] = Mirror(self.kubernetes, plural, None, self._touch)
                            tasks.start_soon(self._mirrors[plural].run)
                        tasks.start_soon(self._kubelet.run)
                        tasks.start_soon(Workloads(self.kubernetes).run)
                        tasks.start_soon(self._keep_state)
                        await self._furnish()
                        yield
                        tasks.cancel_scope.cancel()
            except BaseExceptionGroup as group:
                raise _only(group) from None
            finally:
                self._remove_credentials()

    def _clear(self) -> None:
        for name in ("pods", "volumes"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "kubernetes.log").unlink(missing_ok=True)
        self._remove_credentials()

    def _remove_credentials(self) -> None:
        for name in ("kubeconfig", "kubernetes.pem", "ca.crt"):
            (self.folder / name).unlink(missing_ok=True)

    async def _start_api_server(self, groups: Groups) -> Group:
        self._block = None if self._one_address else free_block(str(self.folder))
        address = [ONLY_ADDRESS, "0"] if self._block is None else [f"127.{self._block}.0.1", str(KUBERNETES_PORT)]
        log = self.folder / "kubernetes.log"
        command = [sys.executable, "-m", "sandbox.kubernetes", "--address", address[0], "--port", address[1]]
        command += ["--dir", str(self.folder)]
        server = await groups.start(command, dict(os.environ), self.folder, log)
        with anyio.move_on_after(API_START_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._guard, server)
                while not (self.folder / "kubeconfig").exists():  # noqa: ASYNC110  # another process makes the file
                    await anyio.sleep(0.02)
                tasks.cancel_scope.cancel()
            return server
        raise WorldError(f"the API server did not start within {API_START_S:g} s: see {log}")

    async def _guard(self, server: Group) -> None:
        code = await server.wait()
        log = self.folder / "kubernetes.log"
        lines = log.read_text(errors="replace").splitlines() or ["it said nothing"]
        raise WorldError(f"the API server ended with code {code}: {lines[-1]} (all of it: {log})")

    async def _furnish(self) -> None:
        """Apply the manifests, and wait until everything works."""
        kube = self.kubernetes
        for namespace in manifests.namespaces():
            await kube.create("namespaces", None, namespace)
        await kube.create("mutatingwebhookconfigurations", None, manifests.webhook_configuration())
        self._progress(f"starting {self._memgraphs} Memgraph instances (simulated), two controllers and the webhook")
        kubeconfig = str(self.folder / "kubeconfig")
        for plural, obj in manifests.release(kubeconfig, self._controller_command, self._memgraphs):
            await kube.create(plural, manifests.RELEASE, obj)
        deadline = anyio.current_time() + self._start_s
        await self._until_webhook_works(deadline)
        if self._apps:
            self._progress(f"starting {len(self._apps)} app pod(s): the webhook puts a sidecar into each")
        for manifest in self._apps:
            await self.create_app(manifest)
        await self._start_by(deadline, _published, "a published main with a partner")
        self._progress(f"{self.document.main_pod if self.document else ''} is the main, and protected")
        for manifest in self._apps:
            await self._start_by(deadline, partial(_app_is_ready, manifest), "every app with its sidecar")

    async def _start_by(self, deadline: float, predicate: Predicate, what: str) -> None:
        await self.wait_until(
            predicate, deadline_s=max(0.0, deadline - anyio.current_time()),
            what=f"the sandbox did not start: {what} was missing after {self._start_s:g} s",
        )  # fmt: skip

    async def _until_webhook_works(self, deadline: float) -> None:
        """Ready, and its authority is where the API server looks for it."""
        await self._start_by(deadline, _webhook_is_ready, "a ready webhook")
        while anyio.current_time() < deadline:
            found = await self.kubernetes.get("mutatingwebhookconfigurations", None, manifests.RELEASE)
            if all(item["clientConfig"].get("caBundle") for item in found["webhooks"]):
                return
            await anyio.sleep(0.1)
        raise WorldError(f"the webhook did not put its caBundle in place. The logs are in {self.folder / 'pods'}")

    async def _keep_state(self) -> None:
        """Keep `state`, `document` and world.json true."""
        written: Object = {}
        while True:
            self._changed = anyio.Event()
            self.state = self._portrait()
            self.document = self._read_document()
            if self.state != written:
                worldfile.write(self.folder, self.state)
                written = self.state
            turn, self._turn = self._turn, anyio.Event()
            turn.set()
            await self._changed.wait()

    def _portrait(self) -> Object:
        seen = []
        for (namespace, name), manifest in self._mirrors["pods"].objects.items():
            pod = self._kubelet.find(namespace, name)
            if pod is not None:
                seen.append(Seen(namespace, name, _component(manifest), pod.place, tuple(pod.states)))
        lease = self._mirrors["leases"].objects.get((manifests.RELEASE, names.lease(manifests.RELEASE)))
        pids = {pod.name: pod.pid() for pod in seen if pod.component == "controller"}
        return portrait(self.folder / "kubeconfig", os.getpid(), seen, self._leadership.observe(lease, pids))

    def _read_document(self) -> Document | None:
        key = (manifests.RELEASE, names.state_config_map(manifests.RELEASE))
        try:
            return decode(self._mirrors["configmaps"].objects.get(key, {}).get("data") or {})
        except MalformedDocument:
            return None

    def _touch(self) -> None:
        self._changed.set()


def _published(world: World) -> bool:
    return world.document is not None and world.document.phase is Phase.SERVING and world.document.sync is not None


def _app_is_ready(manifest: Object, world: World) -> bool:
    return world.ready(manifests.APPS_NAMESPACE, manifest["metadata"]["name"])


def _webhook_is_ready(world: World) -> bool:
    pods = world.pods()
    return any(
        key[0] == manifests.RELEASE and _component(pod) == "webhook" and world.ready(*key) for key, pod in pods.items()
    )


def _component(pod: Object) -> str:
    component: str = (pod["metadata"].get("labels") or {}).get(names.COMPONENT_LABEL, "")
    return component


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one exception inside, if there is only one: task groups wrap what their body raised."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
