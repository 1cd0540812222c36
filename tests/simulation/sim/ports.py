"""The controller's ports onto the simulated world. Everything a real adapter would do, and nothing it would not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import trio

from controller.core.actions import AnswerRequest
from controller.core.election import LeaseRecord
from controller.core.model import Absent, Found, Malformed, Pod, ReseedOrder, ReseedOrders, Stored
from controller.core.orders import from_data, to_data
from controller.core.requests import answer_text, first, read_answer
from controller.ports import Asked, Conflict, LostAnswer, Refused, Rejected, Silent
from sandbox.memgraph.core.errors import QueryError
from sidecar.contract import names
from sidecar.contract.state import Document, MalformedDocument, decode, encode
from sim.apiserver import ApiServer, Object
from sim.instances import Fleet, ProcessDied
from sim.network import Network
from sim.pods import PRE_STOP_S, Pods

STATE = "memgraph-ha-state"
LEASE = "memgraph-ha-controller"
REQUESTS = "memgraph-ha-requests"
ORDERS = "memgraph-ha-reseed"


class StateStore:
    """ports.StateStore."""

    def __init__(self, api: ApiServer, who: str, lost_answer: Callable[[str], None]) -> None:
        self._api = api
        self._who = who
        self._lost_answer = lost_answer

    async def read(self) -> Stored:
        """What is stored now."""
        return await self._api.call(self._who, lambda: stored(self._api.objects.get(STATE)), writes=False)

    async def write(self, document: Document, resource_version: str | None) -> None:
        """Compare-and-swap."""
        data = encode(document)
        self._api.about_to_write(self._who, document)
        try:
            await self._api.call(self._who, lambda: self._api.put(STATE, data, resource_version), writes=True)
        except LostAnswer:
            self._lost_answer(self._who)
            raise


def stored(item: Object | None) -> Stored:
    """The object as controller/kube/state.py reads it."""
    if item is None:
        return Absent()
    try:
        return Found(decode(item.data), str(item.version), item.uid)
    except MalformedDocument as error:
        text = item.data.get("epoch", "")
        return Malformed(error.problems, str(item.version), int(text) if text.isdigit() else 0)


class RequestStore:
    """ports.RequestStore."""

    def __init__(self, api: ApiServer, who: str) -> None:
        self._api = api
        self._who = who

    async def read(self) -> Asked:
        """What is asked now."""
        item = await self._api.call(self._who, lambda: self._api.objects.get(REQUESTS), writes=False)
        if item is None:
            return Asked()
        answer = read_answer(item.annotations.get(names.ANSWER_ANNOTATION, ""))
        return Asked(first(item.data), item.annotations.get(names.PAUSED_ANNOTATION), answer)

    async def answer(self, action: AnswerRequest) -> None:
        """Take the key away, store the answer and the pause, as controller/kube/requests.py does."""
        item = await self._api.call(self._who, lambda: self._api.objects.get(REQUESTS), writes=False)
        data = dict(item.data) if item is not None else {}
        if item is None or data.pop(action.answer.request, None) != action.answer.value:
            raise Conflict("the request changed meanwhile")
        notes = {**item.annotations, names.ANSWER_ANNOTATION: answer_text(action.answer)}
        notes.pop(names.PAUSED_ANNOTATION, None)
        if action.paused is not None:
            notes[names.PAUSED_ANNOTATION] = action.paused
        version = str(item.version)
        await self._api.call(self._who, lambda: self._api.put(REQUESTS, data, version, notes), writes=True)


class LeaseStore:
    """ports.LeaseStore."""

    def __init__(self, api: ApiServer, who: str) -> None:
        self._api = api
        self._who = who

    async def read(self) -> LeaseRecord | None:
        """The record now."""
        return await self._api.call(self._who, lambda: _record(self._api.objects.get(LEASE)), writes=False)

    async def write(self, record: LeaseRecord, *, create: bool) -> LeaseRecord:
        """Compare-and-swap."""
        data = {
            "holder": record.holder,
            "duration": str(record.duration_s),
            "transitions": str(record.transitions),
            "epoch": str(record.epoch),
            "term": str(record.term),
        }
        version = None if create else record.resource_version
        written = await self._api.call(
            self._who,
            lambda: _record(self._api.put(LEASE, {**data, "renewed": str(trio.current_time())}, version)),
            writes=True,
        )
        assert written is not None, "what was just written is there"
        return written


def _record(item: Object | None) -> LeaseRecord | None:
    if item is None:
        return None
    data = item.data
    return LeaseRecord(
        holder=data["holder"],
        duration_s=float(data["duration"]),
        transitions=int(data["transitions"]),
        resource_version=str(item.version),
        renewed=data["renewed"],
        epoch=int(data["epoch"]),
        term=int(data["term"]),
    )


PodsChanged = Callable[[Mapping[int, Pod], int], Awaitable[None]]


class Cluster:
    """ports.Cluster. Run `watch` in a task group: news of pods arrives late, and not at all through a cut link."""

    def __init__(
        self,
        api: ApiServer,
        pods: Pods,
        network: Network,
        who: str,
        record: Callable[[str, str], None],
        ready: set[str],
    ) -> None:
        self._api = api
        self._ready = ready
        self._source = pods
        self._network = network
        self._who = who
        self._record = record
        self._pods: dict[int, Pod] = {}
        self._wanted = 0
        self._news = trio.Event()
        self._listed_at = 0.0
        self._watch: trio.CancelScope | None = None

    @property
    def pods(self) -> Mapping[int, Pod]:
        """Ordinal -> pod, as the watch last said."""
        return self._pods

    @property
    def replicas_wanted(self) -> int:
        """spec.replicas."""
        return self._wanted

    @property
    def other_controllers(self) -> int:
        """How many other controllers are ready, as the API server has it."""
        return len(self._ready - {self._who})

    @property
    def listed_at(self) -> float:
        """When the pods were last listed."""
        return self._listed_at

    def look_again(self) -> None:
        """End the watch under way, be it that its connection hangs."""
        if self._watch is not None:
            self._watch.cancel()

    def notify(self) -> None:
        """The API server's picture changed."""
        self._news.set()

    async def watch(self, changed: PodsChanged) -> None:
        """Follow the pods until cancelled."""
        while True:
            await self._network.connected(self._who, "api")
            await trio.sleep(self._network.latency() + 0.002)
            await self._network.running(self._who)
            self._news = trio.Event()
            if self._network.connects(self._who, "api"):
                self._pods, self._wanted = self._source.picture(), self._source.wanted
                self._listed_at = trio.current_time()
                await changed(self._pods, self._wanted)
                with trio.CancelScope() as self._watch:
                    await self._news.wait()
                    await self._network.watching(self._who)

    async def delete_pod(self, pod: Pod, *, graceful: bool = False) -> None:
        """Delete this very pod with grace 0, or with its own."""

        def operation() -> None:
            current = self._source.picture().get(int(pod.name.rpartition("-")[2]))
            if current is None or current.uid != pod.uid:
                raise Conflict("another pod by now")
            self._source.delete(pod.name, grace_s=PRE_STOP_S if graceful else 0.0)

        await self._api.call(self._who, operation, writes=True)

    async def reseed_orders(self) -> ReseedOrders:
        """The open re-seed order."""
        item = await self._api.call(self._who, lambda: self._api.objects.get(ORDERS), writes=False)
        return ReseedOrders(from_data(item.data), str(item.version)) if item else ReseedOrders()

    async def write_reseed_order(self, order: ReseedOrder | None, resource_version: str | None) -> None:
        """Compare-and-swap."""
        data = to_data(order)
        await self._api.call(self._who, lambda: self._api.put(ORDERS, data, resource_version), writes=True)

    async def record_event(self, reason: str, message: str, *, warning: bool) -> None:
        """A Kubernetes Event."""
        await self._api.call(self._who, lambda: self._record(reason, message), writes=True)


Checked = Callable[[str, str, str], None]
"""(who, instance, query): called for each command at the moment it is sent."""


class Database:
    """ports.Database: Bolt to the instances, as the neo4j driver shows it to controller/memgraph.py."""

    def __init__(self, fleet: Fleet, pods: Pods, network: Network, who: str, sent: Checked, arrived: Checked) -> None:
        self._fleet = fleet
        self._pods = pods
        self._network = network
        self._who = who
        self._sent = sent
        self._arrived = arrived

    async def run(
        self, address: str, query: str, parameters: Mapping[str, Any] | None = None, *, timeout: float
    ) -> list[dict[str, Any]]:
        """One statement. Raises Refused, Silent, Rejected."""
        command = not query.startswith("SHOW")
        name = self._pods.host(address)
        if command:
            self._sent(self._who, name or "", query)
        await self._network.running(self._who)
        silent = Silent(f"{address} did not answer within {timeout:g} s")
        try:
            with anyio.fail_after(timeout):
                if name is None or not self._network.passes(self._who, name):
                    await trio.sleep_forever()
                await trio.sleep(self._network.latency())
                if not self._fleet.alive(name):
                    raise Refused(f"{address} refuses connections")
                if command:
                    self._arrived(self._who, name, query)
                rows = await self._fleet.statement(name, query, parameters or {})
                if not self._network.passes(name, self._who):
                    await trio.sleep_forever()
                await trio.sleep(self._network.latency())
        except TimeoutError as error:
            raise silent from error
        except QueryError as error:
            if not self._network.passes(name or "", self._who):
                raise silent from error
            raise Rejected(error.message) from error
        except ProcessDied as error:
            raise Refused(f"{address} refuses connections") from error
        await self._network.running(self._who)
        return rows

    async def connects(self, host: str, port: int, *, timeout: float) -> bool:
        """Whether something accepts a TCP connection there."""
        await self._network.running(self._who)
        name = self._pods.host(f"{host}:{port}")
        if name is None or not self._network.connects(self._who, name):
            await trio.sleep(timeout)
            return False
        await trio.sleep(self._network.latency() * 2)
        return self._fleet.alive(name) and self._fleet.instances[name] in self._fleet.listening

    async def forget(self, address: str) -> None:
        """Nothing is pooled here."""
