"""A cell for controller tests: an API server, three simulated Memgraph processes with pods made by hand, controllers.

No kubelet: the test itself says what a kubelet would (a container terminated, a pod got another process).
"""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import neo4j
import neo4j.exceptions
from api_server import api_server
from kubernetes.aio import client
from secret_folder import write_secret

from controller.core.model import Found
from controller.kube.client import connect
from controller.kube.state import StateStore
from sidecar.contract import names
from sidecar.contract.state import Document, Phase

NAMESPACE: Final = "db"
INIT: Final = "SET REPLICATION ROLE TO REPLICA WITH PORT 10000;\n" * 2
_SETTLE_S: Final = 30.0


class Cell:
    """Everything that runs, and what a test does to it."""

    def __init__(
        self, api: client.ApiClient, folder: Path, kubeconfig: Path, users: Mapping[str, str] | None = None
    ) -> None:
        self._core = client.CoreV1Api(api)
        self._apps = client.AppsV1Api(api)
        self._api = api
        self.release = "r"
        """The controllers'. The StatefulSet is always called r."""
        self._folder = folder
        self.kubeconfig = kubeconfig
        self.secret = folder / "users"
        """The mounted Secret of a cell with users; the controller is `ops`."""
        self.auth: tuple[str, str] | None = None
        """What the test itself logs in with."""
        if users:
            self.change_users(users)
        self.flags: tuple[str, ...] = ()
        """More of Memgraph's, at its next start."""
        self.variables: dict[str, str] = {}
        """More of the controller's, at its next start."""
        self.tls: ssl.SSLContext | None = None
        """What the test itself connects with."""
        self.memgraphs: dict[int, subprocess.Popen[bytes]] = {}
        self.controllers: dict[str, subprocess.Popen[bytes]] = {}
        self._restarts = dict.fromkeys(range(3), 0)

    @property
    def store(self) -> StateStore:
        """The document."""
        return StateStore(self._api, NAMESPACE, names.state_config_map(self.release))

    def address(self, ordinal: int) -> str:
        """The loopback address of this instance."""
        process = os.getpid()  # tests run side by side, each in a process of its own
        return f"127.{64 + process % 64}.{process // 64 % 250}.{ordinal + 1}"

    def change_users(self, users: Mapping[str, str]) -> None:
        """Another Secret, as all containers see it at once."""
        write_secret(self.secret, users)

    async def build(self) -> None:
        """StatefulSet, three instances."""
        labels = {"app": "m"}
        template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels), spec=self._spec())
        spec = client.V1StatefulSetSpec(
            replicas=3, selector=client.V1LabelSelector(match_labels=labels), template=template, service_name="r-nodes"
        )
        await self._apps.create_namespaced_stateful_set(
            NAMESPACE, client.V1StatefulSet(metadata=client.V1ObjectMeta(name="r"), spec=spec)
        )
        for ordinal in range(3):
            self.start(ordinal)
            pod = client.V1Pod(metadata=client.V1ObjectMeta(name=f"r-{ordinal}"), spec=self._spec())
            await self._core.create_namespaced_pod(NAMESPACE, pod)
            await self.report(ordinal, running=True)

    def _spec(self) -> client.V1PodSpec:
        ports = [client.V1ContainerPort(name="bolt", container_port=7687)]
        return client.V1PodSpec(containers=[client.V1Container(name="memgraph", image="memgraph", ports=ports)])

    def start(self, ordinal: int) -> None:
        """Start the process of this instance; the same data directory every time."""
        init = self._init_file(ordinal)
        log = (self._folder / f"r-{ordinal}.log").open("ab")
        command = [
            sys.executable, "-m", "sandbox.memgraph", "--bolt-address", self.address(ordinal), "--bolt-port", "7687",
            "--data-directory", str(self._folder / f"data-{ordinal}"), "--init-file", str(init),
            "--replication-restore-state-on-startup=false", "--storage-wal-file-flush-every-n-tx=1", *self.flags,
        ]  # fmt: skip
        self.memgraphs[ordinal] = subprocess.Popen(command, stderr=log, stdout=log)
        log.close()

    def _init_file(self, ordinal: int) -> Path:
        """What the init container composes, or the chart's own."""
        role = self._folder / "init.cypherl"
        role.write_text(INIT)
        if not self.secret.exists():
            return role
        composed = self._folder / f"init-{ordinal}.cypherl"
        command = [sys.executable, "-m", "controller.initfile", str(self.secret), str(role), str(composed)]
        subprocess.run(command, check=True, capture_output=True)
        return composed

    async def report(self, ordinal: int, *, running: bool) -> None:
        """What a kubelet would write into the pod's status; as a patch: the controller writes there, too."""
        state: dict[str, Any] = {"running": {}} if running else {"terminated": {"exitCode": 137}}
        container = {
            "name": "memgraph", "containerID": f"proc://{self.memgraphs[ordinal].pid}", "image": "memgraph",
            "imageID": "m", "ready": running, "restartCount": self._restarts[ordinal], "state": state,
        }  # fmt: skip
        status = {"podIP": self.address(ordinal), "containerStatuses": [container]}
        await self._core.patch_namespaced_pod_status(
            f"r-{ordinal}", NAMESPACE, {"status": status}, _content_type="application/merge-patch+json"
        )

    def start_controller(self, name: str, port: int = 0) -> None:
        """A controller process; its HTTP face is on this port of 127.0.0.1 (0: on any)."""
        environment = {
            **os.environ,
            "POD_NAME": name,
            "POD_NAMESPACE": NAMESPACE,
            "MEMGRAPH_HA_RELEASE": self.release,
            "MEMGRAPH_HA_STATEFULSET": "r",
            "MEMGRAPH_HA_REGISTER_BY": "ip",
            "MEMGRAPH_HA_HTTP_ADDRESS": "127.0.0.1",
            "MEMGRAPH_HA_USERS_DIR": str(self.secret) if self.secret.exists() else "",
            "MEMGRAPH_HA_CONTROLLER_USER": "ops",
            "MEMGRAPH_HA_HTTP_PORT": str(port),
            "KUBECONFIG": str(self.kubeconfig),
            **self.variables,
        }
        log = (self._folder / f"{name}.log").open("ab")
        self.controllers[name] = subprocess.Popen([sys.executable, "-m", "controller"], stderr=log, env=environment)
        log.close()

    def kill(self, ordinal: int) -> None:
        """SIGKILL; the process is gone when this returns."""
        self.memgraphs[ordinal].kill()
        self.memgraphs[ordinal].wait(10)

    async def restart(self, ordinal: int) -> None:
        """What a kubelet does with a dead container."""
        self._restarts[ordinal] += 1
        self.start(ordinal)
        await self.report(ordinal, running=True)

    def hang(self, ordinal: int) -> None:
        """SIGSTOP."""
        self.memgraphs[ordinal].send_signal(signal.SIGSTOP)

    def resume(self, ordinal: int) -> None:
        """SIGCONT."""
        self.memgraphs[ordinal].send_signal(signal.SIGCONT)

    async def request_switchover(self) -> None:
        """What the command writes."""
        metadata = client.V1ObjectMeta(name="r-requests")
        body = client.V1ConfigMap(metadata=metadata, data={"switchover": "any"})
        await self._core.create_namespaced_config_map(NAMESPACE, body)

    async def request(self, key: str, value: str = "test") -> None:
        """What the command writes into a ConfigMap that is there or not; until it was taken."""
        name = names.requests_config_map(self.release)
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data={key: value})
        try:
            await self._core.create_namespaced_config_map(NAMESPACE, body)
        except client.ApiException:
            merge = "application/merge-patch+json"
            await self._core.patch_namespaced_config_map(name, NAMESPACE, {"data": {key: value}}, _content_type=merge)
        with anyio.fail_after(_SETTLE_S):
            while True:
                found = await self._core.read_namespaced_config_map(name, NAMESPACE)
                if key not in (found.data or {}):
                    return
                await anyio.sleep(0.02)

    async def settled(self, *, main: int | None = None, other_than: int | None = None) -> Document:
        """Wait until the document serves, is protected and names the expected main."""
        document: Document | None = None
        with anyio.move_on_after(_SETTLE_S):
            while True:
                stored = await self.store.read()
                document = stored.document if isinstance(stored, Found) else None
                if document and document.phase is Phase.SERVING and document.sync and len(document.read_addresses) > 0:
                    named = document.master_index
                    if (main is None or named == main) and (other_than is None or named != other_than):
                        return document
                await anyio.sleep(0.02)
        raise AssertionError(f"not settled within {_SETTLE_S} s: {document}\n{self.story()}")

    def story(self) -> str:
        """What the controllers said last."""
        logs = sorted(self._folder.glob("c-*.log"))
        return "\n".join(line for log in logs for line in log.read_text().splitlines()[-25:])

    async def ask(self, ordinal: int, query: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """One statement on this very instance."""
        uri, more = f"bolt://{self.address(ordinal)}:7687", self._secured()
        async with neo4j.AsyncGraphDatabase.driver(uri, auth=self.auth, **more) as driver, driver.session() as session:
            return await (await session.run(query, dict(parameters or {}))).data()

    def _secured(self) -> dict[str, Any]:
        return {"ssl_context": self.tls} if self.tls else {}

    async def role_becomes(self, ordinal: int, role: str) -> None:
        """Wait until the instance says so itself."""
        deadline = anyio.current_time() + _SETTLE_S
        said = ""
        while said != role:
            assert anyio.current_time() < deadline, f"{ordinal} says {said}, not {role}"
            try:
                said = (await self.ask(ordinal, "SHOW REPLICATION ROLE"))[0]["replication role"]
            except neo4j.exceptions.ServiceUnavailable:
                said = "nothing"  # it is still starting

    async def labelled(self, *roles: str) -> None:
        """Wait until the pods say these roles, and that each is in sync."""
        found: list[tuple[str, str]] = []
        with anyio.move_on_after(_SETTLE_S):
            while found != [(role, "True") for role in roles]:
                await anyio.sleep(0.02)
                pods = [await self._core.read_namespaced_pod(f"r-{ordinal}", NAMESPACE) for ordinal in range(3)]
                found = [(_label(pod), _in_sync(pod)) for pod in pods]
            return
        raise AssertionError(f"the pods say {found}, not {roles}\n{self.story()}")

    async def stop(self) -> None:
        """End every process; controllers must end well by SIGTERM."""
        for process in self.memgraphs.values():
            process.kill()
            process.wait(10)
        await self.stop_controllers()

    async def stop_controllers(self) -> None:
        """By SIGTERM, and they must end well; whoever they talk to in this process goes on meanwhile."""
        for process in self.controllers.values():
            process.terminate()
        while self.controllers:
            name, process = self.controllers.popitem()
            code = await anyio.to_thread.run_sync(process.wait, 10)
            assert code in (0, -signal.SIGKILL), f"{name} ended badly:\n{self.story()}"


def _label(pod: client.V1Pod) -> str:
    return ((pod.metadata and pod.metadata.labels) or {}).get(names.ROLE_LABEL, "")


def _in_sync(pod: client.V1Pod) -> str:
    conditions = (pod.status and pod.status.conditions) or []
    return next((c.status for c in conditions if c.type == names.IN_SYNC_CONDITION), "")


@asynccontextmanager
async def cell(
    folder: Path, users: Mapping[str, str] | None = None, prepare: Callable[[Cell], None] = lambda _: None
) -> AsyncIterator[Cell]:
    """A running cell without controllers, on an API server of its own. `prepare` sees it before anything starts."""
    with api_server(folder / "kubernetes") as kubeconfig:
        async with connect(str(kubeconfig)) as api:
            namespace = client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE))
            await client.CoreV1Api(api).create_namespace(namespace)
        async with cell_on(folder, kubeconfig, kubeconfig, users, prepare) as running:
            yield running


@asynccontextmanager
async def cell_on(
    folder: Path,
    tests: Path,
    controllers: Path,
    users: Mapping[str, str] | None = None,
    prepare: Callable[[Cell], None] = lambda _: None,
) -> AsyncIterator[Cell]:
    """A cell on an API server that has its namespace: the test's kubeconfig, and the controllers'."""
    async with connect(str(tests)) as api:
        running = Cell(api, folder, controllers, users)
        prepare(running)
        try:
            await running.build()
            yield running
        finally:
            await running.stop()
