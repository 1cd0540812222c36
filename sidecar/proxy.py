"""All connections of one sidecar: where they go, who waits, and the cut.

A shell around core/route.py: it asks for a decision and carries it out. `apply` is the moment of the cut: when it
returns, no connection forwards another byte from an old upstream, except answers within a planned cut's grace.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter

import anyio.abc

from sidecar.bolt.failure import Kind
from sidecar.contract.env import ReadFallback, Settings
from sidecar.contract.logs import emit
from sidecar.contract.state import CutKind
from sidecar.core.confirm import Word
from sidecar.core.explain import explain, withheld
from sidecar.core.follow import Problem, State
from sidecar.core.route import (
    HELD_MAX,
    Admission,
    Hold,
    Loads,
    Policy,
    Port,
    Reason,
    Refuse,
    Upstream,
    Waiter,
    admit,
    change,
    route,
    tag,
)
from sidecar.core.routing_table import route_answer
from sidecar.cuts import Cut, Cuts
from sidecar.dial import Dialler
from sidecar.front import Front
from sidecar.hub import Stage
from sidecar.metrics import Metrics
from sidecar.pump import Connection
from sidecar.suspicion import Suspicion

logger = logging.getLogger(__name__)


class Proxy:
    """The hub of all connections. Single-threaded: every method runs in the event loop."""

    def __init__(self, settings: Settings, metrics: Metrics, tasks: anyio.abc.TaskGroup) -> None:
        self.state: State | None = None
        self.problem: Problem | None = None
        """What is wrong with the way to the document, for those who are refused."""
        self.stale = False
        self.rewrite = settings.rewrite
        self.confirm_after_s = settings.confirm_after_s
        self.last_version: tuple[int, int] | None = None
        self.front = Front(lambda port: Connection(self, port, time.monotonic()))
        self.suspicion = Suspicion(self._wake)
        self._settings = settings
        self._policy = Policy(settings.read_fallback, settings.on_stale)
        self._metrics = metrics
        self._dialler = Dialler(tasks, self._dial_failed)
        self._cuts = Cuts(metrics)
        self._connections: set[Connection] = set()
        self._unreachable: set[str] = set()
        self._full = False
        self._emptied = asyncio.Event()

    # ---- counts and the end ------------------------------------------------------------------------------------

    async def emptied(self) -> None:
        """Wait until no connection is left."""
        while self._connections:
            self._emptied.clear()
            await self._emptied.wait()

    def close(self) -> None:
        """End every connection."""
        for connection in list(self._connections):
            connection.close()

    def count(self, port: Port) -> int:
        """Clients connected by `port`."""
        return sum(c.port is port and c.stage is not Stage.ENDED for c in self._connections)

    @property
    def held(self) -> int:
        """Clients that wait for an upstream."""
        return sum(c.stage in (Stage.HELD, Stage.DIALLING) for c in self._connections)

    def count_bytes(self) -> None:
        """Bring the metrics up to date with what living connections have moved."""
        for connection in self._connections:
            self._take_bytes(connection)

    # ---- the document ------------------------------------------------------------------------------------------

    def apply(self, new: State) -> None:
        """Act on a new document."""
        began = time.monotonic()
        old, self.state = self.state, new
        what = change(old, new)
        old_tag = tag(old.document) if old else None
        cut = Cut(began, old_tag, new, what.cut)
        if what.cut is not None:
            self._metrics.cuts.add(what.cut.value)
            self._cut(cut, list(self._connections), what.cut)
        elif what.left:
            leaving = [c for c in self._connections if c.target is not None and c.target.address in what.left]
            self._cut(cut, [c for c in leaving if c.port is Port.READ], CutKind.FAILOVER)
        if old_tag != tag(new.document) or cut.count:
            self._cuts.add(cut)
        if old_tag != tag(new.document):
            self.suspicion.clear()
            self._unreachable.clear()
        self.front.look_for_itself(new.document)
        self._wake()

    def heard(self) -> None:
        """The API server spoke."""
        self.suspicion.heard()
        if self.stale:
            self.stale = False
            emit(logger, "FreshAgain")
            self._wake()

    def go_stale(self) -> None:
        """Nothing was heard of the API server for too long (`onStale: cut`): nobody talks to the last known main."""
        if self.stale or self.state is None:
            return
        self.stale = True
        cut = Cut(time.monotonic(), tag(self.state.document), self.state, CutKind.FAILOVER)
        self._metrics.cuts.add("stale")
        self._cut(cut, list(self._connections), CutKind.FAILOVER)
        self._metrics.connections_cut.add(by=cut.count)
        emit(logger, "Stale", logging.WARNING, connections_cut=cut.count, after_s=self._settings.stale_s)
        self._wake()

    def _cut(self, cut: Cut, connections: list[Connection], kind: CutKind) -> None:
        for connection in connections:
            if connection.stage is Stage.DIALLING:
                connection.stop_dial()
            elif connection.cut(kind, self._settings.cut_mode, self._settings.commit_grace_s):
                cut.count += 1
                if connection.stage is Stage.DRAINING:
                    cut.left.add(connection)

    # ---- routing -----------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        waiting = [c for c in self._connections if c.stage is Stage.HELD]
        for connection in sorted(waiting, key=lambda c: c.since):
            self._route(connection, len(waiting))

    def _route(self, connection: Connection, held: int | None = None) -> None:
        """`held`: how many wait, if that was counted already. It matters only beyond HELD_MAX."""
        now = time.monotonic()
        if held is None:
            held = self.held if len(self._connections) > HELD_MAX else len(self._connections)
        waiter = Waiter(
            port=connection.port,
            since=connection.since,
            hold_s=self._settings.hold_s,
            others_held=held - 1,
            dials_failed=connection.dials_failed,
            failed_at=connection.failed_at,
            failed=connection.failed,
        )
        world = Loads(self._reads(connection.port), self.suspicion.until, self.front.itself, self.stale)
        match route(self.state, waiter, now, world, self._policy):
            case Upstream() as target:
                self._dialler.dial(connection, target)
            case Hold(_, until):
                connection.hold(until - now, lambda: self._route(connection))
            case Refuse(reason, waited_for):
                self._refuse(connection, reason, waited_for)

    def _refuse(self, connection: Connection, reason: Reason, waited_for: Reason | None = None) -> None:
        self._metrics.refused.add(reason.value)
        waited = time.monotonic() - connection.since
        connection.refuse(explain(reason, waited_for, waited, self.problem))

    def _reads(self, port: Port) -> Counter[str]:
        """Read-port connections by address; of no interest to the other port."""
        if port is not Port.READ:
            return Counter()
        return Counter(c.target.address for c in self._connections if c.port is Port.READ and c.target is not None)

    def _dial_failed(self, connection: Connection, target: Upstream, error: Exception) -> None:
        self._metrics.dial_failures.add()
        if target.address not in self._unreachable:  # said once, not for each of a pool's connections
            self._unreachable.add(target.address)
            why = str(error) or type(error).__name__
            emit(logger, "DialFailed", logging.WARNING, address=target.address, message=why)
        if connection.dials_failed == 1:
            self.suspicion.suspect(target.address)
        self._route(connection)

    # ---- what connections tell ---------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)
        limit = self._settings.max_connections
        if len(self._connections) <= limit:
            self._full = False
            self._route(connection)
            return
        match admit(sum(c.stage is not Stage.ENDED for c in self._connections), limit):
            case Admission.YES:
                self._route(connection)
            case Admission.TELL:
                if not self._full:
                    self._full = True  # said once, not for each of them
                    emit(logger, Reason.TOO_MANY_CONNECTIONS.value, logging.WARNING, limit=limit)
                self._refuse(connection, Reason.TOO_MANY_CONNECTIONS)
            case Admission.CLOSE:
                self._metrics.refused.add(Reason.TOO_MANY_CONNECTIONS.value)
                connection.close()

    def dialled(self, connection: Connection, upstream: asyncio.Transport) -> None:
        if connection.stage is not Stage.DIALLING:
            upstream.abort()
            return
        if self.state is None or connection.tag != tag(self.state.document):  # P-C3
            upstream.abort()
            connection.stop_dial()
            self._route(connection)
            return
        if connection.target is not None:
            self._unreachable.discard(connection.target.address)
        if connection.waited:
            self._metrics.hold_duration.observe(time.monotonic() - connection.since)
        connection.attach(upstream)

    def routes(self, dialled: str, request: bytes) -> bytes | None:
        readable = self._policy.read_fallback is ReadFallback.MAIN or (
            self.state is not None and bool(self.state.document.read_addresses)
        )
        answer = route_answer(request, dialled, self.front.ports, readable=readable)
        if answer is not None:
            self._metrics.routes.add()
        return answer

    def upstream_lost(self, connection: Connection) -> None:
        self._doubt(connection)

    def rewrote(self, connection: Connection, kind: Kind) -> None:
        self._metrics.rewrites.add()
        if kind is not Kind.CODE and connection.target is not None:
            if connection.target.address not in self.suspicion.until:  # said once, not for each transaction
                emit(logger, kind.value, logging.WARNING, address=connection.target.address)
            self._doubt(connection)

    def confirm(self, connection: Connection) -> None:
        self.suspicion.confirm(connection)

    def is_current(self, connection: Connection) -> bool:
        return connection.tag == (tag(self.state.document) if self.state else None)

    def was_confirmed(self, connection: Connection, word: Word, took_s: float) -> None:
        self._metrics.confirmations.add(word.value)
        if word is not Word.CONFIRMED:
            emit(
                logger,
                "AcknowledgementWithheld",
                logging.WARNING,
                reason=word.value,
                address=connection.target.address if connection.target else None,
                took_ms=round(took_s * 1000, 3),
                message=withheld(word),
            )

    def _doubt(self, connection: Connection) -> None:
        """Its upstream is asked about, unless it is not the published one any more anyway."""
        if connection.target is not None and self.is_current(connection):
            self.suspicion.suspect(connection.target.address)

    def detached(self, connection: Connection) -> None:
        self.last_version = connection.session.version or self.last_version
        self._cuts.detached(connection)

    def closed(self, connection: Connection) -> None:
        self._take_bytes(connection)
        self._connections.discard(connection)
        if not self._connections:
            self._emptied.set()

    def _take_bytes(self, connection: Connection) -> None:
        port = connection.port.value
        self._metrics.bytes.add(port, "up", by=connection.bytes_up)
        self._metrics.bytes.add(port, "down", by=connection.bytes_down)
        connection.bytes_up = connection.bytes_down = 0
