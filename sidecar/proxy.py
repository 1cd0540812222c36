"""All connections of one sidecar: where they go, who waits, and the cut.

A shell around core/route.py: it asks for a decision and carries it out. `apply` is the moment of the cut: when it
returns, no connection forwards another byte from an old upstream, except answers within a planned cut's grace.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import anyio
import anyio.abc

from sidecar.contract.env import Settings
from sidecar.contract.logs import emit
from sidecar.contract.state import CutKind
from sidecar.core.follow import State
from sidecar.core.route import SUSPECT_S, Hold, Loads, Port, Reason, Refuse, Tag, Upstream, Waiter, change, route, tag
from sidecar.listen import BACKLOG
from sidecar.metrics import Metrics
from sidecar.pump import Connection, Stage, Upward

DIAL_S: Final = 3.0
"""A pod on the same network answers in milliseconds; the node that vanished never does."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Cut:
    """One change under way: which connections still have to end before it is done."""

    began: float
    old: Tag | None
    new: State
    kind: CutKind | None
    count: int = 0
    left: set[Connection] = field(default_factory=set)


class Proxy:
    """The hub of all connections. Single-threaded: every method runs in the event loop."""

    def __init__(self, settings: Settings, metrics: Metrics, tasks: anyio.abc.TaskGroup) -> None:
        self.state: State | None = None
        self._settings = settings
        self._metrics = metrics
        self._tasks = tasks
        self._connections: set[Connection] = set()
        self._cuts: list[Cut] = []
        self._suspects: dict[str, float] = {}
        self._unreachable: set[str] = set()
        self._suspicion = asyncio.Event()
        self._emptied = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._last_version: tuple[int, int] | None = None
        self._tls: tuple[str, ssl.SSLContext] | None = None

    # ---- listening ---------------------------------------------------------------------------------------------

    async def listen(self, port: Port, sockets: list[socket.socket]) -> None:
        """Accept clients of `port` from now on."""
        loop = asyncio.get_running_loop()
        for one in sockets:
            server = await loop.create_server(
                lambda: Connection(self, port, time.monotonic()), sock=one, backlog=BACKLOG
            )
            self._servers.append(server)

    @property
    def listening(self) -> bool:
        """Whether clients are accepted."""
        return bool(self._servers)

    def stop_accepting(self) -> None:
        """Close the listeners; connections live on."""
        for server in self._servers:
            server.close()
        self._servers = []

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
            self._cuts.append(cut)
            self._finish_cuts()
        if old_tag != tag(new.document):
            self._suspects.clear()
            self._unreachable.clear()
        self._wake()

    def _cut(self, cut: Cut, connections: list[Connection], kind: CutKind) -> None:
        for connection in connections:
            if connection.stage is Stage.DIALLING:
                self._stop_dial(connection)
            elif connection.cut(kind, self._settings.commit_grace_s):
                cut.count += 1
                if connection.stage is Stage.DRAINING:
                    cut.left.add(connection)

    def _stop_dial(self, connection: Connection) -> None:
        cancel, connection.cancel_dial = connection.cancel_dial, None
        connection.stage = Stage.HELD
        connection.target = None
        if cancel is not None:
            cancel()

    def _finish_cuts(self) -> None:
        """Report the cuts of which no connection is left."""
        done = [cut for cut in self._cuts if not cut.left]
        self._cuts = [cut for cut in self._cuts if cut.left]
        for cut in done:
            seconds = time.monotonic() - cut.began
            self._metrics.connections_cut.add(by=cut.count)
            if cut.kind is not None:
                self._metrics.cut_duration.observe(seconds)
            document = cut.new.document
            emit(
                logger,
                "RouteChanged" if cut.old != tag(document) else "ReadAddressesChanged",
                old_epoch=cut.old.epoch if cut.old else None,
                new_epoch=document.epoch,
                phase=document.phase.value,
                cut_kind=cut.kind.value if cut.kind else None,
                old_main=cut.old.main_address if cut.old else None,
                main=document.main_address,
                connections_cut=cut.count,
                duration_ms=round(seconds * 1000, 3),
            )

    # ---- routing -----------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        waiting = [c for c in self._connections if c.stage is Stage.HELD]
        for connection in sorted(waiting, key=lambda c: c.since):
            self._route(connection, len(waiting))

    def _route(self, connection: Connection, held: int | None = None) -> None:
        now = time.monotonic()
        waiter = Waiter(
            port=connection.port,
            since=connection.since,
            hold_s=self._settings.hold_s,
            others_held=(self.held if held is None else held) - 1,
            dials_failed=connection.dials_failed,
            failed_at=connection.failed_at,
            failed=connection.failed,
        )
        match route(self.state, waiter, now, Loads(self._reads(connection.port), self._suspects)):
            case Upstream() as target:
                self._dial(connection, target)
            case Hold(_, until):
                connection.hold(until - now, lambda: self._route(connection))
            case Refuse(reason, waited_for):
                self._metrics.refused.add(reason.value)
                connection.refuse(_explain(reason, waited_for, now - connection.since), self._last_version)

    def _reads(self, port: Port) -> Counter[str]:
        """Read-port connections by address; of no interest to the other port."""
        if port is not Port.READ:
            return Counter()
        return Counter(c.target.address for c in self._connections if c.port is Port.READ and c.target is not None)

    def _dial(self, connection: Connection, target: Upstream) -> None:
        scope = anyio.CancelScope()
        connection.dialling(target)
        connection.cancel_dial = scope.cancel
        self._tasks.start_soon(self._dial_task, connection, target, scope)

    async def _dial_task(self, connection: Connection, target: Upstream, scope: anyio.CancelScope) -> None:
        host, _, port = target.address.rpartition(":")
        with scope:
            try:
                with anyio.fail_after(DIAL_S):
                    await asyncio.get_running_loop().create_connection(
                        lambda: Upward(connection),
                        host.strip("[]"),
                        int(port),
                        ssl=self._tls_context(target.tls_ca),
                        server_hostname=target.tls_server_name if target.tls_ca else None,
                    )
            except (OSError, ValueError, TypeError) as error:  # address and CA are somebody else's text
                self._dial_failed(connection, target, error)

    def _dial_failed(self, connection: Connection, target: Upstream, error: Exception) -> None:
        if connection.stage is not Stage.DIALLING or connection.target is not target:
            return
        self._metrics.dial_failures.add()
        if target.address not in self._unreachable:  # said once, not for each of a pool's connections
            self._unreachable.add(target.address)
            why = str(error) or type(error).__name__
            emit(logger, "DialFailed", logging.WARNING, address=target.address, message=why)
        connection.dial_failed(time.monotonic())
        if connection.dials_failed == 1:
            self.suspect(target.address)
        self._route(connection)

    def _tls_context(self, ca: str) -> ssl.SSLContext | None:
        if not ca:
            return None
        if self._tls is None or self._tls[0] != ca:
            self._tls = (ca, ssl.create_default_context(cadata=ca))
        return self._tls[1]

    # ---- what connections tell ---------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._route(connection)

    def dialled(self, connection: Connection, upstream: asyncio.Transport) -> None:
        if connection.stage is not Stage.DIALLING:
            upstream.abort()
            return
        if self.state is None or connection.tag != tag(self.state.document):  # P-C3
            upstream.abort()
            self._stop_dial(connection)
            self._route(connection)
            return
        if connection.target is not None:
            self._unreachable.discard(connection.target.address)
        connection.attach(upstream)

    def upstream_lost(self, connection: Connection) -> None:
        if connection.target is not None and connection.tag == (tag(self.state.document) if self.state else None):
            self.suspect(connection.target.address)

    def rewrote(self, connection: Connection) -> None:
        self._metrics.rewrites.add()
        if connection.target is not None:
            emit(logger, "NotTheMain", logging.WARNING, address=connection.target.address)
            self.suspect(connection.target.address)

    def detached(self, connection: Connection) -> None:
        self._last_version = connection.session.version or self._last_version
        for cut in self._cuts:
            cut.left.discard(connection)
        self._finish_cuts()

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._emptied.set()

    # ---- suspicion (P-C4) --------------------------------------------------------------------------------------

    def suspect(self, address: str) -> None:
        """An upstream refused or closed: new connections to it wait for the API server's word."""
        if address not in self._suspects:
            self._suspects[address] = time.monotonic() + SUSPECT_S
            self._suspicion.set()

    async def suspicion(self) -> Callable[[], None]:
        """Wait for a suspicion. Call what is returned once the API server has answered."""
        await self._suspicion.wait()
        self._suspicion.clear()
        asked = set(self._suspects)

        def answered() -> None:
            for address in asked:
                self._suspects.pop(address, None)
            self._wake()

        return answered


def _explain(reason: Reason, waited_for: Reason | None, seconds: float) -> str:
    what = f"memgraph-ha: no Memgraph main to talk to ({waited_for or reason})"
    if reason is Reason.TOO_MANY_HELD:
        return f"{what}, and too many connections wait already. Retry."
    return f"{what} after waiting {seconds:.1f} s. Retry."
