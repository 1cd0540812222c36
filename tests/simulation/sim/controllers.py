"""One controller process: the product's own loop, actor, prober and leadership, wired to the simulated world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import anyio
import trio

from controller.act import Actor
from controller.core.actions import Action, Outcome
from controller.core.election import Timings
from controller.core.memory import Memory
from controller.core.model import Pod, Policy, Shown
from controller.leadership import Leadership
from controller.loop import Loop, Wake
from controller.metrics import Metrics
from controller.observe import Prober
from controller.ports import PodFaces
from controller.report import Reporter
from controller.surfaces import Surfaces
from sidecar.contract.state import Document
from sim import ports
from sim.apiserver import ApiServer
from sim.instances import Fleet
from sim.network import Network
from sim.pods import Pods

TIMINGS: Final = Timings()


class Stage:
    """What a controller needs of the world."""

    def __init__(self, fleet: Fleet, pods: Pods, api: ApiServer, network: Network, policy: Policy) -> None:
        self.fleet = fleet
        self.pods = pods
        self.api = api
        self.network = network
        self.policy = policy
        self.ready: set[str] = set()
        """Controllers whose pod the API server calls ready; one that sleeps still is."""
        self.sent: ports.Checked = lambda _who, _name, _query: None
        self.arrived: ports.Checked = lambda _who, _name, _query: None
        self.event: Callable[[str, str, str], None] = lambda _who, _reason, _message: None
        self.acted: Callable[[str, Action, Outcome], None] = lambda _who, _action, _outcome: None


class _NoFaces(PodFaces):
    """Nobody looks at what pods show: readiness decides nothing in the protocol, and `run` is never started."""

    async def show(self, pod: Pod, shown: Shown) -> None:
        """Not called."""


class _WatchedActor(Actor):
    """The product's actor; the world hears of each action."""

    def hear(self, who: str, acted: Callable[[str, Action, Outcome], None]) -> None:
        self._who, self._acted = who, acted

    async def execute(self, action: Action) -> tuple[Outcome, str]:
        outcome, said = await super().execute(action)
        self._acted(self._who, action, outcome)
        return outcome, said


class Controller:
    """A pod that always runs a controller; its process may be killed, stopped, or frozen with its clock."""

    def __init__(self, name: str, stage: Stage, nursery: trio.Nursery) -> None:
        self.name = name
        self.stage = stage
        self.leadership: Leadership | None = None
        self.loop: Loop | None = None
        self.processes = 0
        self._nursery = nursery
        self._scope: trio.CancelScope | None = None
        self._behind = 0.0
        self._frozen_at: float | None = None

    def clock(self) -> float:
        """This process' monotonic clock: it misses the time that a frozen virtual machine slept."""
        now = self._frozen_at if self._frozen_at is not None else trio.current_time()
        return now - self._behind

    def start(self) -> None:
        """Start the process."""
        if self._scope is None:
            self.processes += 1
            self._scope = trio.CancelScope()
            self.stage.ready.add(self.name)
            self._nursery.start_soon(self._run, self._scope)

    def kill(self) -> None:
        """SIGKILL: the Lease is not released."""
        if self._scope is not None:
            self._scope.cancel()
            self._scope = None
            self.stage.ready.discard(self.name)
        self.stage.network.resume(self.name)
        self._frozen_at = None

    async def terminate(self) -> None:
        """SIGTERM: the Lease is released."""
        leadership = self.leadership
        self.kill()
        if leadership is not None:
            await leadership.release()

    def freeze(self) -> None:
        """The virtual machine sleeps, and its monotonic clock with it."""
        if self._frozen_at is None:
            self._frozen_at = trio.current_time()
        self.stage.network.stop(self.name)

    def thaw(self) -> None:
        """It wakes, and has not noticed."""
        if self._frozen_at is not None:
            self._behind += trio.current_time() - self._frozen_at
            self._frozen_at = None
        self.stage.network.resume(self.name)

    @property
    def leads(self) -> bool:
        """Whether it believes that it leads."""
        return self._scope is not None and self.leadership is not None and self.leadership.leading

    @property
    def memory(self) -> Memory | None:
        """What its loop remembers, while it leads."""
        return self.loop.memory if self.loop is not None else None

    async def _run(self, scope: trio.CancelScope) -> None:
        with scope:
            stage, wake = self.stage, Wake()
            database = ports.Database(stage.fleet, stage.pods, stage.network, self.name, stage.sent, stage.arrived)
            store = ports.StateStore(stage.api, self.name)
            cluster = ports.Cluster(
                stage.api, stage.pods, stage.network, self.name, lambda r, m: stage.event(self.name, r, m), stage.ready
            )
            requests = ports.RequestStore(stage.api, self.name)
            lease = ports.LeaseStore(stage.api, self.name)
            holder = f"{self.name}_{self.processes}"
            leadership = Leadership(lease, holder, TIMINGS, wake.set, clock=self.clock)
            prober = Prober(database, stage.policy.probe_interval_s, wake.set)

            def published(document: Document) -> None:
                leadership.published(document.epoch, document.term)

            actor = _WatchedActor(database, store, cluster, requests, prober, leadership, published)
            actor.hear(self.name, stage.acted)
            loop = Loop(
                identity=self.name,
                policy=stage.policy,
                store=store,
                cluster=cluster,
                requests=requests,
                prober=prober,
                leadership=leadership,
                actor=actor,
                report=Reporter(Metrics()),
                surfaces=Surfaces(_NoFaces(), leadership.remaining),
                wake=wake,
            )
            self.leadership, self.loop = leadership, loop

            def look_again(_kind: str, _body: bytes) -> None:
                loop.look_again()

            stage.pods.watchers.append(cluster.notify)
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(cluster.watch, prober.pods_changed)
                    for name in (ports.STATE, ports.REQUESTS):
                        group.start_soon(stage.api.follow, self.name, name, look_again)
                    group.start_soon(leadership.campaign)
                    group.start_soon(loop.run)
            finally:
                stage.pods.watchers.remove(cluster.notify)
