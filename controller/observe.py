"""Asks every instance over Bolt, each in its own task, so that a hung one never delays the others (P-F1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import anyio
import anyio.abc

from controller import questions
from controller.core import parse
from controller.core.model import Answer, Instance, Pod, Registration, Role
from controller.metrics import Probed
from controller.ports import Database, Denied, PortError, Refused, Silent

PROBE_TIMEOUT_S: Final = 0.5  # P-F1: three of these in a row are a hung main
# Where there are users: a login takes Memgraph's bcrypt some 0.3 s, more on a busy or slow machine, and one that is cut
# off begins anew. Once a process answered, its connections are kept, and the short timeout holds.
FIRST_LOGIN_S: Final = 1.5
_AGAIN_S: Final = 0.1  # P-F1: a refusal is confirmed this much later
# P-F1 says 15 s for both. REGISTER comes right after its replica accepted a connection and said `replica`: what can
# stall it is a link that breaks between the two, for one connect timeout of Memgraph (5 s, M-3.6). With 15 s, a main
# that froze during a registration went unnoticed for 17 s.
REGISTER_STALL_S: Final = 6.0
DROP_STALL_S: Final = 15.0
_STORAGE_EVERY_S: Final = 5.0  # SHOW STORAGE INFO walks the disk: what it says changes rarely


class Prober:
    """Keeps one Instance for each ordinal up to date and calls `changed` after every answer and every miss."""

    def __init__(
        self,
        database: Database,
        interval_s: float,
        changed: Callable[[], None],
        probed: Callable[[int, Probed, float], None] = lambda _, __, ___: None,
        first_timeout_s: float = PROBE_TIMEOUT_S,
    ) -> None:
        self._database = database
        self._interval_s = interval_s
        self._first_timeout_s = first_timeout_s
        self._changed = changed
        self._probed = probed
        self._instances: dict[int, Instance] = {}
        self._locks: dict[int, anyio.Lock] = {}
        self._storage: dict[int, tuple[float, dict[str, Any]]] = {}
        self._commanded_until: dict[int, float] = {}
        self._started: set[int] = set()
        self._group: anyio.abc.TaskGroup | None = None

    @property
    def instances(self) -> tuple[Instance, ...]:
        """What is known now, by ordinal."""
        return tuple(self._instances[ordinal] for ordinal in sorted(self._instances))

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Probe until cancelled."""
        async with anyio.create_task_group() as group:
            self._group = group
            # Counts of an earlier time as leader say nothing about now.
            self._instances = {o: Instance(o, known.pod) for o, known in self._instances.items()}
            task_status.started()
            try:
                self._start_missing()
                await anyio.sleep_forever()
            finally:
                self._group = None
                self._started.clear()

    async def pods_changed(self, pods: Mapping[int, Pod], wanted: int) -> None:
        """Take in what the API server says. An answer of a process that is gone is forgotten with it."""
        for ordinal in set(pods) | set(range(wanted)) | set(self._instances):
            known = self._instances.get(ordinal, Instance(ordinal))
            pod = pods.get(ordinal)
            same = pod is not None and known.pod is not None and pod.incarnation == known.pod.incarnation
            self._instances[ordinal] = replace(known, pod=pod) if same else Instance(ordinal, pod)
            if not same:
                self._storage.pop(ordinal, None)
                if known.pod is not None:
                    await self._database.forget(known.pod.bolt_address)
        self._start_missing()
        self._changed()

    async def refresh(self, ordinal: int) -> None:
        """Ask this instance now; returns when its answer is in. Storage information is asked anew, too."""
        self._storage.pop(ordinal, None)
        await self._probe(ordinal)

    @asynccontextmanager
    async def commanding(self, ordinal: int, stall_s: float) -> AsyncIterator[None]:
        """While inside, and if the command goes unanswered, for `stall_s`, misses of this instance are not counted."""
        self._commanded_until[ordinal] = anyio.current_time() + stall_s
        try:
            yield
        except Silent:
            raise  # it may still be running there
        except BaseException:
            self._commanded_until.pop(ordinal, None)
            raise
        self._commanded_until.pop(ordinal, None)

    def _start_missing(self) -> None:
        if self._group is None:
            return
        for ordinal in self._instances:
            if ordinal not in self._started:
                self._started.add(ordinal)
                self._group.start_soon(self._keep_probing, ordinal)

    async def _keep_probing(self, ordinal: int) -> None:
        while True:
            began = anyio.current_time()
            await self._probe(ordinal)
            self._changed()
            pause = _AGAIN_S if self._instances[ordinal].refused == 1 else self._interval_s
            # A probe that timed out has taken its interval already: three of them are a hung main (P-F1).
            await anyio.sleep(max(0.0, pause - (anyio.current_time() - began)))

    async def _probe(self, ordinal: int) -> None:
        async with self._locks.setdefault(ordinal, anyio.Lock()):
            pod = self._instances[ordinal].pod
            if pod is None or not pod.ip or not pod.running:
                return
            started = anyio.current_time()
            answer: Answer | None = None
            problem: PortError | None = None
            try:
                timeout = PROBE_TIMEOUT_S if self._instances[ordinal].answer else self._first_timeout_s
                answer = await self._ask(ordinal, pod, started, timeout)
            except PortError as error:
                problem = error
            self._probed(ordinal, _how(problem), anyio.current_time() - started)
            current = self._instances[ordinal]
            if current.pod is None or current.pod.incarnation != pod.incarnation:
                return  # the process changed under the question
            self._instances[ordinal] = self._after(current, answer, problem, started)

    def _after(self, known: Instance, answer: Answer | None, problem: PortError | None, started: float) -> Instance:
        if answer is not None:
            return Instance(known.ordinal, known.pod, answer)
        if started < self._commanded_until.get(known.ordinal, 0.0):
            return known
        if isinstance(problem, Refused):
            return replace(known, refused=known.refused + 1, silent=0, silent_since=None, denied=False)
        if isinstance(problem, Silent):
            since = known.silent_since if known.silent_since is not None else started
            return replace(known, silent=known.silent + 1, refused=0, silent_since=since, denied=False)
        # Whatever it is, it is no candidate (P-U). It lives: refusing is an answer.
        denied = isinstance(problem, Denied)
        return replace(known, answer=None, refused=0, silent=0, silent_since=None, denied=denied)

    def _looks_different(self, ordinal: int, role: Role, registrations: tuple[Registration, ...] | None) -> bool:
        """Whether another process may have got this address: then whose database it holds is asked anew (P-F9)."""
        known = self._instances[ordinal].answer
        return known is None or (role, _peers(registrations)) != (known.role, _peers(known.registrations))

    async def _ask(self, ordinal: int, pod: Pod, started: float, timeout: float) -> Answer:
        deadline = started + timeout

        async def rows(query: str) -> list[dict[str, Any]]:
            left = max(deadline - anyio.current_time(), 0.01)
            return await self._database.run(pod.bolt_address, query, timeout=left)

        role = await questions.role(rows)
        registrations = None
        if role is Role.MAIN:
            registrations = parse.registrations(await rows("SHOW REPLICAS;"))
        indexes = await rows("SHOW INDEX INFO;")
        at, info = self._storage.get(ordinal, (0.0, {}))
        if not info or started - at > _STORAGE_EVERY_S or self._looks_different(ordinal, role, registrations):
            info = await questions.storage(rows)
            self._storage[ordinal] = (started, info)
        return Answer(
            role=role,
            at=started,
            registrations=registrations,
            marker=parse.marker(indexes),
            database_uuid=str(info.get("database_uuid", "")),
            vertices=int(info.get("vertex_count", 0)),
            user_schema=parse.user_indexes(indexes),
            transactional=parse.transactional(info),
        )


def _peers(registrations: tuple[Registration, ...] | None) -> list[tuple[str, str]]:
    return [(row.name, row.address) for row in registrations or ()]


def _how(problem: PortError | None) -> Probed:
    match problem:
        case None:
            return Probed.ANSWERED
        case Refused():
            return Probed.REFUSED
        case Silent():
            return Probed.SILENT
    return Probed.DENIED
