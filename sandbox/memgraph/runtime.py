"""Performs the core's effects with real time, real sockets and a real disk."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import anyio
from anyio.abc import TaskGroup

from sandbox.memgraph.core import effects
from sandbox.memgraph.core.effects import Effect, Steps
from sandbox.memgraph.core.instance import Instance
from sandbox.memgraph.core.messages import Answer, Request
from sandbox.memgraph.core.replication import follower
from sandbox.memgraph.disk import Disk
from sandbox.memgraph.link import Link
from sidecar.contract.logs import emit

_T = TypeVar("_T")
_log: Final = logging.getLogger(__name__)


class Runtime:
    """Drives the core's procedures. What the core wants durable is written before anything else goes out."""

    def __init__(self, instance: Instance, disk: Disk, link: Link, tasks: TaskGroup) -> None:
        self.instance = instance
        self.listen: Callable[[int], Awaitable[bool]]
        self.stop_listening: Callable[[], Awaitable[None]]
        self._disk = disk
        self._link = link
        self._tasks = tasks
        self._waiting: list[anyio.Event] = []
        self._scopes: dict[object, set[anyio.CancelScope]] = {}

    async def run(self, steps: Steps[_T]) -> _T:
        """Run one procedure to its end and give its result."""
        answer: Any = None
        outbox = self.instance.outbox
        try:
            while True:
                waiting = len(outbox)
                try:
                    effect = steps.send(answer)
                except StopIteration as stop:
                    result: _T = stop.value
                    await self._settle(wants_disk=len(outbox) > waiting)
                    return result
                await self._settle(wants_disk=len(outbox) > waiting)
                answer = await self._perform(effect)
        finally:
            steps.close()
            self.wake()

    async def receive(self, request: Request) -> Answer:
        """Handle an RPC as a replica."""
        return await self.run(follower.receive(self.instance, request))

    def wake(self) -> None:
        """The core's state may have changed: let waiting procedures look again."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for event in waiting:
                event.set()

    async def _settle(self, *, wants_disk: bool) -> None:
        self.wake()
        if wants_disk and self._disk.stalled:
            await self._disk.ready()
        self.flush()

    def flush(self) -> None:
        """Write what the core wants written, if the disk lets it."""
        if self.instance.outbox and not self._disk.stalled:
            records = list(self.instance.outbox)
            self.instance.outbox.clear()
            self._disk.write(records)

    async def _perform(self, effect: Effect) -> Any:
        match effect:
            case effects.Call(address, request, timeout_s):
                return await self._link.call(address, request, timeout_s)
            case effects.Connect(address):
                return await self._link.connect(address)
            case effects.Until(condition, timeout_s):
                return await self._until(condition, timeout_s)
            case effects.Sleep(seconds):
                await anyio.sleep(seconds)
            case effects.Listen(port):
                return await self.listen(port)
            case effects.StopListening():
                await self.stop_listening()
            case _:
                return self._perform_at_once(effect)
        return None

    def _perform_at_once(self, effect: Effect) -> Any:
        match effect:
            case effects.FreshId():
                return str(uuid.uuid4())
            case effects.Disconnect(address):
                self._link.disconnect(address)
            case effects.Note(event, fields):
                emit(_log, event, **fields)
            case effects.Spawn(owner, steps):
                self._tasks.start_soon(self._spawned, owner, steps)
            case effects.Cancel(owner, address):
                for scope in self._scopes.get(owner, ()):
                    scope.cancel()
                self._link.disconnect(address)
        return None  # Persist: everything was written before

    async def _spawned(self, owner: object, steps: Steps[None]) -> None:
        scopes = self._scopes.setdefault(owner, set())
        with anyio.CancelScope() as scope:
            scopes.add(scope)
            try:
                await self.run(steps)
            finally:
                scopes.discard(scope)
                if not scopes:
                    self._scopes.pop(owner, None)

    async def _until(self, condition: Callable[[], bool], timeout_s: float | None) -> bool:
        with anyio.move_on_after(timeout_s):
            while not condition():
                event = anyio.Event()
                self._waiting.append(event)
                await event.wait()
            return True
        return condition()
