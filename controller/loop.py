"""observe -> plan -> act, one action at a time, for as long as this process leads."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

import anyio
import anyio.abc

from controller.act import Actor
from controller.core.absorb import absorb
from controller.core.actions import (
    Action,
    AnswerRequest,
    Demote,
    Drop,
    Mark,
    Outcome,
    Plan,
    Promote,
    Prove,
    Publish,
    Register,
)
from controller.core.election import pod_of
from controller.core.memory import Memory
from controller.core.model import Absent, Observation, Policy, Stored
from controller.core.plan import plan
from controller.core.reasons import Reason
from controller.core.status import Decision, Status, status_of
from controller.leadership import Leadership
from controller.metrics import Metrics
from controller.observe import Prober
from controller.ports import Asked, Cluster, PortError, RequestStore, StateStore, Unavailable
from sidecar.contract import logs
from sidecar.contract.state import Document

LOG: Final = logging.getLogger(__name__)
_AFTER_FAILURE_S: Final = 0.05  # a failed action is planned again; not as fast as the processor can
_EVENT_S: Final = 2.0  # an Event is a courtesy: it never holds anything up
_WARNINGS: Final = frozenset(
    {
        Reason.NO_CANDIDATE,
        Reason.PARTNER_LOST,
        Reason.PAUSED,
        Reason.REBUILD_AMBIGUOUS,
        Reason.REQUEST_REFUSED,
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
        metrics: Metrics,
        wake: Wake,
    ) -> None:
        self._identity = identity
        self._policy = policy
        self._store = store
        self._cluster = cluster
        self._requests = requests
        self._prober = prober
        self._leadership = leadership
        self._actor = actor
        self._metrics = metrics
        self._wake = wake
        self._stored: Stored | None = None
        self._asked = Asked()
        self._stale = True
        self._decision: Decision | None = None
        self._unavailable = False

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
            decision=self._decision,
            answer=self._asked.answer,
        )

    async def run(self) -> None:
        """Lead whenever the Lease says so, until cancelled."""
        async with anyio.create_task_group() as group:
            while True:
                while not self._leadership.leading:
                    await self._wake.wait(self._policy.probe_interval_s)
                await self._lead(group)

    async def _lead(self, group: anyio.abc.TaskGroup) -> None:
        memory = Memory()
        self._stored, self._decision = None, None  # of an earlier time as leader
        term: int | None = None
        async with anyio.create_task_group() as probing:
            await probing.start(self._prober.run)
            while self._leadership.leading:
                memory = await self._step(memory, group)
                if memory.term is not None and memory.term != term:
                    term = memory.term
                    self._metrics.leads(term)
                    logs.emit(LOG, "BecameLeader", term=term)
            probing.cancel_scope.cancel()
        self._metrics.leads(None)
        logs.emit(LOG, "LeadershipLost", logging.WARNING, term=term)

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
        decision = plan(observation, memory)
        self._announce(decision, observation.updated_at, group)
        if decision.action is None:
            await self._wake.wait(decision.wake_after)
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
                self._metrics.paused(self._asked.paused is not None)
            except Unavailable:
                self._stale = True
                raise
        return self._seen(self._stored)

    def _seen(self, stored: Stored) -> Observation:
        record = self._leadership.record
        return Observation(
            now=anyio.current_time(),
            updated_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            identity=self._identity,
            stored=stored,
            instances=self._prober.instances,
            replicas_wanted=self._cluster.replicas_wanted,
            lease_epoch=record.epoch if record else 0,
            lease_term=record.term if record else 0,
            request=self._asked.request,
            paused=self._asked.paused,
            policy=self._policy,
        )

    async def _act(self, decision: Plan, action: Action) -> Memory:
        outcome, said = await self._actor.execute(action)
        name = type(action).__name__
        self._metrics.acted(name, outcome)
        done = outcome is Outcome.DONE
        level = logging.INFO if done else logging.WARNING
        event = "ActionDone" if done else "ActionFailed"
        logs.emit(LOG, event, level, action=name, outcome=outcome, reason=decision.reason, said=said)
        memory = absorb(decision.memory, action, outcome, anyio.current_time())
        if not isinstance(action, (Promote, Demote, Register, Drop, Mark, Prove)):
            self._stale = True
        if isinstance(action, Publish) and done:
            self._published(action.document)
        for ordinal in _touched(action):
            await self._prober.refresh(ordinal)
        if not done:
            await self._wake.wait(_AFTER_FAILURE_S)
        return memory

    def _published(self, document: Document) -> None:
        self._metrics.published(document)
        logs.emit(
            LOG,
            "DocumentWritten",
            epoch=document.epoch,
            term=document.term,
            phase=document.phase,
            cut_kind=document.cut_kind,
            master_index=document.master_index,
            main_pod=document.main_pod,
            main_address=document.main_address,
            sync_replica=document.sync.ordinal if document.sync else None,
            reason=document.reason,
            message=document.message,
        )

    def _announce(self, decision: Plan, now: str, group: anyio.abc.TaskGroup) -> None:
        """Say a change of opinion once: in the log, as a metric, and as an Event."""
        said = self._decision
        if said is not None and (said.reason, said.message) == (decision.reason, decision.message):
            return
        self._decision = Decision(decision.reason, decision.message, now)
        self._metrics.decided(decision.reason)
        logs.emit(LOG, "OpinionChanged", reason=decision.reason, message=decision.message)
        if isinstance(decision.action, (Publish, AnswerRequest)) or decision.reason in _WARNINGS:
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
        case Promote() | Demote() | Mark() | Drop():
            return (action.on.ordinal,)
        case Register() | Prove():
            return (action.on.ordinal, action.replica.ordinal)
    return ()
