"""Simulated Memgraph instances under virtual time, in one process: the core's effects without clock or sockets.

A process can be killed (its files stay), lose power (unsynced commits go), be wiped, be frozen (what reaches it waits
and is executed when it goes on). RPCs can be lost on the way there or on the way back.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from sandbox.memgraph.core import effects
from sandbox.memgraph.core.compat import DEFAULT, Compat
from sandbox.memgraph.core.effects import Steps
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Settings
from sandbox.memgraph.core.messages import Answer, Loss, Lost, Request
from sandbox.memgraph.core.query.interpreter import Interpreter
from sandbox.memgraph.core.replication import follower, roles
from sandbox.memgraph.core.storage.durability import (
    AppendCommit,
    DeleteFiles,
    FinishWal,
    IdentityRecord,
    OpenWal,
    Record,
    RoleRecord,
    Snapshot,
    Wal,
    WriteSnapshot,
)
from sandbox.memgraph.core.storage.epochs import Epochs

_T = TypeVar("_T")
PORT = 10000
LATENCY_S = 0.001
TIMEOUT = Lost(Loss.TIMEOUT)
BROKEN = Lost(Loss.BROKEN)


@dataclass
class Storage:
    """A data directory. `unsynced`: commits of the newest WAL file that a power failure would take."""

    wals: dict[int, Wal] = field(default_factory=dict)
    snapshots: dict[int, Snapshot] = field(default_factory=dict)
    identity: str | None = None
    role: dict[str, Any] | None = None
    unsynced: int = 0
    open_wal: int | None = None

    def write(self, record: Record) -> None:
        """Carry out one record."""
        match record:
            case OpenWal(wal):
                self.wals[wal.seq] = Wal(wal.seq, wal.epoch, wal.database_uuid)
                self.open_wal = wal.seq
            case AppendCommit(commit, sync):
                assert self.open_wal is not None
                self.wals[self.open_wal].append(commit)
                self.unsynced = 0 if sync else self.unsynced + 1
            case FinishWal():
                self.open_wal, self.unsynced = None, 0
            case WriteSnapshot(snapshot, replaces):
                if replaces:
                    self.wals.clear()
                    self.snapshots.clear()
                    self.open_wal, self.unsynced, self.identity = None, 0, snapshot.database_uuid
                self.snapshots[snapshot.ts] = snapshot
            case DeleteFiles(wals, snapshots):
                for seq in wals:
                    self.wals.pop(seq, None)
                for ts in snapshots:
                    self.snapshots.pop(ts, None)
            case IdentityRecord(database_uuid):
                self.identity = database_uuid
            case RoleRecord(state):
                self.role = state

    def lose_power(self, commits: int | None = None) -> int:
        """Lose the last unsynced commits (at most `commits`); how many."""
        lost = self.unsynced if commits is None else min(commits, self.unsynced)
        if lost:
            assert self.open_wal is not None
            del self.wals[self.open_wal].commits[-lost:]
        return lost


class _Running:
    def __init__(self, world: World, instance: Instance, steps: Steps[Any]) -> None:
        self.world, self.instance, self.steps = world, instance, steps
        self.done, self.cancelled = False, False
        self.result: Any = None
        self.error: QueryError | None = None
        self.ended: Callable[[], None] = lambda: None

    def resume(self, answer: Any) -> None:
        if self.cancelled or self.done:
            return
        if self.world.held(self.instance, lambda: self.resume(answer)):
            return
        try:
            effect = self.steps.send(answer)
        except StopIteration as stop:
            self.done, self.result = True, stop.value
        except QueryError as error:
            self.done, self.error = True, error
        else:
            self.world.settle(self.instance)
            self.world.perform(self, effect)
        self.world.settle(self.instance)
        if self.done:
            self.ended()

    def cancel(self) -> None:
        self.cancelled = True
        with suppress(ValueError):  # the one that cancels itself is executing
            self.steps.close()


class World:
    """Instances by host name.

    `intercept` may lose any RPC before it arrives, `intercept_answer` its answer: (from, to, request) -> Lost or None.
    `notes` collects what the core says: (instance, event, fields).
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.instances: dict[str, Instance] = {}
        self.storage: dict[str, Storage] = {}
        self.listening: set[Instance] = set()
        self.down: set[str] = set()
        self.intercept: Callable[[str, str, Request], Lost | None] = lambda *_: None
        self.intercept_answer: Callable[[str, str, Request], Lost | None] = lambda *_: None
        self.notes: list[tuple[str, str, dict[str, Any]]] = []
        self._frozen: dict[str, list[Callable[[], None]]] = {}
        self._stale: set[tuple[Instance, str]] = set()
        self._connected: set[tuple[Instance, str]] = set()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._waiting: list[tuple[_Running, Callable[[], bool]]] = []
        self._owned: list[tuple[object, _Running]] = []
        self._running: list[_Running] = []
        self.exchanges: set[_Exchange] = set()

    def fresh(self) -> str:
        """A name nobody has."""
        self._count += 1
        return f"id-{self._count}"

    # Processes

    def start(
        self,
        name: str,
        *,
        settings: Settings | None = None,
        stale_history: bool = True,
        compat: Compat = DEFAULT,
        restore: bool = False,
    ) -> Instance:
        """Start an instance, from its files if it ran before; its role only if `restore`."""
        chosen = settings or Settings(stale_history=stale_history, compat=compat)
        instance = Instance(self.fresh(), self.fresh(), Epochs(self.fresh()), chosen)
        storage = self.storage.setdefault(name, Storage())
        if storage.identity is None:
            storage.identity = instance.database_uuid
        instance.database_uuid = storage.identity
        snapshots = [storage.snapshots[ts] for ts in sorted(storage.snapshots)]
        wals = [storage.wals[seq] for seq in sorted(storage.wals)]
        instance.recover(snapshots, [Wal(w.seq, w.epoch, w.database_uuid, list(w.commits)) for w in wals])
        storage.open_wal, storage.unsynced = None, 0
        if restore and storage.role is not None:
            instance.restore_role(storage.role)
        self.instances[name] = instance
        self.down.discard(name)
        self.do(name, roles.start(instance))
        return instance

    def stop(self, name: str) -> None:
        """SIGTERM."""
        roles.stop(self.instances[name])
        self.settle(self.instances[name])
        self.kill(name)

    def kill(self, name: str) -> None:
        """SIGKILL: memory and procedures are gone, the files stay. Its peers don't notice before they use the line."""
        self.down.add(name)
        dead = self.instances[name]
        self.listening.discard(dead)
        self._frozen.pop(name, None)
        self._stale |= {line for line in self._connected if line[1] == name}
        for running in [*self._running]:
            if running.instance is dead:
                running.cancel()
        self._running = [running for running in self._running if running.instance is not dead]
        for exchange in list(self.exchanges):
            if exchange.target == name:
                exchange.finish(BROKEN)

    def lose_power(self, name: str, commits: int | None = None) -> int:
        """A power failure; how many commits it took."""
        self.kill(name)
        return self.storage[name].lose_power(commits)

    def wipe(self, name: str) -> None:
        """The process ends, and its volume is lost."""
        self.kill(name)
        self.storage[name] = Storage()

    def freeze(self, name: str) -> None:
        """SIGSTOP: from now on everything that concerns this instance waits."""
        self._frozen.setdefault(name, [])

    def thaw(self, name: str) -> None:
        """SIGCONT: what waited happens, in order."""
        for action in self._frozen.pop(name, []):
            self._after(0, action)

    def held(self, instance: Instance, action: Callable[[], None]) -> bool:
        """Whether the instance is frozen; then the action is kept for later."""
        name = self.name_of(instance)
        if name not in self._frozen:
            return False
        self._frozen[name].append(action)
        return True

    def name_of(self, instance: Instance) -> str:
        """An instance's host name; of one that was replaced by a restart, a name nobody has."""
        return next((name for name, known in self.instances.items() if known is instance), "")

    # Queries and time

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

    def begin_query(self, name: str, text: str, **parameters: Any) -> _Running:
        """Start one auto-commit query without waiting for its end."""
        interpreter = Interpreter(self.instances[name])

        def steps() -> Steps[list[list[Any]]]:
            try:
                result = yield from interpreter.prepare(text, parameters)
                rows, _ = yield from interpreter.pull(result, -1)
            except QueryError:
                interpreter.abort()
                raise
            return rows

        return self.begin(name, steps())

    def begin(self, name: str, steps: Steps[Any]) -> _Running:
        """Start a procedure without waiting for its end."""
        running = _Running(self, self.instances[name], steps)
        self._running.append(running)
        running.resume(None)
        self._running = [each for each in self._running if not each.done]
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

    # Effects

    def settle(self, instance: Instance) -> None:
        """Keep the records, wake who waits."""
        name = self.name_of(instance)
        if name and name not in self.down:
            for record in instance.outbox:
                self.storage[name].write(record)
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
            case effects.Connect(address):
                self._connect(running, address.rpartition(":")[0])
            case effects.Disconnect(address):
                line = (running.instance, address.rpartition(":")[0])
                self._connected.discard(line)
                self._stale.discard(line)
                running.resume(None)
            case effects.Sleep(seconds):
                self._after(seconds, lambda: running.resume(None))
            case effects.Until(condition, timeout_s):
                self._until(running, condition, timeout_s)
            case effects.Note(event, fields):
                self.notes.append((self.name_of(running.instance), event, fields))
                running.resume(None)
            case effects.Spawn(owner, steps):
                spawned = _Running(self, running.instance, steps)
                self._owned.append((owner, spawned))
                self._running.append(spawned)
                self._after(0, lambda: spawned.resume(None))
                running.resume(None)
            case effects.Cancel(owner, address):
                line = (running.instance, address.rpartition(":")[0])
                self._connected.discard(line)
                self._stale.discard(line)
                for other, spawned in self._owned:
                    if other is owner:
                        spawned.cancel()
                self._owned = [entry for entry in self._owned if not (entry[1].cancelled or entry[1].done)]
                running.resume(None)
            case _:
                running.resume(self._at_once(running, effect))

    def _at_once(self, running: _Running, effect: effects.Effect) -> Any:
        match effect:
            case effects.FreshId():
                return self.fresh()
            case effects.Listen():
                self.listening.add(running.instance)
                return True
            case effects.StopListening():
                self.listening.discard(running.instance)
        return None

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

    # Network

    def _reachable(self, target: str) -> bool:
        return target not in self.down and self.instances.get(target) in self.listening

    def _connect(self, running: _Running, target: str) -> None:
        line = (running.instance, target)
        if line in self._connected:
            self._after(0, lambda: running.resume(True))
            return
        if self._reachable(target):
            self._connected.add(line)
            self._stale.discard(line)
            self._after(LATENCY_S, lambda: running.resume(True))
        else:
            self._after(LATENCY_S, lambda: running.resume(Lost()))

    def _call(self, running: _Running, call: effects.Call) -> None:
        target = call.address.rpartition(":")[0]
        line = (running.instance, target)
        if line in self._stale:
            self._stale.discard(line)
            self._connected.discard(line)
            self._after(LATENCY_S, lambda: running.resume(BROKEN))
            return
        source = self.name_of(running.instance)
        lost = self.intercept(source, target, call.request)
        if lost is None and not self._reachable(target):
            lost = Lost()
        if lost is not None:
            self._connected.discard(line)
            delay = call.timeout_s if lost.how is Loss.TIMEOUT else LATENCY_S
            self._after(delay, lambda: running.resume(lost))
            return
        self._connected.add(line)
        _Exchange(self, running, call, source, target).send()


class _Exchange:
    """One RPC that arrives: the answer comes back once, or the caller gives up first."""

    def __init__(self, world: World, running: _Running, call: effects.Call, source: str, target: str) -> None:
        self.world, self.running, self.call = world, running, call
        self.source, self.target = source, target
        self.over = False

    def send(self) -> None:
        self.world.exchanges.add(self)
        self.world._after(LATENCY_S, self._arrive)
        self.world._after(self.call.timeout_s, lambda: self.finish(TIMEOUT))

    def _arrive(self) -> None:
        world, peer = self.world, self.world.instances[self.target]
        if self.target in world.down:
            self.finish(BROKEN)
        elif not world.held(peer, self._arrive):
            serving = world.begin(self.target, follower.receive(peer, self.call.request))
            serving.ended = lambda: self._answer(serving)
            if serving.done:
                self._answer(serving)

    def _answer(self, serving: _Running) -> None:
        lost = self.world.intercept_answer(self.source, self.target, self.call.request)
        answer: Answer | Lost = lost or serving.result
        if lost is None or lost.how is not Loss.TIMEOUT:
            self.world._after(LATENCY_S, lambda: self.finish(answer))

    def finish(self, answer: Answer | Lost) -> None:
        if self.over:
            return
        self.over = True
        self.world.exchanges.discard(self)
        if isinstance(answer, Lost):
            self.world._connected.discard((self.running.instance, self.target))
        self.running.resume(answer)


def main_and_replica() -> World:
    """A main, a, and its SYNC replica, b, in step."""
    world = World()
    for name in "ab":
        world.start(name)
    world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "REGISTER REPLICA b SYNC TO 'b:10000'")
    world.advance(0.1)
    return world


def refusal(world: World, name: str, query: str) -> str:
    """The message of a query that fails."""
    with pytest.raises(QueryError) as caught:
        world.query(name, query)
    return caught.value.message
