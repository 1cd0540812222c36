"""What each instance knows of the wanted users: asked by logging in as each of them, once a process and version (P-U).

SHOW USERS has only names, and an instance without any user lets everybody in: only both together are proof.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import anyio
import anyio.abc

from controller.core.logins import Login, create, set_password
from controller.core.model import Instance, Pod, UsersKnown, UsersWanted
from controller.ports import Database, Door, PortError, Rejected
from controller.usersecret import UserSecret

_TIMEOUT_S: Final = 1.5  # like a command; Memgraph's bcrypt takes some 0.3 s of it
_LOOK_EVERY_S: Final = 0.1  # who answers now and was not asked yet
_AGAIN_S: Final = 1.0  # after an instance could not be asked

Run = Callable[[str], Awaitable[list[dict[str, Any]]]]


class Users:
    """Runs beside the probes, and never delays one: a password check takes a server long on purpose."""

    def __init__(self, database: Database, door: Door, secret: UserSecret, changed: Callable[[], None]) -> None:
        self._database = database
        self._door = door
        self._secret = secret
        self._changed = changed
        self._known: dict[int, tuple[str, UsersKnown]] = {}
        self._asking: set[int] = set()

    @property
    def wanted(self) -> UsersWanted | None:
        """Who the instances should know now."""
        return self._secret.wanted

    def seen(self, instances: tuple[Instance, ...]) -> tuple[Instance, ...]:
        """The instances with what is known of their users."""
        return tuple(replace(instance, users=self._of(instance)) for instance in instances)

    async def run(self, instances: Callable[[], tuple[Instance, ...]]) -> None:
        """Ask every instance that answers, each in its own task, until cancelled."""
        self._asking.clear()
        async with anyio.create_task_group() as group:
            while True:
                for instance in instances():
                    if self._to_ask(instance):
                        self._asking.add(instance.ordinal)
                        group.start_soon(self._ask, instance)
                await anyio.sleep(_LOOK_EVERY_S)

    async def apply(self, ordinal: int, pod: Pod, version: str, name: str, run: Run) -> bool:
        """Give a main this user with its password, and log in with it; whether that worked.

        `run` executes a statement there. What the instance says to a refused one may quote it: it is not passed on.
        """
        login = self._secret.login(version, name)
        if login is None:
            return False
        exists = name in _names(await run("SHOW USERS;"))
        try:
            await run(set_password(login) if exists else create(login))
        except Rejected:
            raise Rejected(f"{pod.name} refuses user {name} or its password") from None
        if not await self._knows(pod, login):
            return False
        incarnation, known = self._known.get(ordinal, ("", UsersKnown("", ())))
        if (incarnation, known.version) == (pod.incarnation, version):
            lacks = tuple(other for other in known.lacks if other != name)
            self._known[ordinal] = (incarnation, UsersKnown(version, lacks))
        return True

    def _of(self, instance: Instance) -> UsersKnown | None:
        incarnation, known = self._known.get(instance.ordinal, ("", None))
        return known if instance.pod is not None and instance.pod.incarnation == incarnation else None

    def _to_ask(self, instance: Instance) -> bool:
        if self.wanted is None or instance.pod is None or instance.answer is None or instance.ordinal in self._asking:
            return False
        if instance.refused or instance.silent:
            return False
        known = self._of(instance)
        return known is None or known.version != self.wanted.version

    async def _ask(self, instance: Instance) -> None:
        wanted, pod = self.wanted, instance.pod
        assert wanted is not None, "there is a version to ask for"
        assert pod is not None, "an instance that answers has a pod"
        try:
            there = _names(await self._database.run(pod.bolt_address, "SHOW USERS;", timeout=_TIMEOUT_S))
            lacks = []
            for name in wanted.names:
                login = self._secret.login(wanted.version, name)
                if login is None:
                    return  # the Secret changed meanwhile
                if name not in there or not await self._knows(pod, login):
                    lacks.append(name)
            self._known[instance.ordinal] = (pod.incarnation, UsersKnown(wanted.version, tuple(lacks)))
            self._changed()
        except PortError:
            await anyio.sleep(_AGAIN_S)
        finally:
            self._asking.discard(instance.ordinal)

    async def _knows(self, pod: Pod, login: Login) -> bool:
        return await self._door.admits(pod.bolt_address, login, timeout=_TIMEOUT_S)


def _names(rows: list[dict[str, Any]]) -> set[str]:
    return {str(row.get("user", "")).lower() for row in rows}
