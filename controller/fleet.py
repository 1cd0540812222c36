"""Looks after every pod with a sidecar, beside the decisions and never in their way: a task of its own, leader only.

Two rhythms. Every few seconds: namespaces that were labelled get their sidecars' right to read the document. Every
minute: all their pods are read, and what people should know is said. It evicts nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import anyio

from controller.core.fleet.access import AccessPlan, is_ours, missing, plan_access
from controller.core.fleet.audit import Key, counts, due, findings
from controller.core.fleet.model import ClientAccess, FleetStatus, Labelled, PodFacts, Rules
from controller.core.fleet.pods import look_at
from controller.metrics import Metrics
from controller.ports import Conflict, FleetStore, PortError
from sidecar.contract import logs, names
from webhook.core.model import Namespace

T = TypeVar("T")
LOG: Final = logging.getLogger(__name__)
LOOK_S: Final = 5.0
"""Whoever labels a namespace and restarts its pods: the first sidecar takes about as long to start, and holds its
clients for 20 s. The answer is the labelled namespaces alone."""
AUDIT_S: Final = 60.0
"""What lacks a sidecar is a matter of minutes to people; each audit is a LIST of all their pods."""
PODS_MAX: Final = 20_000
"""In one audit: some 400 pages. A fleet that is larger is looked at in part, and the status says so."""
WRITES_MAX: Final = 50
"""RoleBindings at once: the others follow in five seconds."""
FINDINGS_MAX: Final = 100
"""In the status: people mend the first ones first, and the count says how many there are."""
_LEAST_LEASE_S: Final = 1.0
"""With less left, another one may lead soon, who has read newer lists: a right is not taken away on an old picture."""
_NOTHING: Final = FleetStatus("", False, (), {})
"""Before the first audit has ended."""


class Fleet:
    """`run` belongs in a task of its own. `remaining` is the lease in seconds."""

    def __init__(
        self,
        store: FleetStore,
        rules: Rules,
        remaining: Callable[[], float],
        metrics: Metrics,
        *,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._remaining = remaining
        self._metrics = metrics
        self._told: dict[Key, float] = {}
        self._status: FleetStatus | None = None
        self._audited = float("-inf")
        self._complaint = ""
        self._unread: tuple[str, ...] = ()

    def status(self) -> FleetStatus | None:
        """The last audit of this leader, for people."""
        return self._status if self._remaining() > 0 else None

    async def run(self) -> None:
        """Look, whenever this process leads, until cancelled."""
        while True:
            if self._remaining() > 0:
                await self.look()
            else:
                self._forget()
            await anyio.sleep(LOOK_S)

    async def look(self) -> None:
        """One look, and an audit when it is time. What goes wrong is said once, and tried again at its next time."""
        problem = ""
        try:
            if self._rules.access is ClientAccess.PER_NAMESPACE:
                await self._quick()  # first: an audit may take long, or fail each time
            if self._clock() - self._audited >= AUDIT_S:
                self._audited = self._clock()
                await self._audit()
        except PortError as error:
            problem = str(error)
        except Exception as error:  # whatever a stranger's pod brings about, failover goes on
            problem = f"a mistake of ours: {error!r}"
        problem = problem or "; ".join(self._unread)
        if problem and problem != self._complaint:
            logs.emit(LOG, "FleetNotSeen", logging.WARNING, message=problem)
        self._complaint = problem
        self._status = replace(self._status or _NOTHING, problem=problem or None)

    def _forget(self) -> None:
        self._status, self._told, self._audited, self._unread = None, {}, float("-inf"), ()
        self._metrics.fleet(None)

    async def _quick(self) -> None:
        listed = await self._store.namespaces(labelled=True)
        uid = await self._store.role_uid()
        bindings = await self._store.bindings(uid)
        ours = [n.name for n in listed.items if is_ours(n, self._rules.release)]
        await self._carry_out(missing(ours, bindings.items), uid)

    async def _audit(self) -> None:
        per_namespace = self._rules.access is ClientAccess.PER_NAMESPACE
        uid = await self._store.role_uid() if per_namespace else ""
        bindings = (await self._store.bindings(uid)).items if per_namespace else ()
        listed = await self._store.namespaces(labelled=False)
        places = await self._places(listed.items)
        by_name = places.keys()
        ours = [n.name for n in listed.items if is_ours(n, self._rules.release)]
        bound = sorted({b.namespace for b in bindings})
        pods, read = await self._pods(places, sorted({*ours, *(n for n in bound if n in by_name)}))
        if listed.complete:
            read |= {name for name in bound if name not in by_name}
        if per_namespace:
            await self._carry_out(plan_access(ours, pods, bindings, read), uid)
        complete = listed.complete and len(read & by_name) == len({*ours, *bound} & by_name)
        await self._say(pods, ours, complete, tuple(bound))

    async def _places(self, namespaces: Iterable[Labelled]) -> dict[str, Namespace]:
        """As the webhook sees them. Without LimitRanges or nodes, what they keep from a sidecar counts as missing."""
        self._unread = ()
        nothing: Mapping[str, tuple[Any, ...]] = {}
        ranges = await self._if_read("LimitRanges", self._store.limit_ranges(), nothing)
        old = await self._if_read("nodes", self._store.old_nodes(), ())
        return {n.name: Namespace(n.name, n.labels, n.annotations, ranges.get(n.name, ()), old) for n in namespaces}

    async def _if_read(self, what: str, asked: Awaitable[T], nothing: T) -> T:
        try:
            return await asked
        except PortError as error:
            self._unread += (f"{what} were not read, so pods that they keep from a sidecar count as missing ({error})",)
            return nothing

    async def _pods(self, places: dict[str, Namespace], where: list[str]) -> tuple[list[PodFacts], set[str]]:
        """Our pods, and the namespaces that were read in full."""
        release = self._rules.release
        found: dict[tuple[str, str], PodFacts] = {}
        read: set[str] = set()

        def judge(pod: Any) -> PodFacts | None:
            name = str(pod["metadata"].get("namespace"))
            return look_at(pod, places.get(name) or Namespace(name, None), release)

        # Pods may ask for the sidecar themselves, wherever they are.
        asking = (f"{names.INJECT_LABEL}={names.INJECT_ENABLED}", f"{names.CLUSTER_LABEL}={release.cluster}")
        for query in [*({"namespace": name} for name in where), *({"selector": text} for text in asking)]:
            if len(found) >= PODS_MAX:
                break
            listed = await self._store.pods(judge, most=PODS_MAX, **query)
            found |= {(pod.namespace, pod.name): pod for pod in listed.items}
            if listed.complete and "namespace" in query:
                read.add(query["namespace"])
        return list(found.values()), read

    async def _carry_out(self, plan: AccessPlan, uid: str) -> None:
        in_the_way: Conflict | None = None
        for binding in plan.remove[:WRITES_MAX]:
            if self._remaining() < _LEAST_LEASE_S:
                return
            await self._store.unbind(binding)
            logs.emit(LOG, "SidecarsUnbound", binding=binding.name)
        for namespace in plan.create[:WRITES_MAX]:
            if self._remaining() < _LEAST_LEASE_S:
                return
            try:
                await self._store.bind(namespace, uid)
            except Conflict as conflict:  # one namespace's affair: the others get theirs
                in_the_way = conflict
            else:
                logs.emit(LOG, "SidecarsBound", namespace=namespace)
        if in_the_way:
            raise in_the_way

    async def _say(self, pods: list[PodFacts], ours: list[str], complete: bool, bound: tuple[str, ...]) -> None:
        found, number = findings(pods), counts(pods)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._status = FleetStatus(at, complete, tuple(sorted(ours)), number, found[:FINDINGS_MAX], None, bound)
        self._metrics.fleet(number)
        news, self._told = due(found, self._told, self._clock())
        for finding in news:
            logs.emit(
                LOG, "SidecarFinding", logging.WARNING, namespace=finding.namespace, owner=str(finding.owner),
                health=finding.health, message=finding.message,
            )  # fmt: skip
            try:
                await self._store.record_finding(finding)
            except PortError as error:  # a namespace that is going takes no Events; the others do
                logs.emit(LOG, "FindingNotRecorded", logging.WARNING, namespace=finding.namespace, message=str(error))
