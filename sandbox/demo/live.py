"""The stage as it really is: a sandbox world of processes, with the demo's apps in it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sandbox import manifests
from sandbox.demo.scenario import FIXED, Options
from sandbox.demo.stage import StageError
from sandbox.http import Unreachable
from sandbox.kube import Refused
from sandbox.memgraph import admin
from sandbox.world import World, WorldError
from sidecar.contract import names
from sidecar.contract.state import Document

Object = dict[str, Any]
_STOP_GRACE_S: Final = 5
"""The app itself takes 4 s at most."""


@asynccontextmanager
async def live_world(options: Options, apps: Sequence[str], progress: Callable[[str], None]) -> AsyncIterator[Live]:
    """Start the world; it is protected and the apps are ready when this is entered."""
    history = options.folder / "history"
    history.mkdir(exist_ok=True)
    command: Sequence[str] = manifests.CONTROLLER_COMMAND
    if options.broken:
        command = ("python", "-m", "sandbox.demo.broken", options.broken)
    async with World(
        options.folder,
        apps=len(apps),
        app_manifest=lambda number: app_pod(apps[number], f"bolt://localhost:{names.READ_WRITE_PORT}", history),
        controller_command=command,
        progress=progress,
    ) as world:
        yield Live(world, history)


def app_pod(name: str, uri: str, history: Path, *, fixed: bool = False) -> Object:
    """The manifest of one app. A fixed one asks for no sidecar."""
    environment = {
        "MEMGRAPH_URI": uri,
        "APP_NAME": name,
        "HISTORY": str(history / f"{name}.jsonl"),
        "APP_MODE": "fixed" if fixed else "managed",
    }
    container = {
        "name": "app",
        "image": "app:sandbox",
        "command": ["python", "-m", "sandbox.demo.app"],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
    }
    labels = {names.INJECT_LABEL: names.INJECT_DISABLED} if fixed else {}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [container]}}


class Live:
    """scenario.World over a running sandbox."""

    def __init__(self, world: World, history: Path) -> None:
        self._world = world
        self._history = history

    async def document(self) -> Document | None:
        return self._world.document

    async def kill(self, pod: str) -> None:
        self._signal(pod, signal.SIGKILL)

    async def hang(self, pod: str) -> None:
        self._signal(pod, signal.SIGSTOP)

    async def resume(self, pod: str) -> None:
        self._signal(pod, signal.SIGCONT)

    async def blackhole(self, sender: str, receiver: str) -> None:
        peer = self._memgraph(receiver)["replication"]
        await self._knob(sender, {"knob": "link", "peer": peer, "state": "blackhole"})

    async def heal(self) -> None:
        for pod in self.memgraphs():
            with suppress(StageError):  # a process that is gone took its faults with it
                await self._knob(pod, {"knob": "link", "peer": "*", "state": "ok"})

    async def switchover(self) -> None:
        name = names.requests_config_map(manifests.RELEASE)
        try:
            await self._world.kubernetes.ensure("configmaps", manifests.RELEASE, {"metadata": {"name": name}})
            await self._world.kubernetes.patch("configmaps", manifests.RELEASE, name, {"data": {"switchover": "any"}})
        except (Refused, Unreachable) as error:
            raise StageError(f"the switchover could not be asked for: {error}") from error

    def leader(self) -> str:
        found = [controller["pod"] for controller in self._world.state["controllers"] if controller["leader"]]
        return found[0] if found else ""

    def memgraphs(self) -> list[str]:
        entries = sorted(self._world.state["memgraphs"], key=lambda entry: entry["ordinal"])
        return [entry["pod"] for entry in entries]

    async def start_fixed_app(self, main: str) -> None:
        uri = f"bolt://{self._memgraph(main)['bolt']}"
        try:
            await self._world.create_app(app_pod(FIXED, uri, self._history, fixed=True))
        except (Refused, Unreachable) as error:
            raise StageError(f"the app without a sidecar could not be created: {error}") from error

    async def stop_apps(self, *apps: str) -> None:
        try:
            for app in apps:
                await self._world.delete_app(app, grace_s=_STOP_GRACE_S)
        except (Refused, Unreachable, WorldError) as error:
            raise StageError(f"the apps could not be stopped: {error}") from error

    def bolt(self) -> dict[str, str]:
        return {entry["pod"]: entry["bolt"] for entry in self._world.state["memgraphs"]}

    def _memgraph(self, pod: str) -> Object:
        for entry in self._world.state["memgraphs"]:
            if entry["pod"] == pod:
                return dict(entry)
        raise StageError(f"there is no Memgraph pod {pod}")

    def _signal(self, pod: str, number: signal.Signals) -> None:
        entries = [*self._world.state["memgraphs"], *self._world.state["controllers"]]
        pid = next((entry["pid"] for entry in entries if entry["pod"] == pod), None)
        if pid is None:
            raise StageError(f"{pod} has no process now")
        try:
            os.kill(pid, number)
        except ProcessLookupError as error:
            raise StageError(f"the process of {pod} ended by itself") from error

    async def _knob(self, pod: str, command: Object) -> None:
        host, _, port = self._memgraph(pod)["admin"].rpartition(":")
        try:
            answer = await admin.send(host, int(port), command)
        except (OSError, TimeoutError) as error:
            raise StageError(f"{pod} does not answer on its fault port: {error}") from error
        if not answer["ok"]:
            raise StageError(f"{pod} refused a fault: {answer['error']}")
