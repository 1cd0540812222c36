"""The API server as the controllers' ports and the sidecars' watch see it: compare-and-swap, lost answers, late ones.

Everything is kept as the strings a ConfigMap would have, so that what is read is what was encoded.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import trio

from controller.ports import Conflict, LostAnswer, Unavailable
from sidecar.contract.state import Document
from sim.network import Network

T = TypeVar("T")
CALL_S = 1.5
"""controller/kube's timeout of a call."""


@dataclass(frozen=True, slots=True)
class Object:
    """One stored object; `version` is its resourceVersion."""

    name: str
    uid: str
    version: int
    data: dict[str, str]
    annotations: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, object]:
        """As the API server writes it."""
        metadata = {"name": self.name, "uid": self.uid, "resourceVersion": str(self.version)}
        return {"metadata": metadata, "data": self.data}


@dataclass
class Trouble:
    """What goes wrong with one caller's calls: probabilities; seconds a write may arrive late, or any may take."""

    lost_answer: float = 0.0
    late: float = 0.0
    late_s: float = 3.0
    fails: float = 0.0
    slow_s: float = 0.0


Watcher = Callable[[str, Object | None, Object | None], None]
"""(name, before, after) after every change."""


class ApiServer:
    """Objects by name. `watchers` are called at the moment of a change; how news travels is `follow`'s matter."""

    def __init__(self, network: Network, nursery: trio.Nursery, rng: random.Random) -> None:
        self.network = network
        self.objects: dict[str, Object] = {}
        self.trouble: dict[str, Trouble] = {}
        self.watchers: list[Watcher] = []
        self.about_to_write: Callable[[str, Document], None] = lambda _who, _document: None
        """Called before a controller's write of the document leaves it: the moment to make something happen."""
        self.late_conflicts = 0
        """Writes that arrived late and lost their compare-and-swap."""
        self.calling: str | None = None
        """Whose request is being carried out, while the watchers are called; None: nobody's, or a late one."""
        self._nursery = nursery
        self._rng = rng
        self._version = 100
        self._uids = 0

    # Storage

    def next_version(self) -> int:
        """The next resourceVersion."""
        self._version += 1
        return self._version

    def put(
        self, name: str, data: dict[str, str], version: str | None, annotations: dict[str, str] | None = None
    ) -> Object:
        """Create (version None) or replace. Raises Conflict."""
        before = self.objects.get(name)
        if (before is None) != (version is None) or (before is not None and str(before.version) != version):
            raise Conflict(f"{name}: 409")
        if before is None:
            self._uids += 1
            uid = f"object-{self._uids}"
        else:
            uid = before.uid
        after = Object(name, uid, self.next_version(), dict(data), dict(annotations or {}))
        self.objects[name] = after
        self._tell(name, before, after)
        return after

    def remove(self, name: str) -> None:
        """kubectl delete."""
        before = self.objects.pop(name, None)
        if before is not None:
            self.next_version()
            self._tell(name, before, None)

    def restore(self, name: str, earlier: Object) -> None:
        """etcd came back from a backup: the same object, as it was."""
        before = self.objects.get(name)
        after = replace(earlier, version=self.next_version())
        self.objects[name] = after
        self._tell(name, before, after)

    def _tell(self, name: str, before: Object | None, after: Object | None) -> None:
        for watcher in list(self.watchers):
            watcher(name, before, after)

    # Calls

    async def call(self, who: str, operation: Callable[[], T], *, writes: bool) -> T:
        """One request of `who`. Raises Conflict, LostAnswer, Unavailable."""
        await self.network.running(who)
        trouble = self.trouble.get(who, _FINE)
        lost = LostAnswer("no answer in time") if writes else Unavailable("no answer in time")
        if not self.network.passes(who, "api"):
            await trio.sleep(CALL_S)
            raise lost
        await trio.sleep(self.network.latency() + 0.0005 + trouble.slow_s)
        if trouble.fails and self._rng.random() < trouble.fails:
            raise Unavailable("503")
        if writes and trouble.late and self._rng.random() < trouble.late:
            self._nursery.start_soon(self._later, operation, self._rng.uniform(CALL_S, trouble.late_s))
            await trio.sleep(CALL_S)
            raise lost
        self.calling = who
        try:
            answer = operation()
        finally:
            self.calling = None
        if not self.network.passes("api", who) or (trouble.lost_answer and self._rng.random() < trouble.lost_answer):
            await trio.sleep(self._rng.uniform(0.0, CALL_S))
            raise lost
        await trio.sleep(self.network.latency() + 0.0005)
        await self.network.running(who)
        return answer

    async def _later(self, operation: Callable[[], object], seconds: float) -> None:
        await trio.sleep(seconds)
        try:
            operation()
        except Conflict:  # what a compare-and-swap is for
            self.late_conflicts += 1

    async def follow(self, who: str, name: str, deliver: Callable[[str, bytes], None]) -> None:
        """A watch of one object, for ever: ("got", body) or ("missing", b"") after each (re)connection, then lines.

        While `who` is cut off nothing arrives; afterwards it connects again and sees what is there by then.
        """
        while True:
            await self.network.connected(who, "api")
            await trio.sleep(self._rng.uniform(0.0, 0.1))
            send, receive = trio.open_memory_channel[tuple[str, bytes]](1000)

            def changed(changed_name: str, _: Object | None, after: Object | None, send=send) -> None:  # type: ignore[no-untyped-def]
                if changed_name == name:
                    kind = "DELETED" if after is None else "MODIFIED"
                    send.send_nowait(("line", _event(kind, after or _)))

            self.watchers.append(changed)
            try:
                await self.network.running(who)
                there = self.objects.get(name)
                deliver(*(("got", json.dumps(there.body()).encode()) if there else ("missing", b"")))
                async for kind, body in receive:
                    lag = self.network.latency() + 0.001
                    await trio.sleep(lag if self._rng.random() < 0.95 else lag + self._rng.uniform(0.0, 0.15))
                    if not self.network.connects(who, "api"):
                        break  # what was under way is lost with the connection
                    await self.network.watching(who)
                    deliver(kind, body)
            finally:
                self.watchers.remove(changed)


def _event(kind: str, item: Object | None) -> bytes:
    assert item is not None, "an event is about an object"
    return json.dumps({"type": kind, "object": item.body()}).encode()


_FINE = Trouble()
