"""The stage as it really is: a sandbox world of processes, with the demo's apps in it."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import anyio

from sandbox import manifests
from sandbox.control import CannotDo, Control
from sandbox.demo.problem import FIXED
from sandbox.demo.scenario import Options
from sandbox.demo.stage import StageError, only
from sandbox.http import Unreachable
from sandbox.kube import Refused
from sandbox.world import World, WorldError
from sandbox.worldfile import NoWorld, Occupied
from sidecar.contract import names
from sidecar.contract.state import Document

Object = dict[str, Any]
_STOP_GRACE_S: Final = 5
"""The app itself takes 4 s at most."""
_ANSWERS: Final = (CannotDo, NoWorld, Occupied, Refused, Unreachable, WorldError)


@asynccontextmanager
async def live_world(options: Options, apps: Sequence[str], progress: Callable[[str], None]) -> AsyncIterator[Live]:
    """Start the world; it is protected and the apps are ready when this is entered."""
    history = options.folder / "history"
    history.mkdir(exist_ok=True)
    command: Sequence[str] = manifests.CONTROLLER_COMMAND
    if options.broken:
        command = ("python", "-m", "sandbox.demo.broken", options.broken)
    with _translated("the sandbox can't go on"):
        async with (
            World(
                options.folder,
                apps=len(apps),
                app_manifest=lambda number: app_pod(apps[number], f"bolt://localhost:{names.READ_WRITE_PORT}", history),
                controller_command=command,
                progress=progress,
            ) as world,
            Control(options.folder) as control,
        ):
            yield Live(world, control, history)


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
    """stage.World over a running sandbox: its own World for the apps, and world.json for everything that breaks."""

    def __init__(self, world: World, control: Control, history: Path) -> None:
        self._world = world
        self._control = control
        self._history = history

    async def document(self) -> Document | None:
        return self._world.document

    async def kill(self, pod: str) -> None:
        with _translated(f"{pod} can't be killed"):
            await self._control.send_signal(pod, signal.SIGKILL)

    async def hang(self, pod: str) -> None:
        with _translated(f"{pod} can't be stopped"):
            await self._control.send_signal(pod, signal.SIGSTOP)

    async def resume(self, pod: str) -> None:
        with _translated(f"{pod} can't be resumed"):
            await self._control.send_signal(pod, signal.SIGCONT)

    async def blackhole(self, sender: str, receiver: str) -> None:
        with _translated(f"the link to {receiver} can't be cut"):
            await self._control.partition(receiver, "blackhole", sender)

    async def heal(self) -> None:
        with _translated("the links can't be healed"):
            await self._control.heal()  # an instance that is down took its faults with it

    async def switchover(self) -> None:
        with _translated("the switchover can't be asked for"):
            await self._control.request_switchover()

    def leader(self) -> str:
        found = [controller["pod"] for controller in self._world.state["controllers"] if controller["leader"]]
        return found[0] if found else ""

    def memgraphs(self) -> list[str]:
        entries = sorted(self._world.state["memgraphs"], key=lambda entry: entry["ordinal"])
        return [entry["pod"] for entry in entries]

    def bolt(self) -> dict[str, str]:
        return {entry["pod"]: entry["bolt"] for entry in self._world.state["memgraphs"]}

    async def start_fixed_app(self, main: str) -> None:
        manifest = app_pod(FIXED, f"bolt://{self.bolt()[main]}", self._history, fixed=True)
        with _translated("the app without a sidecar can't be created"):
            await self._world.create_app(manifest)

    async def stop_apps(self, *apps: str) -> None:
        with _translated("the apps can't be stopped"):
            async with anyio.create_task_group() as group:
                for app in apps:
                    group.start_soon(self._stop, app)

    async def _stop(self, app: str) -> None:
        await self._world.delete_app(app, grace_s=_STOP_GRACE_S)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Whatever the sandbox answers instead of doing it, as StageError."""
    try:
        yield
    except _ANSWERS as error:
        raise StageError(f"{what}: {error}") from error
    except BaseExceptionGroup as group:
        answer = only(group, _ANSWERS)
        if answer is None:
            raise
        raise StageError(f"{what}: {answer}") from group
