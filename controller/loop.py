"""observe -> plan -> act, one action at a time, for as long as this process leads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import anyio
import anyio.abc

from controller.act import Actor
from controller.core.absorb import absorb
from controller.core.actions import (
    Action,
    AnswerRequest,
    ApplyUser,
    CloseOrder,
    Demote,
    Drop,
    Mark,
    Outcome,
    Plan,
    Promote,
    Prove,
    Publish,
    Register,
    Reseed,
)
from controller.core.election import pod_of
from controller.core.memory import Memory
from controller.core.model import Absent, Observation, Policy, ReseedOrders, Stored, Tls
from controller.core.plan import plan
from controller.core.reasons import Reason
from controller.core.status import Status, status_of
from controller.leadership import Leadership
from controller.observe import Prober
from controller.ports import Asked, Cluster, PortError, RequestStore, StateStore, Unavailable
from controller.report import Reporter
from controller.surfaces import Surfaces
from controller.users import Users
from sidecar.contract import logs

LOG: Final = logging.getLogger(__name__)
_AFTER_FAILURE_S: Final = 0.05  # a failed action is planned again; not as fast as the processor can
_LEAST_WAIT_S: Final = 0.001  # what is left of a deadline may be less than the clock can tell
_EVENT_S: Final = 2.0  # an Event is a courtesy: it never holds anything up
_WARNINGS: Final = frozenset(
    {
        Reason.CREDENTIALS_REFUSED,
        Reason.DIVERGED_REPLICA,
        Reason.DOCUMENT_WITHHELD,
        Reason.NO_CANDIDATE,
        Reason.PARTNER_LOST,
        Reason.PAUSED,
        Reason.REBUILD_AMBIGUOUS,
        Reason.REQUEST_REFUSED,
        Reason.RESEED_FAILED,
        Reason.RESEED_WITHDRAWN,
        Reason.SWITCHOVER_REFUSED,
    }
)


class Wake:
    """An event that many may set and one waits for."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        """Wake the waiter, or let its next wait end at once."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Until it is set, or this long."""
        with anyio.move_on_after(seconds):
            await self._event.wait()
        self._event = anyio.Event()


class Loop:
    """The controller's only loop. Everything it remembers is one Memory, thrown away with the leadership."""

    def __init__(
        self,
        *,
        identity: str,
        policy: Policy,
        store: StateStore,
        cluster: Cluster,
        requests: RequestStore,
        prober: Prober,
        leadership: Leadership,
        actor: Actor,
        report: Reporter,
        surfaces: Surfaces,
        wake: Wake,
        users: Users | None = None,
        tls: Callable[[], Tls] = Tls,
    ) -> None:
        self._identity = identity
        self._policy = policy
        self._store = store
        self._cluster = cluster
        self._requests = requests
        self._prober = prober
        self._leadership = leadership
        self._actor = actor
        self._report = report
        self._surfaces = surfaces
        self._wake = wake
        self._users = users
        self._tls = tls
        self._stored: Stored | None = None
        self._asked = Asked()
        self._orders = ReseedOrders()
        self._stale = True
        self._unavailable = False
        self.memory = Memory()
        """What this leader remembers; for whoever wants to look, not to change."""

    def look_again(self) -> None:
        """The document or a request may have changed."""
        self._stale = True
        self._wake.set()

    def status(self) -> Status:
        """What this process knows now, for people."""
        record = self._leadership.record
        return status_of(
            self._seen(self._stored or Absent()),
            pod_of(record.holder) if record else None,
            leading=self._leadership.leading,
            decision=self._report.decision,
            answer=self._asked.answer,
            memory=self.memory,
        )

    async def run(self) -> None:
        """Lead whenever the Lease says so, until cancelled."""
        async with anyio.create_task_group() as group:
            while True:
                while not self._leadership.leading:
                    await self._wake.wait(self._policy.probe_interval_s)
                await self._lead(group)

    async def _lead(self, group: anyio.abc.TaskGroup) -> None:
        self.memory = Memory()
        self._stored = None  # what is known of it is of an earlier time as leader
        self._report.begin()
        async with anyio.create_task_group() as probing:
            await probing.start(self._prober.run)
            if self._users is not None:
                probing.start_soon(self._users.run, lambda: self._prober.instances)
            while self._leadership.leading:
                self.memory = await self._step(self.memory, group)
                self._report.term(self.memory.term)
            probing.cancel_scope.cancel()
        self._surfaces.look(None)
        self._report.end()

    async def _step(self, memory: Memory, group: anyio.abc.TaskGroup) -> Memory:
        try:
            observation = await self._observe()
        except Unavailable as error:
            # Without the API server nothing may be decided: what is published stays true for the sidecars.
            if not self._unavailable:
                logs.emit(LOG, "ApiServerUnavailable", logging.WARNING, message=str(error))
            self._unavailable = True
            await self._wake.wait(self._policy.probe_interval_s)
            return memory
        self._unavailable = False
        if not observation.replicas_wanted:
            await self._wake.wait(self._policy.probe_interval_s)  # the StatefulSet was not read yet
            return memory
        self._surfaces.look(observation)
        decision = plan(observation, memory)
        self._announce(observation, decision, group)
        if decision.list_pods:
            self._cluster.look_again()
        if decision.action is None:
            await self._wake.wait(max(decision.wake_after, _LEAST_WAIT_S))
            for ordinal in decision.ask:
                await self._prober.refresh(ordinal)
            return decision.memory
        return await self._act(decision, decision.action)

    async def _observe(self) -> Observation:
        if self._stale or self._stored is None:
            self._stale = False
            try:
                self._stored = await self._store.read()
                self._asked = await self._requests.read()
                self._orders = await self._cluster.reseed_orders()
            except Unavailable:
                self._stale = True
                raise
            self._report.paused(self._asked.paused is not None)
        return self._seen(self._stored)

    def _seen(self, stored: Stored) -> Observation:
        record, instances, wall = self._leadership.record, self._prober.instances, datetime.now(UTC)
        return Observation(
            now=anyio.current_time(),
            updated_at=wall.isoformat(timespec="milliseconds"),
            identity=self._identity,
            stored=stored,
            instances=self._users.seen(instances) if self._users else instances,
            replicas_wanted=self._cluster.replicas_wanted,
            lease_epoch=record.epoch if record else 0,
            lease_term=record.term if record else 0,
            other_controllers=self._cluster.other_controllers,
            request=self._asked.request,
            paused=self._asked.paused,
            users=self._users.wanted if self._users else None,
            orders=self._orders,
            tls=self._tls(),
            unix_s=wall.timestamp(),
            pods_listed_at=self._cluster.listed_at,
            policy=self._policy,
        )

    async def _act(self, decision: Plan, action: Action) -> Memory:
        outcome, said = await self._actor.execute(action)
        self._report.acted(decision, action, outcome, said, anyio.current_time())
        memory = absorb(decision.memory, action, outcome, anyio.current_time())
        if not isinstance(action, (Promote, Demote, Register, Drop, Mark, Prove, ApplyUser)):
            self._stale = True
        for ordinal in _touched(action):
            await self._prober.refresh(ordinal)
        if outcome is not Outcome.DONE:
            await self._wake.wait(_AFTER_FAILURE_S)
        return memory

    def _announce(self, observation: Observation, decision: Plan, group: anyio.abc.TaskGroup) -> None:
        """Say a change of opinion once: in the log, as a metric, and as an Event."""
        if not self._report.decided(observation, decision):
            return
        if isinstance(decision.action, (Publish, AnswerRequest, Reseed, CloseOrder)) or decision.reason in _WARNINGS:
            group.start_soon(self._record_event, decision.reason, decision.message)

    async def _record_event(self, reason: Reason, message: str) -> None:
        try:
            with anyio.move_on_after(_EVENT_S):
                await self._cluster.record_event(reason, message, warning=reason in _WARNINGS)
        except PortError as error:
            logs.emit(LOG, "EventNotRecorded", logging.WARNING, reason=reason, message=str(error))


def _touched(action: Action) -> tuple[int, ...]:
    """The instances whose answers the action made old."""
    match action:
        case Promote() | Demote() | Mark() | Drop() | ApplyUser():
            return (action.on.ordinal,)
        case Register() | Prove():
            return (action.on.ordinal, action.replica.ordinal)
    return ()
