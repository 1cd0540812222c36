"""Look at, drive and break a running sandbox, knowing nothing but its world.json.

`Control` gives the current state anew for each call, so it may be used for as long as the sandbox runs. What can't be
done raises CannotDo with a sentence that says what to do instead.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import anyio

from sandbox import worldfile
from sandbox.http import Http, Unreachable
from sandbox.kube import Kube
from sandbox.memgraph import admin
from sandbox.spoken import SANDBOX
from sidecar.contract import names
from sidecar.contract.state import Document, MalformedDocument, Phase, decode

Object = dict[str, Any]
LinkFault = Literal["refuse", "blackhole"]
SWITCHOVER_S: Final = 30.0
DOWN_S: Final = 20.0
_ANSWER_S: Final = 1.0
"""A part of the world on the same machine that takes longer is hung."""
_POLL_S: Final = 0.05
_REFUSALS: Final = ("SwitchoverRefused", "SwitchoverAborted")


class CannotDo(Exception):
    """The sandbox is in no state for that, or there is no such pod."""


@dataclass(frozen=True, slots=True)
class Switched:
    """A finished switchover."""

    old_main: str
    new_main: str
    epoch: int
    duration_ms: int


class Control:
    """Drives the sandbox in `folder`. Use as an async context manager. Raises worldfile.NoWorld when none runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kube = Kube(Path(self.world["kubeconfig"]))

    @property
    def world(self) -> Object:
        """world.json as it is now."""
        return worldfile.read(self._folder)

    async def __aenter__(self) -> Control:
        await self._kube.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._kube.__aexit__(None, None, None)

    async def document(self) -> Document | None:
        """What the controller has published; None when there is nothing valid."""
        world = self.world
        found = await self._kube.find("configmaps", world["namespace"], world["configMap"])
        try:
            return decode((found or {}).get("data") or {})
        except MalformedDocument:
            return None

    async def send_signal(self, target: str, number: signal.Signals) -> tuple[str, int]:
        """Signal one process; returns its pod and pid. See `resolve` for targets. Raises CannotDo."""
        pod, pid = await self.resolve(target)
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            raise CannotDo(f"the process of {pod} has just ended: try again") from None
        return pod, pid

    async def resolve(self, target: str) -> tuple[str, int]:
        """`main`, `leader`, `webhook`, or a pod's name (an app's name means its sidecar) -> pod and pid."""
        world = self.world
        if target == "main":
            document = await self.document()
            if document is None:
                raise CannotDo(f"no main is published now: look at `{SANDBOX} status`")
            target = document.main_pod
        if target == "leader":
            target = next((item["pod"] for item in world["controllers"] if item["leader"]), "")
            if not target:
                raise CannotDo("no controller leads now: try again in a few seconds")
        if target == "webhook":
            target = world["webhook"]["pod"]
        pids = _pids(world)
        if target not in pids:
            raise CannotDo(f"there is no pod {target!r}; there are: main, leader, webhook, {', '.join(pids)}")
        pid = pids[target]
        if pid is None:
            raise CannotDo(f"{target} has no process now; it is started again within seconds")
        return target, pid

    def resume_all(self) -> list[str]:
        """SIGCONT to every process there is; returns the pods that were stopped."""
        stopped = []
        for pod, pid in _pids(self.world).items():
            if pid is not None and _is_stopped(pid):
                os.kill(pid, signal.SIGCONT)
                stopped.append(pod)
        return stopped

    async def partition(self, receiver: str | None, how: LinkFault, sender: str | None = None) -> tuple[str, list[str]]:
        """Cut what the main (or `sender`) replicates to one instance, or to all; returns sender and receivers."""
        world = self.world
        document = await self.document()
        source = sender or (document.main_pod if document else "")
        instances = {item["pod"]: item for item in world["memgraphs"]}
        if source not in instances or (receiver is not None and receiver not in instances) or receiver == source:
            others = ", ".join(pod for pod in instances if pod != source)
            raise CannotDo(f"name another instance than the sender {source!r}; there are: {others}")
        receivers = [receiver] if receiver else [pod for pod in instances if pod != source]
        for pod in receivers:
            await _link(instances[source], instances[pod]["replication"], how)
        return source, receivers

    async def cut_off(self, client: str, pod: str) -> None:
        """From now on, clients whose user agent begins with `client` get no answer from this instance."""
        await self._client(client, pod, "blackhole")

    async def let_back(self, client: str, pod: str) -> None:
        """Undo `cut_off`."""
        await self._client(client, pod, "ok")

    async def heal(self) -> list[str]:
        """Every link works again; returns the instances that could not be told (they hang or are down)."""
        instances = self.world["memgraphs"]
        deaf = []
        for item in instances:
            try:
                for peer in ("*", *(other["replication"] for other in instances)):
                    await _link(item, peer, "ok")
            except CannotDo:
                deaf.append(item["pod"])
        return deaf

    async def request_switchover(self, to: str = "any") -> None:
        """Ask the controller for another main (an ordinal, or `any`); returns at once. Raises Refused, Unreachable."""
        namespace, name = self.world["namespace"], names.requests_config_map(self.world["namespace"])
        await self._kube.ensure("configmaps", namespace, {"metadata": {"name": name}, "data": {}})
        await self._kube.patch("configmaps", namespace, name, {"data": {"switchover": to}})

    async def switchover(self, to: str = "any", deadline_s: float = SWITCHOVER_S) -> Switched:
        """Ask for another main and wait until it is published. Raises CannotDo when the controller refuses."""
        before = await self.document()
        if before is None:
            raise CannotDo(f"no main is published now: look at `{SANDBOX} status`")
        earlier = {event["metadata"]["uid"] for event in await self._events()}
        began = anyio.current_time()
        await self.request_switchover(to)
        while anyio.current_time() < began + deadline_s:
            now = await self.document()
            if now is not None and now.phase is Phase.SERVING and now.main_uid != before.main_uid:
                return Switched(before.main_pod, now.main_pod, now.epoch, round((anyio.current_time() - began) * 1000))
            refusals = [event for event in await self._events() if event["metadata"]["uid"] not in earlier]
            if refusals:
                raise CannotDo(refusals[-1].get("message", "the controller refused without a reason"))
            await anyio.sleep(_POLL_S)
        raise CannotDo(f"no other main within {deadline_s:g} s: look at `{SANDBOX} status` and the controllers' logs")

    async def status(self) -> Object:
        """world.json with what the parts say of themselves: roles, the document, the sidecars' epochs."""
        world = self.world
        document = await self.document()
        published: Object | None = None
        if document is not None:
            published = {
                "term": document.term, "epoch": document.epoch, "phase": document.phase.value,
                "main": document.main_pod, "mainAddress": document.main_address,
                "syncReplica": document.sync.ordinal if document.sync else None,
                "reason": document.reason, "message": document.message,
            }  # fmt: skip
        memgraphs = [item | {"state": await _role(item)} for item in world["memgraphs"]]
        controllers = [item | {"state": _duty(item)} for item in world["controllers"]]
        async with Http() as http:
            apps = [app | {"sidecar": await _sidecar(http, app)} for app in world["apps"]]
        return world | {"document": published, "memgraphs": memgraphs, "controllers": controllers, "apps": apps}

    async def _client(self, client: str, pod: str, state: str) -> None:
        instance = next((item for item in self.world["memgraphs"] if item["pod"] == pod), None)
        if instance is None:
            raise CannotDo(f"there is no instance {pod!r} now")
        await _tell(instance, {"knob": "client", "name": client, "state": state})

    async def _events(self) -> list[Object]:
        events = await self._kube.list("events", self.world["namespace"])
        return [event for event in events if event.get("reason") in _REFUSALS]


async def down(folder: Path) -> int:
    """End the sandbox and wait until it has ended; returns the runner's pid. Raises NoWorld, CannotDo."""
    pid: int = worldfile.read(folder)["runner"]["pid"]
    os.kill(pid, signal.SIGTERM)
    with anyio.move_on_after(DOWN_S):
        while worldfile.is_running(folder):  # noqa: ASYNC110  # another process lets go of the lock
            await anyio.sleep(_POLL_S)
        return pid
    raise CannotDo(f"the runner (pid {pid}) has not ended within {DOWN_S:g} s; kill -9 {pid} ends everything")


def _pids(world: Object) -> dict[str, int | None]:
    pids = {item["pod"]: item["pid"] for item in [*world["memgraphs"], *world["controllers"], world["webhook"]]}
    return pids | {app["pod"]: app["sidecarPid"] if app["uri"] else app["pid"] for app in world["apps"]}


def _is_stopped(pid: int) -> bool:
    try:
        # The state is the first word after the program's name, which is in parentheses and may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return not Path("/proc/self").exists()  # no /proc (macOS): SIGCONT harms nobody


async def _link(instance: Object, peer: str, state: str) -> None:
    await _tell(instance, {"knob": "link", "peer": peer, "state": state})


async def _tell(instance: Object, command: Object) -> None:
    answer = await _ask(instance, command)
    if not answer.get("ok"):
        raise CannotDo(f"{instance['pod']}: {answer.get('error')}")


async def _ask(instance: Object, command: Object) -> Object:
    host, _, port = instance["admin"].rpartition(":")
    try:
        with anyio.fail_after(_ANSWER_S):
            return await admin.send(host, int(port), command)
    except (OSError, TimeoutError, anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError) as error:
        raise CannotDo(f"{instance['pod']} does not answer: it is down or hangs") from error


async def _role(instance: Object) -> str:
    if instance["pid"] is None:
        return "down"
    try:
        return str((await _ask(instance, {"show": "state"})).get("role", "unknown"))
    except CannotDo:
        return "hung" if _is_stopped(instance["pid"]) else "silent"


def _duty(controller: Object) -> str:
    if controller["pid"] is None:
        return "down"
    if _is_stopped(controller["pid"]):
        return "hung"
    return "leader" if controller["leader"] else "standby"


async def _sidecar(http: Http, app: Object) -> Object | None:
    if not app["metrics"]:
        return None
    try:
        answer = await http.ask("GET", app["metrics"].removesuffix("metrics") + "state", timeout_s=_ANSWER_S)
    except Unreachable:
        return None
    return answer.body
