"""Simulated Memgraph instances under virtual time, in one process: the core's effects without clock or sockets."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, TypeVar

from sandbox.memgraph.core import effects, follower, roles
from sandbox.memgraph.core.compat import DEFAULT, Compat
from sandbox.memgraph.core.effects import Steps
from sandbox.memgraph.core.epochs import Epochs
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import CommitRecord, IdentityRecord, Instance, ReplaceRecord, Settings
from sandbox.memgraph.core.interpreter import Interpreter
from sandbox.memgraph.core.messages import Answer, Lost, Request

_T = TypeVar("_T")
PORT = 10000
LATENCY_S = 0.001


class _Running:
    def __init__(self, world: World, instance: Instance, steps: Steps[Any]) -> None:
        self.world, self.instance, self.steps = world, instance, steps
        self.done, self.cancelled = False, False
        self.result: Any = None
        self.error: QueryError | None = None

    def resume(self, answer: Any) -> None:
        if self.cancelled or self.done:
            return
        try:
            effect = self.steps.send(answer)
        except StopIteration as stop:
            self.done, self.result = True, stop.value
        except QueryError as error:
            self.done, self.error = True, error
        else:
            self.world.perform(self, effect)
        self.world.settle(self.instance)


class World:
    """Instances by host name. `intercept` may turn any RPC into a lost one: (from, to, request) -> Lost or None."""

    def __init__(self) -> None:
        self.now = 0.0
        self.instances: dict[str, Instance] = {}
        self.logs: dict[str, list[Any]] = {}
        self.listening: set[Instance] = set()
        self.down: set[str] = set()
        self.intercept: Callable[[str, str, Request], Lost | None] = lambda *_: None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._waiting: list[tuple[_Running, Callable[[], bool]]] = []
        self._owned: list[tuple[object, _Running]] = []

    def fresh(self) -> str:
        """A name nobody has."""
        self._count += 1
        return f"id-{self._count}"

    def start(self, name: str, *, stale_history: bool = True, compat: Compat = DEFAULT) -> Instance:
        """Start an instance, from its log if it ran before. Nothing of its role is restored."""
        settings = Settings(stale_history=stale_history, compat=compat)
        instance = Instance(self.fresh(), self.fresh(), Epochs(self.fresh()), settings)
        log = self.logs.setdefault(name, [])
        instance.recover(log)
        if not log:
            log.append(IdentityRecord(instance.database_uuid))
        self.instances[name] = instance
        self.down.discard(name)
        self.do(name, roles.start(instance))
        return instance

    def kill(self, name: str) -> None:
        """SIGKILL: memory and procedures are gone, the log stays."""
        self.down.add(name)
        dead = self.instances[name]
        self.listening.discard(dead)
        for _, running in self._owned:
            if running.instance is dead:
                running.cancelled = True

    def query(self, name: str, text: str, **parameters: Any) -> list[list[Any]]:
        """One auto-commit query, to its end."""
        interpreter = Interpreter(self.instances[name])
        try:
            result = self.do(name, interpreter.prepare(text, parameters))
            rows, _ = self.do(name, interpreter.pull(result, -1))
            return rows
        except QueryError:
            interpreter.abort()
            raise

    def begin(self, name: str, steps: Steps[Any]) -> _Running:
        """Start a procedure without waiting for its end."""
        running = _Running(self, self.instances[name], steps)
        running.resume(None)
        return running

    def do(self, name: str, steps: Steps[_T]) -> _T:
        """Run a procedure to its end, however long that takes in virtual time (10 minutes at most)."""
        running = self.begin(name, steps)
        limit = self.now + 600
        while not running.done:
            assert self._events, "the procedure waits for nothing"
            assert self.now < limit, "the procedure never ends"
            self._step()
        if running.error is not None:
            raise running.error
        result: _T = running.result
        return result

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self._step()
        self.now = end

    def _step(self) -> None:
        self.now, _, action = heapq.heappop(self._events)
        action()

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, action))

    def settle(self, instance: Instance) -> None:
        """Keep the records, wake who waits."""
        name = next(name for name, known in self.instances.items() if known is instance)
        for record in instance.outbox:
            if isinstance(record, ReplaceRecord):
                self.logs[name].clear()
            if isinstance(record, CommitRecord | ReplaceRecord | IdentityRecord):
                self.logs[name].append(record)
        instance.outbox.clear()
        for entry in list(self._waiting):
            if entry in self._waiting and entry[1]():
                self._waiting.remove(entry)
                entry[0].resume(True)

    def perform(self, running: _Running, effect: effects.Effect) -> None:
        """One effect of the core."""
        match effect:
            case effects.Call():
                self._call(running, effect)
            case effects.FreshId():
                running.resume(self.fresh())
            case effects.Sleep(seconds):
                self._after(seconds, lambda: running.resume(None))
            case effects.Until(condition, timeout_s):
                self._until(running, condition, timeout_s)
            case effects.Spawn(owner, steps):
                spawned = _Running(self, running.instance, steps)
                self._owned.append((owner, spawned))
                self._after(0, lambda: spawned.resume(None))
                running.resume(None)
            case effects.Cancel(owner, _):
                for other, spawned in self._owned:
                    spawned.cancelled |= other is owner
                running.resume(None)
            case effects.Listen():
                self.listening.add(running.instance)
                running.resume(True)
            case effects.StopListening():
                self.listening.discard(running.instance)
                running.resume(None)

    def _until(self, running: _Running, condition: Callable[[], bool], timeout_s: float | None) -> None:
        if condition():
            running.resume(True)
            return
        entry = (running, condition)
        self._waiting.append(entry)

        def give_up() -> None:
            if entry in self._waiting:
                self._waiting.remove(entry)
                running.resume(condition())

        if timeout_s is not None:
            self._after(timeout_s, give_up)

    def _call(self, running: _Running, call: effects.Call) -> None:
        source = next(name for name, known in self.instances.items() if known is running.instance)
        target = call.address.rpartition(":")[0]

        def arrive() -> None:
            lost = self.intercept(source, target, call.request)
            peer = self.instances.get(target)
            answer: Answer | Lost
            if lost is not None or peer is None or target in self.down or peer not in self.listening:
                answer = lost or Lost()
            else:
                answer = follower.receive(peer, call.request)
                self.settle(peer)
            delay = call.timeout_s if isinstance(answer, Lost) and answer.timed_out else LATENCY_S
            self._after(delay, lambda: running.resume(answer))

        self._after(LATENCY_S, arrive)
