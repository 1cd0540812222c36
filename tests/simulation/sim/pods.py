"""The StatefulSet's pods and what a kubelet does to them: restarts in place, deletions, lost volumes, new addresses."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import trio
from virtual_memgraph import Storage

from controller.core.model import Pod
from sandbox.memgraph.core.instance import Settings
from sim.instances import Fleet

PRE_STOP_S = 5.0
"""The chart's preStop sleep: the main of a deleted pod goes on serving meanwhile."""
BOLT_PORT = 7687
REPLICATION_PORT = 10000


@dataclass
class Slot:
    """One ordinal. `pod` is what the API server shows; `scope` is whatever the kubelet does with it now."""

    ordinal: int
    name: str
    pod: Pod | None = None
    volume: str = ""
    starts: int = 0
    busy: bool = False
    released: trio.Event = field(default_factory=trio.Event)


class Pods:
    """All slots. `watchers` are called whenever the API server's picture of a pod changes."""

    def __init__(self, fleet: Fleet, nursery: trio.Nursery, rng: random.Random, settings: Settings) -> None:
        self.fleet = fleet
        self.slots: dict[int, Slot] = {}
        self.wanted = 0
        self.restore = False
        self.watchers: list[Callable[[], None]] = []
        self.on_wiped: Callable[[str], None] = lambda _name: None
        self.on_started: Callable[[str], None] = lambda _name: None
        self.ordered: Callable[[int, str], bool] = lambda _ordinal, _uid: False
        """Whether an order is in force to begin the successor of this pod anew."""
        self.on_aside: Callable[[str], None] = lambda _name: None
        self.aside: dict[str, Storage] = {}
        """Volume -> the data that was moved aside on it."""
        self.aliens: dict[str, str] = {}
        self._nursery = nursery
        self._rng = rng
        self._settings = settings
        self._count = 0
        self._hosts: dict[str, str] = {}
        self._ran_on: dict[str, str] = {}

    # What others see

    def picture(self) -> dict[int, Pod]:
        """Ordinal -> pod, as the API server has them."""
        return {slot.ordinal: slot.pod for slot in self.slots.values() if slot.pod is not None}

    def host(self, address: str) -> str | None:
        """Whose process listens at this `ip:port` now."""
        ip = address.rpartition(":")[0]
        return self.aliens.get(ip) or self._hosts.get(ip)

    def slot(self, name: str) -> Slot:
        """The slot of this instance."""
        return self.slots[int(name.rpartition("-")[2])]

    def _tell(self) -> None:
        for watcher in list(self.watchers):
            watcher()

    # The StatefulSet

    def scale(self, wanted: int) -> None:
        """spec.replicas: missing pods are made, surplus ones deleted, volumes stay."""
        self.wanted = wanted
        for ordinal in range(wanted):
            if ordinal not in self.slots:
                self.slots[ordinal] = Slot(ordinal, f"m-{ordinal}", volume=f"pvc-{ordinal}")
                self.slots[ordinal].released.set()
            slot = self.slots[ordinal]
            if slot.pod is None and not slot.busy:
                self._create(slot)
        for slot in self.slots.values():
            if slot.ordinal >= wanted and slot.pod is not None and not slot.pod.deleting:
                self.delete(slot.name)
        self._tell()

    def _create(self, slot: Slot) -> None:
        self._count += 1
        ip = f"10.0.{slot.ordinal}.{self._count}"
        self._hosts[ip] = slot.name
        slot.pod = Pod(
            name=slot.name,
            uid=f"uid-{slot.ordinal}-{self._count}",
            ip=ip,
            bolt_port=BOLT_PORT,
            replication_port=REPLICATION_PORT,
            replication_address=f"{slot.name}:{REPLICATION_PORT}",
            volume=slot.volume,
            running=False,
        )
        self._initialise(slot, slot.pod.uid)
        self._start(slot)

    def _initialise(self, slot: Slot, uid: str) -> None:
        """The chart's init container: once a pod, not once a process (P-R1). The volume keeps its UID."""
        former = self._ran_on.get(slot.volume)
        if former is not None and self.ordered(slot.ordinal, former):
            self.on_aside(slot.name)
            self.aside[slot.volume] = self.fleet.storage.pop(slot.name)
        self._ran_on[slot.volume] = uid

    def _start(self, slot: Slot) -> None:
        self._boot(slot)
        self._started(slot)

    def _boot(self, slot: Slot) -> None:
        slot.starts += 1
        self.fleet.boot(slot.name, self._settings, restore=self.restore)

    def _started(self, slot: Slot) -> None:
        assert slot.pod is not None, "a process runs in a pod"
        slot.pod = replace(slot.pod, running=True, terminated=False, container_id=f"{slot.name}/{slot.starts}")
        self.on_started(slot.name)
        self._tell()

    def hold_down(self, name: str) -> None:
        """Whatever ends is not started again until `release`: its node is gone."""
        self.slot(name).released = trio.Event()

    def release(self, name: str) -> None:
        """The node is back."""
        self.slot(name).released.set()

    # What happens to pods

    def kill(self, name: str, *, restart_s: float | None = None) -> None:
        """The process gets SIGKILL; the kubelet notices, and starts it again in the same pod."""
        slot = self.slot(name)
        if slot.pod is None or not self.fleet.alive(name):
            return
        self.fleet.kill(name)
        wait = self._rng.uniform(0.3, 3.0) if restart_s is None else restart_s
        self._nursery.start_soon(self._restart_in_place, slot, slot.pod.uid, slot.starts, wait)

    def flash(self, name: str, told: trio.Event | None = None) -> None:
        """The process ends and another one runs at once in the same pod; the pod's status says so later, or by word."""
        slot = self.slot(name)
        if slot.pod is not None and self.fleet.alive(name):
            self.fleet.kill(name)
            self._boot(slot)
            self._nursery.start_soon(self._say_started, slot, slot.pod.uid, slot.starts, told)

    async def _say_started(self, slot: Slot, uid: str, starts: int, told: trio.Event | None) -> None:
        with trio.move_on_after(self._rng.uniform(0.05, 1.0)):
            if told is not None:
                await told.wait()
            else:
                await trio.sleep_forever()
        if slot.pod is not None and slot.pod.uid == uid and slot.starts == starts:
            self._started(slot)

    async def _restart_in_place(self, slot: Slot, uid: str, starts: int, wait: float) -> None:
        await trio.sleep(self._rng.uniform(0.05, 0.4))  # until the kubelet's status says so
        if self._same(slot, uid, starts):
            assert slot.pod is not None, "the same pod"
            slot.pod = replace(slot.pod, running=False, terminated=True)
            self._tell()
        await trio.sleep(wait)
        await slot.released.wait()
        if self._same(slot, uid, starts):
            self._start(slot)

    def _same(self, slot: Slot, uid: str, starts: int) -> bool:
        return slot.pod is not None and slot.pod.uid == uid and slot.starts == starts and slot.name in self.fleet.down

    def delete(self, name: str, *, grace_s: float = PRE_STOP_S) -> None:
        """The pod is deleted: preStop, SIGTERM, and the StatefulSet makes it again under another address."""
        slot = self.slot(name)
        if slot.pod is None or (slot.pod.deleting and grace_s):
            return
        slot.pod = replace(slot.pod, deleting=True)
        self._tell()
        self._nursery.start_soon(self._remove, slot, slot.pod.uid, grace_s)

    async def _remove(self, slot: Slot, uid: str, grace_s: float) -> None:
        await trio.sleep(grace_s)
        if slot.pod is None or slot.pod.uid != uid:
            return
        if self.fleet.alive(slot.name):
            if grace_s and not self.fleet.frozen(slot.name):
                self.fleet.stop(slot.name)
            else:
                self.fleet.kill(slot.name)
        self._hosts.pop(slot.pod.ip, None)
        slot.pod, slot.busy = None, True
        self._tell()
        await trio.sleep(self._rng.uniform(0.1, 1.0))
        await slot.released.wait()
        slot.busy = False
        if slot.ordinal < self.wanted:
            self._create(slot)

    def wipe(self, name: str) -> None:
        """The node and its volume are gone: another pod on another, empty volume."""
        slot = self.slot(name)
        self._count += 1
        if self.fleet.alive(name):
            self.fleet.wipe(name)
        else:
            self.fleet.storage.pop(name, None)
        slot.volume = f"pvc-{slot.ordinal}-{self._count}"
        self.on_wiped(name)
        if slot.pod is not None:
            self.delete(name, grace_s=0.0)

    def reuse_address(self, address: str, name: str) -> None:
        """The IP of this `ip:port` belongs to another process from now on."""
        self.aliens[address.rpartition(":")[0]] = name

    def foreign_main(self, name: str) -> None:
        """Another cluster's main starts."""
        self.fleet.foreign.add(name)
        self.fleet.boot(name, self._settings)

    def lose_power(self, name: str) -> int:
        """The node loses power and comes back: unsynced commits are gone."""
        slot = self.slot(name)
        if slot.pod is None or not self.fleet.alive(name):
            return 0
        lost = self.fleet.lose_power(name)
        self._nursery.start_soon(self._restart_in_place, slot, slot.pod.uid, slot.starts, self._rng.uniform(1.0, 4.0))
        return lost
