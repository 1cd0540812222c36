"""One simulated world: instances, API server, controllers, client pods, all under virtual time and one seed."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import trio

from controller.core.model import OnNoSyncReplica, Policy
from sandbox.memgraph.core.instance import Role, Settings
from sandbox.memgraph.core.storage.durability import Limits
from sidecar.contract.state import CutKind, Phase, decode, encode
from sidecar.core.follow import State
from sim.apiserver import ApiServer
from sim.clients import Client
from sim.controllers import Controller, Stage
from sim.instances import Fleet
from sim.network import Network
from sim.pods import Pods
from sim.ports import LEASE, REQUESTS, STATE
from sim.probes import Situation
from sim.sidecars import Sidecar
from sim.truth import Truth

BOOTSTRAP_S = 30.0
"""A fresh cluster serves, protected, within this."""
HEAL_S = 90.0
"""After the last fault everything is well again within this: the longest back-off and timeouts of Memgraph together."""


@dataclass(frozen=True)
class Shape:
    """What is drawn before a run begins."""

    instances: int = 3
    controllers: int = 2
    clients: int = 2
    pause_s: float = 0.15
    block: bool = False
    flush_every: int = 1
    restore: bool = False
    size: str = field(default="")


class World:
    """Everything, and the verbs that scenarios are made of."""

    def __init__(self, shape: Shape, seed: int, nursery: trio.Nursery, log: Callable[[str, str], None]) -> None:
        self.rng = random.Random(seed)
        self.shape = shape
        self.nursery = nursery
        self.log = log
        self.network = Network(self.rng)
        self.fleet = Fleet(self.network)
        settings = Settings(
            restore_replication_state=shape.restore, files=Limits(flush_every=shape.flush_every, snapshot_on_exit=False)
        )
        self.pods = Pods(self.fleet, nursery, self.rng, settings)
        self.pods.restore = shape.restore
        self.api = ApiServer(self.network, nursery, self.rng)
        policy = Policy(
            wal_flush_every=shape.flush_every,
            on_no_sync_replica=OnNoSyncReplica.BLOCK if shape.block else OnNoSyncReplica.SERVE,
        )
        self.truth = Truth(self.fleet, self.pods, self.api, self.network, block=shape.block, log=log)
        stage = Stage(self.fleet, self.pods, self.api, self.network, policy)
        stage.sent, stage.arrived, stage.acted = self.truth.sent, self.truth.arrived, self.truth.acted
        stage.event, stage.lost_answer = self.truth.event, self.truth.lost_answer
        self.controllers = [Controller(f"c-{i}", stage, nursery) for i in range(shape.controllers)]
        self.truth.controllers = {c.name: c for c in self.controllers}
        self.sidecars = [
            Sidecar(f"s-{i}", self.fleet, self.pods, self.api, self.network, nursery) for i in range(shape.clients)
        ]
        for sidecar in self.sidecars:
            sidecar.on_applied = self._applied
        self.clients = [Client(s, self.rng, shape.pause_s, self.truth.acked) for s in self.sidecars]
        self.truth.clients = self.clients
        for client in self.clients:
            client.on_read_port_write = self.truth.read_port_wrote
        self.api.watchers.append(self.truth.changed)
        self.pods.ordered, self.pods.on_aside = self.truth.reseed_ordered, self.truth.moved_aside
        self.pods.on_wiped = lambda name: self.truth.wiped_at.__setitem__(name, trio.current_time())
        self.fleet.died = self._died
        self.quiet_since = 0.0
        self.undisturbed = False
        """Whether nothing but the scenario goes wrong: then it may be strict."""

    def _died(self, name: str) -> None:
        self.log(name, "process ended")
        self.truth.died(name)
        for sidecar in self.sidecars:
            sidecar.process_died(name)

    def _applied(self, sidecar: Sidecar, old: State | None, new: State) -> None:
        self.truth.follows(sidecar, old, new)
        self.truth.acts_on(sidecar.name, old, new)

    async def start(self, *, controllers: bool = True) -> None:
        """Start everything at once, and wait until it serves; without controllers nothing ever does."""
        nursery = self.nursery
        nursery.start_soon(self.fleet.pump)
        self.pods.scale(self.shape.instances)
        for sidecar in self.sidecars:
            nursery.start_soon(self.api.follow, sidecar.name, STATE, sidecar.learn)
        for controller in self.controllers if controllers else ():
            controller.start()
        for index, client in enumerate(self.clients):
            nursery.start_soon(client.run)
            if index == 0:
                nursery.start_soon(client.misuse_read_port)
        if controllers:
            await self.until(lambda: self.truth.unsettled(0.0) is None, BOOTSTRAP_S, "the bootstrap")

    def reuse_address(self, address: str, name: str) -> None:
        """This `ip:port` is another process' from now on; connections to the former one are reset."""
        self.pods.reuse_address(address, name)
        for sidecar in self.sidecars:
            gone = [c for c in sidecar.connections if c.upstream.address == address and c.name != name]
            for connection in sorted(gone, key=lambda c: c.port.value):
                connection.upstream_lost()

    def name_last_main(self, name: str) -> None:
        """A person writes the document: this instance was the last main, whatever it holds."""
        item, slot = self.api.objects[STATE], self.pods.slot(name)
        old = decode(item.data)
        assert slot.pod is not None, "a running instance is named"
        document = replace(
            old,
            epoch=old.epoch + 1,
            phase=Phase.CUT,
            cut_kind=CutKind.FAILOVER,
            master_index=slot.ordinal,
            main_pod=name,
            main_uid=slot.pod.uid,
            main_address=slot.pod.bolt_address,
            main_volume=slot.volume,
            database_uuid=self.fleet.instances[name].database_uuid,
            sync=None,
            read_addresses=(),
        )
        self.truth.restoring = True
        self.api.put(STATE, encode(document), str(item.version))
        self.truth.restoring = False

    # Waiting

    async def until(self, condition: Callable[[], bool], seconds: float, what: str, *, every: float = 0.02) -> bool:
        """Wait for a condition, looked at every 20 ms; False (and said) if it does not come true in time."""
        deadline = trio.current_time() + seconds
        while not condition():
            if trio.current_time() >= deadline:
                self.log("-", f"waited {seconds:g} s for {what}, in vain")
                return False
            await trio.sleep(every)
        return True

    async def settle(self, seconds: float = HEAL_S) -> None:
        """The liveness check: everything is well again within this time."""
        since = trio.current_time()

        def well() -> bool:
            return self.truth.unsettled(since) is None

        await self.until(lambda: well() or self.truth.person_asked, seconds, "everything to be well")
        if not well() and (self.truth.person_asked or self.truth.nobody_left):
            await self.decide()
        if not await self.until(well, seconds, "everything to be well"):
            self.truth.wrong(f"not healed after {seconds:g} s: {self.truth.unsettled(since)}")

    async def decide(self) -> None:
        """The controller stopped and asked (P-B1, P-F3): a person looks at the instances, and says who becomes main."""
        self.truth.probes[Situation.PERSON_ASKED] += 1
        if not self.truth.tampered and not (self.truth.nobody_left and self.truth.wiped_at):
            self.truth.wrong("the controller asks a person, and nobody has touched the document or a volume (P-B1)")
        await trio.sleep(1.0)
        able = [name for name in self.names() if self.fleet.alive(name) and not self.fleet.frozen(name)]
        best = max(able, key=lambda name: (self.truth.marker(name), len(self.truth.ids(name)), name))
        self.log("-", f"A PERSON promotes {best}")
        self.truth.accepted_at = trio.current_time()
        self.ask("promote", f"{best.rpartition('-')[2]} accept-data-loss")

    def ask(self, key: str, value: str) -> None:
        """A person asks the controller for something."""
        item = self.api.objects.get(REQUESTS)
        data, version = (item.data, str(item.version)) if item else ({}, None)
        self.api.put(REQUESTS, {**data, key: value}, version, item.annotations if item else None)

    async def at(self, condition: Callable[[], bool], what: str, seconds: float = 20.0) -> bool:
        """`until`, to the millisecond: for what is over soon."""
        return await self.until(condition, seconds, what, every=0.001)

    def reinstall(self) -> None:
        """A person uninstalls the release and removes every volume; client pods live on. Start controllers after it."""
        self.log("-", "FAULT everything is installed anew on fresh volumes")
        for controller in self.controllers:
            controller.kill()
        self.truth.wiped_by_order()
        for name in (STATE, LEASE):
            self.api.remove(name)
        for name in self.names():
            self.pods.wipe(name)

    async def must(self, condition: Callable[[], bool], seconds: float, what: str) -> bool:
        """`until`, and a violation if it does not come true; not if a random fault is about, too."""
        met = await self.until(condition, seconds, what)
        if not met and self.undisturbed:
            self.truth.wrong(f"not within {seconds:g} s: {what}")
        return met

    # Who is who

    @property
    def main(self) -> str:
        """The published main."""
        document = self.truth.document()
        return f"m-{document.master_index}" if document else "m-0"

    @property
    def partner(self) -> str | None:
        """The recorded partner."""
        document = self.truth.document()
        return f"m-{document.sync.ordinal}" if document and document.sync else None

    @property
    def registration(self) -> str | None:
        """The registration under which the recorded partner was proven."""
        document = self.truth.document()
        return document.sync.registration if document and document.sync else None

    @property
    def cut(self) -> CutKind | None:
        """How the clients are cut, if they are."""
        document = self.truth.document()
        return document.cut_kind if document else None

    @property
    def epoch(self) -> int:
        """The published epoch; -1 without a document."""
        document = self.truth.document()
        return document.epoch if document else -1

    def is_main(self, name: str) -> bool:
        """Whether this instance runs and says that it is main, whoever is published."""
        return self.fleet.alive(name) and self.fleet.instances[name].role is Role.MAIN

    @property
    def leader(self) -> Controller:
        """The controller that believes it leads; the first one if none does."""
        return next((c for c in self.controllers if c.leads), self.controllers[0])

    def names(self) -> list[str]:
        """All instances."""
        return [slot.name for slot in self.pods.slots.values()]

    def others(self) -> list[str]:
        """Everybody who talks to instances, but the instances."""
        return [c.name for c in self.controllers] + [s.name for s in self.sidecars]


Scenario = Callable[[World], Awaitable[None]]


@contextmanager
def silent_logs() -> Iterator[None]:
    """The product's log lines are for people; the simulation has its own."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
