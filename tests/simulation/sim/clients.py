"""The app in a client pod: writes unique values as a driver's managed transactions do, and keeps what it was told."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import trio

from sandbox.memgraph.core.effects import Steps
from sandbox.memgraph.core.query.interpreter import Interpreter
from sidecar.core.route import Port
from sim.sidecars import BEGIN, COMMIT, RUN_PULL, Connection, Ended, Sidecar

WRITE = "CREATE (:W {id: $id});"


class Told(Enum):
    """What the app knows of a write."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ack:
    """One acknowledged write: by which instance's process, over a connection of which epoch, when it was sent."""

    ident: str
    instance: str
    process: object
    epoch: int
    sidecar: str
    sent_at: float
    asked_at: float
    """When the request was sent that this answers: an auto-commit query, or the COMMIT."""
    at: float


class Client:
    """One app with one sidecar. `pause_s` is the mean time between two writes."""

    def __init__(self, sidecar: Sidecar, rng: random.Random, pause_s: float, on_ack: Callable[[Ack], None]) -> None:
        self.sidecar = sidecar
        self.name = sidecar.name
        self.told: dict[str, Told] = {}
        self.on_read_port_write: Callable[[Ack], None] = lambda _ack: None
        self.retries = 0
        self.last_ack_at = 0.0
        self.resting = False
        self._rng = rng
        self.pause_s = pause_s
        self._on_ack = on_ack
        self._count = 0
        self._connection: Connection | None = None

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await trio.sleep(self._rng.expovariate(1 / self.pause_s))
            if self.resting:
                continue
            self._count += 1
            ident = f"{self.name}:{self._count}"
            explicit = self._rng.random() < 0.4
            while not await self.attempt(ident, explicit=explicit):
                self.retries += 1
                await trio.sleep(self._rng.uniform(0.01, 0.1))

    async def attempt(self, ident: str, *, explicit: bool) -> bool:
        """Try once. False: what came back says that nothing was committed, so the same write may be tried again."""
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connection = await self.sidecar.connect(Port.READ_WRITE)
        if connection is None:
            return False
        sent_at = trio.current_time()
        ended, may_be_committed = await (_explicit if explicit else at_once)(connection, ident)
        if ended is not Ended.OK:
            connection.close()
        if ended is Ended.OK:
            self.told[ident] = Told.OK
            self.last_ack_at = trio.current_time()
            self._on_ack(self._ack(ident, connection, sent_at))
            return True
        if ended is Ended.RETRY or (ended is Ended.LOST and not may_be_committed):
            return False
        self.told[ident] = Told.UNKNOWN
        return True

    def _ack(self, ident: str, connection: Connection, sent_at: float) -> Ack:
        process, epoch = connection.interpreter.instance, connection.upstream.tag.epoch
        asked_at, now = connection.asked_at, trio.current_time()
        return Ack(ident, connection.name, process, epoch, self.name, sent_at, asked_at, now)

    def hang_up(self) -> None:
        """The app gives up on what it asked for."""
        if self._connection is not None:
            self._connection.close()

    async def misuse_read_port(self) -> None:
        """Write over the read port, for ever: that must never succeed (P-F4)."""
        while True:
            await trio.sleep(self._rng.expovariate(2.0))
            if not self.resting:
                await self.write_over_read_port()

    async def write_over_read_port(self) -> None:
        """One such write."""
        if self.sidecar.state is None or not self.sidecar.state.document.read_addresses:
            return
        connection = await self.sidecar.connect(Port.READ)
        if connection is None:
            return
        self._count += 1
        ident = f"{self.name}:read:{self._count}"
        sent_at = trio.current_time()
        ended, _ = await at_once(connection, ident)
        connection.close()
        if ended is Ended.OK:
            self.on_read_port_write(self._ack(ident, connection, sent_at))


async def at_once(connection: Connection, ident: str) -> tuple[Ended, bool]:
    """An auto-commit write: it may be committed as soon as it was sent."""
    return await connection.exchange(RUN_PULL, 2, lambda: _auto(connection.interpreter, ident)), True


async def _explicit(connection: Connection, ident: str) -> tuple[Ended, bool]:
    """BEGIN, the write, COMMIT: before COMMIT was sent nothing is committed."""
    session = connection.interpreter
    for data, answers, steps in (
        (BEGIN, 1, session.begin),
        (RUN_PULL, 2, lambda: _run(session, ident)),
    ):
        ended = await connection.exchange(data, answers, steps)
        if ended is not Ended.OK:
            return ended, False
    return await connection.exchange(COMMIT, 1, session.commit), True


def _run(session: Interpreter, ident: str) -> Steps[None]:
    try:
        result = yield from session.prepare(WRITE, {"id": ident})
        yield from session.pull(result, -1)
    except Exception:
        session.fail()
        raise


def _auto(session: Interpreter, ident: str) -> Steps[None]:
    yield from _run(session, ident)
