"""The simulated Memgraph instances under the simulation's clock: processes, their links, and sessions with them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import trio
from virtual_memgraph import BROKEN, TIMEOUT, World

from sandbox.memgraph.core.effects import Call, Sleep, Steps
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Settings
from sandbox.memgraph.core.messages import Finalize, Lost, Request
from sandbox.memgraph.core.query.interpreter import Interpreter
from sim.network import Network

CONNECT_S = 5.0
"""Memgraph's own timeout for a connection to a replica that swallows packets (M-3.6)."""
INIT_FILE = "SET REPLICATION ROLE TO REPLICA WITH PORT 10000;"


class ProcessDied(Exception):
    """The connection ended with its process; what was asked may have happened."""


class Fleet(World):
    """Instances by the DNS name of their pod. Run `pump` beside everything else."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.lose_finalize: Callable[[str, str], bool] = lambda _source, _target: False
        self.on_lost_finalize: Callable[[str], None] = lambda _name: None
        self.intercept = self._on_the_way
        self.intercept_answer = self._on_the_way_back
        self.died: Callable[[str], None] = lambda _name: None
        self.buffered_s: Callable[[str, str], float] = lambda _name, _text: 0.0
        """(instance, statement) -> how long it lies in the instance's socket before it is read."""
        self.transfer_s: Callable[[Request], float] = lambda _request: 0.0
        """How long a request is under way beside the latency: files are large."""
        self.foreign: set[str] = set()
        """Instances of other clusters: they have no init-file of ours."""
        self.opened: set[str] = set()
        self.frozen_at: dict[str, float] = {}
        self.init_file = INIT_FILE
        self._wake = trio.Event()
        self._asked: dict[str, set[_Asked]] = {}

    # Time

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._count += 1
        at = max(self.now, trio.current_time()) + seconds
        heapq.heappush(self._events, (at, self._count, action))
        if self._events[0][0] == at:
            self._wake.set()

    async def pump(self) -> None:
        """Carry out what is due, for ever."""
        while True:
            now = trio.current_time()
            while self._events and self._events[0][0] <= now:
                self._step()
            self._wake = trio.Event()
            with trio.move_on_at(self._events[0][0] if self._events else math.inf):
                await self._wake.wait()

    # Processes

    def boot(self, name: str, settings: Settings, *, restore: bool = False) -> None:
        """Start the process: its files, then the init-file, then Bolt (P-N1)."""
        self.opened.discard(name)
        self.start(name, settings=settings, restore=restore)

    def do(self, name: str, steps: Steps[Any]) -> Any:
        """The process' own start; what a restored main has to ask its replicas takes time."""
        return self.begin(name, self._opening(name, steps))

    def _opening(self, name: str, steps: Steps[Any]) -> Steps[None]:
        yield from steps
        instance = self.instances[name]
        for _ in range(0 if name in self.foreign else 2):
            with suppress(QueryError):  # Memgraph only logs it, which is why the line is there twice
                yield from _statement(Interpreter(instance), self.init_file, {})
        self.opened.add(name)

    def kill(self, name: str) -> None:
        """SIGKILL; whoever waits for an answer learns of it."""
        super().kill(name)
        self.frozen_at.pop(name, None)
        self.opened.discard(name)
        for asked in self._asked.pop(name, set()):
            asked.died = True
            asked.over.set()
        self.died(name)

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        super().freeze(name)
        self.frozen_at.setdefault(name, trio.current_time())

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.frozen_at.pop(name, None)
        super().thaw(name)

    def alive(self, name: str) -> bool:
        """Whether the process runs and has opened its ports, be it frozen."""
        return name in self.opened and name not in self.down

    # Sessions

    async def run(self, name: str, steps: Steps[Any]) -> Any:
        """Run a procedure on an instance to its end. Raises QueryError, ProcessDied. Cancelled, it goes on there."""
        asked = _Asked()
        running = self.begin(name, steps)
        running.ended = asked.over.set
        if not running.done:
            waiting = self._asked.setdefault(name, set())
            waiting.add(asked)
            try:
                await asked.over.wait()
            finally:
                waiting.discard(asked)
        if asked.died:
            raise ProcessDied
        if running.error is not None:
            raise running.error
        return running.result

    async def statement(self, name: str, text: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """One auto-commit statement in a session of its own."""
        steps = _statement(Interpreter(self.instances[name]), text, parameters, self.buffered_s(name, text))
        rows: list[dict[str, Any]] = await self.run(name, steps)
        return rows

    def frozen(self, name: str) -> bool:
        """Whether the process is stopped."""
        return name in self._frozen

    # Links between instances

    def _connect(self, running: Any, target: str) -> None:
        source = self.name_of(running.instance)
        line = (running.instance, target)
        if line not in self._connected and not self.network.connects(source, target):
            self._after(CONNECT_S, lambda: running.resume(Lost()))
            return
        super()._connect(running, target)

    def _call(self, running: Any, call: Call) -> None:
        source, target = self.name_of(running.instance), call.address.rpartition(":")[0]
        line = (running.instance, target)
        if line not in self._connected | self._stale and not self.network.connects(source, target):
            # There is no connection yet: connecting is what times out, and that is sooner than an answer would.
            self._after(min(CONNECT_S, call.timeout_s), lambda: running.resume(Lost()))
            return
        seconds = self.transfer_s(call.request)
        if seconds:
            self._after(seconds, lambda: World._call(self, running, call))
        else:
            super()._call(running, call)

    def _on_the_way(self, source: str, target: str, request: Request) -> Lost | None:
        if not self.network.passes(source, target):
            return TIMEOUT
        if isinstance(request, Finalize) and self.lose_finalize(source, target):
            return BROKEN
        return None

    def _on_the_way_back(self, source: str, target: str, request: Request) -> Lost | None:
        return None if self.network.passes(target, source) else TIMEOUT


class _Asked:
    def __init__(self) -> None:
        self.over = trio.Event()
        self.died = False


def _statement(
    session: Interpreter, text: str, parameters: Mapping[str, Any], buffered_s: float = 0.0
) -> Steps[list[dict[str, Any]]]:
    if buffered_s:
        yield Sleep(buffered_s)
    try:
        result = yield from session.prepare(text, parameters)
        rows, _ = yield from session.pull(result, -1)
    except QueryError:
        session.abort()
        raise
    return [dict(zip(result.columns, row, strict=True)) for row in rows]


__all__ = ["CONNECT_S", "Fleet", "Instance", "ProcessDied"]
