"""One client pod: the sidecar's own cores (follow, route, session) over simulated connections.

The shell of the product (asyncio transports) is replaced; what decides is the product's: which document counts
(P-C5), where a connection goes (P-C3, P-C4), how a cut ends it (P-C1, P-C2).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Final

import trio

from controller.ports import PortError
from sandbox.memgraph.core.effects import Steps
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.query.interpreter import Interpreter
from sidecar.bolt import chunks, failure, messages, packstream
from sidecar.contract.state import CutKind
from sidecar.core.confirm import CONFIRM_S, doubtful
from sidecar.core.follow import Changed, Follow, State
from sidecar.core.route import SUSPECT_S, Hold, Loads, Port, Refuse, Upstream, Waiter, change, route, tag
from sidecar.core.session import Ending, Session
from sim.apiserver import ApiServer
from sim.instances import Fleet, ProcessDied
from sim.network import Network
from sim.pods import Pods
from sim.ports import STATE

DIAL_S: Final = 3.0
COMMIT_GRACE_S: Final = 2.0
CONFIRM_AFTER_S: Final = 1.0
ASIDE_GAP_S: Final = 0.25
HOLD_S: Final = 20.0
PATIENCE_S: Final = 15.0
"""How long an app waits for an answer."""
_HANDSHAKE: Final = b"\x60\x60\xb0\x17" + b"\0\0\x02\x05" + b"\0" * 12
_AGREED: Final = b"\0\0\x02\x05"
BEGIN: Final = chunks.pack(bytes((0xB1, messages.BEGIN, 0xA0)))
COMMIT: Final = chunks.pack(bytes((0xB0, messages.COMMIT)))
RUN_PULL: Final = chunks.pack(bytes((0xB3, messages.RUN, 0x80, 0xA0, 0xA0))) + chunks.pack(
    bytes((0xB1, messages.PULL, 0xA0))
)


class Ended(Enum):
    """How an exchange or a whole write ended, as the app sees it."""

    OK = "ok"
    RETRY = "retry"
    """A code that drivers retry: it says that nothing was committed."""
    FAILED = "failed"
    """Another FAILURE."""
    LOST = "lost"
    """The connection ended without an answer."""


class Connection:
    """One client connection, from the app through the sidecar to an instance."""

    def __init__(self, sidecar: Sidecar, upstream: Upstream, name: str, port: Port) -> None:
        self.sidecar = sidecar
        self.upstream = upstream
        self.name = name
        self.port = port
        self.session = Session()
        self.session.requests(_HANDSHAKE)
        self.session.answers(_AGREED)
        self.interpreter = Interpreter(sidecar.fleet.instances[name])
        self.closed = False
        self.detached = False
        self.refusing = False
        self._confirming = False
        self.draining = False
        self.asked_at = 0.0
        self._in_flight = 0
        self._inbox = bytearray()
        self._news = trio.Event()

    # The app's side

    async def exchange(self, data: bytes, answers: int, steps: Callable[[], Steps[Any]]) -> Ended:
        """Send requests, and wait for their answers."""
        if self.closed:
            return Ended.LOST
        if self.refusing:
            refusal = self.session.refuse(data)
            self.close()
            return Ended.RETRY if refusal and _retriable(refusal) else Ended.LOST
        if self.session.idle:
            self.asked_at = trio.current_time()
        self.session.requests(data)
        self._inbox.clear()
        self.sidecar.nursery.start_soon(self._upstream, answers, steps)
        with trio.move_on_after(PATIENCE_S):
            while not (self.closed or _count(self._inbox) >= answers or b"\xb1\x7f" in self._inbox):
                await self._news.wait()
        got = bytes(self._inbox)
        if b"\xb1\x7f" in got:
            return Ended.RETRY if _retriable(got) else Ended.FAILED
        if _count(got) >= answers:
            return Ended.OK
        self.close()
        return Ended.LOST

    # The upstream's side

    async def _upstream(self, answers: int, steps: Callable[[], Steps[Any]]) -> None:
        sidecar, fleet = self.sidecar, self.sidecar.fleet
        await sidecar.network.running(sidecar.name)
        await trio.sleep(sidecar.network.latency())
        if self.detached or not sidecar.network.passes(sidecar.name, self.name):
            return
        if not self._alive():
            self.upstream_lost()
            return
        self._in_flight += 1
        try:
            await fleet.run(self.name, steps())
            answer = failure.SUCCESS * answers
        except QueryError as error:
            answer = _failure(error) + failure.IGNORED * (answers - 1)
        except ProcessDied:
            self.upstream_lost()
            return
        finally:
            self._in_flight -= 1
            self._give_back()
        if not sidecar.network.passes(self.name, sidecar.name):
            return
        await trio.sleep(sidecar.network.latency())
        await sidecar.network.running(sidecar.name)
        if not self.detached:
            await self._answered(answer)

    def _alive(self) -> bool:
        """Whether the process this connection was made to still runs."""
        return self.sidecar.fleet.alive(self.name) and (
            self.sidecar.fleet.instances[self.name] is self.interpreter.instance
        )

    async def _answered(self, answer: bytes) -> None:
        forward, ending = self.session.answers(answer)
        acknowledged, self.session.acknowledged = self.session.acknowledged, None
        took_s = trio.current_time() - self.asked_at
        if acknowledged is not None and not self.draining and doubtful(acknowledged, took_s, CONFIRM_AFTER_S):
            self._confirming = True
            if not await self.sidecar.confirms(self) or self.detached:
                self.close()
                return
            self._confirming = False
        self._deliver(forward)
        if ending is not None:
            self._end(ending)

    def upstream_lost(self) -> None:
        """The upstream closed."""
        if not self.detached:
            self.close()
            self.sidecar.suspect(self.upstream.address)

    def cut(self, kind: CutKind) -> None:
        """The document changed."""
        if self.closed or self.detached:
            return
        if self._confirming:
            self.close()
            return
        ending, last = self.session.cut(kind)
        self._deliver(last)
        self._end(ending)

    def _end(self, ending: Ending) -> None:
        match ending:
            case Ending.CLOSE:
                self.close()
            case Ending.DRAIN:
                self.draining = True
                self.sidecar.nursery.start_soon(self._drain)
            case Ending.AWAIT:
                self._detach()
                self.refusing = True

    async def _drain(self) -> None:
        await trio.sleep(COMMIT_GRACE_S)
        self.close()

    def close(self) -> None:
        """The end, for both sides."""
        self._detach()
        self.closed = True
        self._say()

    def _detach(self) -> None:
        self.detached = True
        self.sidecar.connections.discard(self)
        self._give_back()

    def _give_back(self) -> None:
        """Memgraph aborts an open transaction when its connection ends; one that commits goes on."""
        if self.detached and not self._in_flight and self._alive() and not self.sidecar.fleet.frozen(self.name):
            self.interpreter.abort()
            self.sidecar.fleet.settle(self.interpreter.instance)

    def _deliver(self, data: bytes) -> None:
        self._inbox += data
        self._say()

    def _say(self) -> None:
        event, self._news = self._news, trio.Event()
        event.set()


class Sidecar:
    """Follows the document, and holds the connections of its app."""

    def __init__(
        self, name: str, fleet: Fleet, pods: Pods, api: ApiServer, network: Network, nursery: trio.Nursery
    ) -> None:
        self.name = name
        self.fleet = fleet
        self.pods = pods
        self.api = api
        self.network = network
        self.nursery = nursery
        self.follow = Follow("demo", STATE)
        self.state: State | None = None
        self.connections: set[Connection] = set()
        self.writers_cut = 0
        """Connections for writing that the last change of the document ended."""
        self.on_applied: Callable[[Sidecar, State | None, State], None] = lambda _self, _old, _new: None
        """Called when a new state took effect, with the one before."""
        self._suspects: dict[str, float] = {}
        self._changed = trio.Event()

    # The document

    def learn(self, kind: str, body: bytes) -> None:
        """An answer or a line of the watch."""
        match kind:
            case "got":
                learned = self.follow.got(200, body)
            case "missing":
                learned = self.follow.got(404, body)
            case _:
                learned = self.follow.line(body)
        if isinstance(learned, Changed):
            self._apply(learned.state)

    def _apply(self, new: State) -> None:
        old, self.state = self.state, new
        what = change(old, new)
        self.writers_cut = 0
        if what.cut is not None:
            self._cut(self.connections, what.cut)
        elif what.left:
            leaving = (c for c in self.connections if c.port is Port.READ and c.upstream.address in what.left)
            self._cut(leaving, CutKind.FAILOVER)
        if old is None or tag(old.document) != tag(new.document):
            self._suspects.clear()
        self.on_applied(self, old, new)
        self._wake()

    def _cut(self, connections: Iterable[Connection], kind: CutKind) -> None:
        for connection in sorted(connections, key=lambda c: (c.name, c.upstream.address, c.port.value)):
            self.writers_cut += connection.port is Port.READ_WRITE
            connection.cut(kind)

    def _wake(self) -> None:
        event, self._changed = self._changed, trio.Event()
        event.set()

    # Connecting

    async def connect(self, port: Port) -> Connection | None:
        """A connection to where the document says; None: refused with a code that drivers retry."""
        since, failed, failed_at, addresses = trio.current_time(), 0, 0.0, frozenset[str]()
        while True:
            await self.network.running(self.name)
            now = trio.current_time()
            waiter = Waiter(port, since, HOLD_S, 0, failed, failed_at, addresses)
            reads = Counter(c.upstream.address for c in self.connections if c.port is Port.READ)
            match route(self.state, waiter, now, Loads(reads, self._suspects)):
                case Refuse():
                    return None
                case Hold(_, until):
                    with trio.move_on_at(until if until > now else now + 0.001):
                        await self._changed.wait()
                case Upstream() as target:
                    connection = await self._dial(target, port)
                    if connection is not None:
                        return connection
                    if self.state is not None and tag(self.state.document) == target.tag:
                        failed, failed_at = failed + 1, trio.current_time()
                        addresses |= {target.address}
                        self.suspect(target.address)

    async def _dial(self, target: Upstream, port: Port) -> Connection | None:
        name, changed = self.pods.host(target.address), self._changed
        if name is None or not self.network.connects(self.name, name):
            with trio.move_on_after(DIAL_S):
                await changed.wait()
            return None
        await trio.sleep(self.network.latency() * 2)
        if not self.fleet.alive(name) or self.pods.host(target.address) != name:
            return None
        if self.state is None or tag(self.state.document) != target.tag:
            return None  # P-C3
        connection = Connection(self, target, name, port)
        self.connections.add(connection)
        return connection

    def process_died(self, name: str) -> None:
        """The kernel closes a dead process' connections."""
        for connection in sorted((c for c in self.connections if c.name == name), key=lambda c: c.port.value):
            if self.network.connects(self.name, name):
                connection.upstream_lost()

    # Suspicion (P-C4)

    def suspect(self, address: str) -> None:
        """An upstream refused or closed: the API server's word is asked first."""
        if address not in self._suspects:
            self._suspects[address] = trio.current_time() + SUSPECT_S
            self.nursery.start_soon(self._ask, address)

    async def _ask(self, address: str) -> None:
        if await self._ask_aside():
            self._suspects.pop(address, None)
            self._wake()

    async def confirms(self, connection: Connection) -> bool:
        """Whether the API server, asked now, says that this connection's upstream is still the main (P-C6)."""
        with trio.move_on_after(CONFIRM_S):
            while True:
                if await self._ask_aside() and self.follow.problem is None:
                    return self.state is not None and tag(self.state.document) == connection.upstream.tag
                await trio.sleep(ASIDE_GAP_S)
        return False

    async def _ask_aside(self) -> bool:
        try:
            there = await self.api.call(self.name, lambda: self.api.objects.get(STATE), writes=False)
        except PortError:
            return False
        if there is None:
            self.follow.got(404, b"", aside=True)
            return True
        learned = self.follow.got(200, json.dumps(there.body()).encode(), aside=True)
        if isinstance(learned, Changed):
            self._apply(learned.state)
        return True


def _failure(error: QueryError) -> bytes:
    fields = ({"code": error.code, "message": error.message},)
    return chunks.pack(packstream.dump(packstream.Structure(messages.FAILURE, fields)))


def _count(data: bytearray | bytes) -> int:
    return len(chunks.Scanner().feed(bytes(data)))


def _retriable(data: bytes) -> bool:
    return failure.RETRY_CODE.encode() in data
