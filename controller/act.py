"""Executes one action. Every command is preceded by a look at the lease and at the pod, and read back (P-W3)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

import anyio

from controller import questions
from controller.core import parse
from controller.core.actions import (
    Action,
    AnswerRequest,
    ApplyUser,
    CloseOrder,
    DeletePod,
    Demote,
    Drop,
    Mark,
    Outcome,
    Promote,
    Prove,
    Publish,
    Register,
    Reseed,
    StepDown,
    Target,
)
from controller.core.model import Found, Pod, Role
from controller.observe import DROP_STALL_S, REGISTER_STALL_S, Prober
from controller.ports import (
    Cluster,
    Conflict,
    Database,
    Denied,
    LostAnswer,
    PortError,
    Rejected,
    RequestStore,
    Silent,
    StateStore,
)
from controller.reseeder import Reseeder
from controller.users import Users
from sidecar.contract.state import Document

_COMMAND_S: Final = 1.5  # P-W3
_LOCK_TRIES_S: Final = 2.0  # P-S5: how long a refused try-lock is tried again
_LOCK_PAUSE_S: Final = 0.01
_PROOF_S: Final = 0.5  # a replica applies the second phase right after the main answered
_PROOF_PAUSE_S: Final = 0.01
_REGISTER_ERROR: Final = re.compile(r"Error: (\d+)")
_BUSY: Final = "6"
_DIVERGED: Final = "3"


class Leadership(Protocol):
    """The lease, as an action needs it."""

    def remaining(self) -> float:
        """Seconds for which this process may still act."""

    def resign(self) -> None:
        """Give the lease up."""


class NotLeading(Exception):
    """The lease is too short for this call: it was not made."""


class Actor:
    """Turns actions into commands. `execute` never raises for what the world does: it answers with an Outcome."""

    def __init__(
        self,
        database: Database,
        store: StateStore,
        cluster: Cluster,
        requests: RequestStore,
        prober: Prober,
        leadership: Leadership,
        published: Callable[[Document], None],
        users: Users | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._cluster = cluster
        self._requests = requests
        self._prober = prober
        self._leadership = leadership
        self._published = published
        self._users = users
        self._reseeder = Reseeder(store, cluster, partial(self._may, _COMMAND_S), self._run)

    async def execute(self, action: Action) -> tuple[Outcome, str]:
        """Do it; how it ended, and what the other side said if that was not a plain success."""
        try:
            return await self._dispatch(action), ""
        except NotLeading:
            return Outcome.FAILED, "the lease is about to end"
        except (Silent, LostAnswer) as error:
            return Outcome.UNKNOWN, str(error)
        except Conflict as error:
            return Outcome.CONFLICT, str(error)
        except Rejected as error:
            return (Outcome.BUSY if _lock_busy(error) else Outcome.FAILED), str(error)
        except Denied as error:
            return Outcome.FAILED, str(error)
        except PortError as error:
            return Outcome.FAILED, f"{type(error).__name__}: {error}"

    async def _dispatch(self, action: Action) -> Outcome:
        match action:
            case Publish():
                return await self._publish(action)
            case Promote():
                return await self._promote(action)
            case Demote():
                return await self._demote(action)
            case Mark():
                return await self._mark(action)
            case Register():
                return await self._register(action)
            case Drop():
                return await self._drop(action.on, action.name)
            case Prove():
                return await self._prove(action)
            case ApplyUser():
                return await self._apply_user(action)
            case DeletePod():
                self._may(_COMMAND_S)
                await self._cluster.delete_pod(action.pod)
            case Reseed():
                return await self._reseeder.order(action)
            case CloseOrder():
                await self._reseeder.close(action)
            case AnswerRequest():
                await self._answer(action)
            case StepDown():
                self._leadership.resign()
        return Outcome.DONE

    def _may(self, timeout: float) -> None:
        if self._leadership.remaining() < timeout:
            raise NotLeading

    async def _run(self, pod: Pod, query: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        self._may(_COMMAND_S)
        return await self._database.run(pod.bolt_address, query, parameters, timeout=_COMMAND_S)

    async def _publish(self, action: Publish) -> Outcome:
        self._may(_COMMAND_S)
        try:
            await self._store.write(action.document, action.resource_version)
        except LostAnswer:
            stored = await self._store.read()
            if not isinstance(stored, Found) or stored.document != action.document:
                raise
        self._published(action.document)
        return Outcome.DONE

    async def _answer(self, action: AnswerRequest) -> None:
        self._may(_COMMAND_S)
        try:
            await self._requests.answer(action)
        except LostAnswer:
            if (await self._requests.read()).answer != action.answer:
                raise

    async def _role(self, pod: Pod) -> Role:
        return await questions.role(partial(self._run, pod))

    async def _promote(self, action: Promote) -> Outcome:
        """Nothing cached decides this: the pod's process and its database are looked at again first."""
        pod = action.on.pod
        current = self._cluster.pods.get(action.on.ordinal)
        if current is None or current.incarnation != pod.incarnation:
            return Outcome.FAILED
        info = await questions.storage(partial(self._run, pod))
        if info.get("database_uuid") != action.database_uuid:
            return Outcome.FAILED
        return await self._change_role(action.on, Role.MAIN)

    async def _demote(self, action: Demote) -> Outcome:
        """P-P: what the plan saw may be older than the last commit. Registrations are gone once it is a replica."""

        async def holds_everything() -> bool:
            rows = parse.registrations(await self._run(action.on.pod, "SHOW REPLICAS;"))
            return any(row.name == action.partner and row.caught_up for row in rows)

        return await self._change_role(action.on, Role.REPLICA, holds_everything if action.partner else None)

    async def _change_role(
        self, on: Target, wanted: Role, still: Callable[[], Awaitable[bool]] | None = None
    ) -> Outcome:
        """Set the role and read it back. "Lock busy" and "already so" share one text: only the role tells (M-2.3).

        `still` is asked before each try whether it is still right.
        """
        pod = on.pod
        role = "MAIN" if wanted is Role.MAIN else f"REPLICA WITH PORT {pod.replication_port}"
        deadline = anyio.current_time() + _LOCK_TRIES_S
        while await self._role(pod) is not wanted:
            if still is not None and not await still():
                return Outcome.FAILED
            try:
                await self._run(pod, f"SET REPLICATION ROLE TO {role};")
            except Rejected:
                if anyio.current_time() >= deadline:
                    raise
                await anyio.sleep(_LOCK_PAUSE_S)
            except Silent:
                if await self._role(pod) is wanted:
                    return Outcome.DONE
                raise
        return Outcome.DONE

    async def _mark(self, action: Mark) -> Outcome:
        pod = action.on.pod
        there = parse.markers(await self._run(pod, "SHOW INDEX INFO;"))
        if action.epoch not in there:
            await self._run(pod, f"CREATE INDEX ON :{parse.MARKER_LABEL}{action.epoch};")
        for epoch in there:
            if epoch != action.epoch:
                await self._run(pod, f"DROP INDEX ON :{parse.MARKER_LABEL}{epoch};")
        await self._run(pod, f"MATCH (n:{parse.PROBE_LABEL}) DETACH DELETE n;")
        return Outcome.DONE

    async def _apply_user(self, action: ApplyUser) -> Outcome:
        pod = action.on.pod
        if self._users is None or await self._role(pod) is not Role.MAIN:
            return Outcome.FAILED
        run = partial(self._run, pod)
        done = await self._users.apply(action.on.ordinal, pod, action.version, action.name, run)
        return Outcome.DONE if done else Outcome.FAILED

    async def _register(self, action: Register) -> Outcome:
        """P-F9: a REGISTER of something that does not listen, or is no replica, would stall the main (M-2.4)."""
        replica, main = action.replica.pod, action.on.pod
        if not await self._database.connects(replica.ip, replica.replication_port, timeout=_COMMAND_S):
            return Outcome.FAILED
        if await self._role(replica) is not Role.REPLICA:
            return Outcome.FAILED
        if action.drop is not None:
            await self._drop(action.on, action.drop)
        async with self._prober.commanding(action.on.ordinal, REGISTER_STALL_S):
            query = f'REGISTER REPLICA {action.name} {action.mode.value.upper()} TO "{action.address}";'
            deadline = anyio.current_time() + _LOCK_TRIES_S
            while True:
                try:
                    await self._run(main, query)
                    return Outcome.DONE
                except Rejected as error:
                    found = _REGISTER_ERROR.search(str(error))
                    number = found[1] if found else ""
                    if number == _BUSY and anyio.current_time() < deadline:
                        await anyio.sleep(_LOCK_PAUSE_S)
                        continue
                    if number != _BUSY:
                        await self._drop(action.on, action.name)  # what is left behind is a ghost (M-2.4)
                    if number == _DIVERGED:
                        return Outcome.DIVERGED
                    raise

    async def _drop(self, on: Target, name: str) -> Outcome:
        """DROP, tried again while the lock is busy. Dropping what is not there is success."""
        deadline = anyio.current_time() + _LOCK_TRIES_S
        while True:
            try:
                async with self._prober.commanding(on.ordinal, DROP_STALL_S):
                    await self._run(on.pod, f"DROP REPLICA {name};")
                return Outcome.DONE
            except Rejected as error:
                if not _lock_busy(error):
                    return Outcome.DONE
                if anyio.current_time() >= deadline:
                    raise
                await anyio.sleep(_LOCK_PAUSE_S)

    async def _prove(self, action: Prove) -> Outcome:
        """P-M2: what the main commits now arrives at *that* pod, not at whoever else has the address."""
        token = secrets.token_hex(8)
        main, replica = action.on.pod, action.replica.pod
        parameters = {"token": token}
        await self._run(main, f"CREATE (:{parse.PROBE_LABEL} {{token: $token}});", parameters)
        count = f"MATCH (n:{parse.PROBE_LABEL} {{token: $token}}) RETURN count(n) AS found;"
        deadline = anyio.current_time() + _PROOF_S
        found = 0
        while not found and anyio.current_time() < deadline:
            rows = await self._run(replica, count, parameters)
            found = int(rows[0]["found"])
            if not found:
                await anyio.sleep(_PROOF_PAUSE_S)
        await self._run(main, f"MATCH (n:{parse.PROBE_LABEL}) DETACH DELETE n;")
        return Outcome.DONE if found else Outcome.FAILED


def _lock_busy(error: Rejected) -> bool:
    """REGISTER's and DROP's one-shot try-lock was held by a commit (M-2.4)."""
    found = _REGISTER_ERROR.search(str(error))
    return "unique access" in str(error) or (found is not None and found[1] == _BUSY)
