"""Which users an instance knows is asked by logging in; and giving it one never quotes a password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from secret_folder import write_secret

from controller.act import Actor
from controller.core.actions import AnswerRequest, ApplyUser, Outcome, Target
from controller.core.logins import Login
from controller.core.model import (
    Absent,
    Answer,
    Instance,
    Pod,
    ReseedOrder,
    ReseedOrders,
    Role,
    Stored,
    UsersKnown,
)
from controller.observe import Prober
from controller.ports import Asked, Rejected
from controller.users import Users
from controller.usersecret import UserSecret
from sidecar.contract.state import Document

pytestmark = pytest.mark.anyio
POD = Pod("m-0", "u0", "10.0.0.1", 7687, 10000, "m-0:10000", "v0", "c0")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """One instance with users; without any it lets everybody in."""

    def __init__(self) -> None:
        self.users: dict[str, str] = {}
        self.statements: list[str] = []
        self.refuses = False
        self.role = "main"

    async def run(
        self, address: str, query: str, parameters: Mapping[str, Any] | None = None, *, timeout: float
    ) -> list[dict[str, Any]]:
        if query.startswith("SHOW REPLICATION ROLE"):
            return [{"replication role": self.role}]
        if query.startswith("SHOW USERS"):
            return [{"user": name} for name in self.users]
        self.statements.append(query)
        if self.refuses:
            raise Rejected(f"syntax error near {query}")
        found = re.search(r"`(.+)` (?:IDENTIFIED BY|TO) '(.*)';", query)
        assert found is not None
        self.users[found[1]] = found[2]
        return []

    async def admits(self, address: str, login: Login, *, timeout: float) -> bool:
        return not self.users or self.users.get(login.name) == login.password

    async def connects(self, host: str, port: int, *, timeout: float) -> bool:
        return True

    async def forget(self, address: str) -> None:
        return None


class Nobody:
    """Document, cluster and a lease that lasts: nothing but the lease is needed here."""

    pods: ClassVar[Mapping[int, Pod]] = {}
    replicas_wanted = 1
    other_controllers = 0
    listed_at = 0.0

    def remaining(self) -> float:
        return 4.0

    def resign(self) -> None:
        raise AssertionError("not asked for")

    async def read(self) -> Stored:
        return Absent()

    async def write(self, document: Document, resource_version: str | None) -> None:
        raise AssertionError("not asked for")

    def look_again(self) -> None:
        raise AssertionError("not asked for")

    async def delete_pod(self, pod: Pod, *, graceful: bool = False) -> None:
        raise AssertionError("not asked for")

    async def reseed_orders(self) -> ReseedOrders:
        return ReseedOrders()

    async def write_reseed_order(self, order: ReseedOrder | None, resource_version: str | None) -> None:
        raise AssertionError("not asked for")

    async def record_event(self, reason: str, message: str, *, warning: bool) -> None:
        return None


class NoRequests:
    """Nobody asks for anything."""

    async def read(self) -> Asked:
        return Asked()

    async def answer(self, action: AnswerRequest) -> None:
        raise AssertionError("not asked for")


class Desk:
    """A server, a Secret with ops and app, and what is known."""

    def __init__(self, folder: Path) -> None:
        write_secret(folder, {"ops": "1", "app": "2"})
        self.server = Server()
        self.secret = UserSecret(folder, "ops", None)
        self.secret.look()
        self.heard = anyio.Event()
        self.users = Users(self.server, self.server, self.secret, self.heard.set)
        self.instance = Instance(0, POD, Answer(Role.MAIN, 0.0))

    @property
    def version(self) -> str:
        assert self.secret.wanted is not None
        return self.secret.wanted.version

    async def known(self) -> UsersKnown | None:
        """Ask, and wait for the answer."""
        self.heard = anyio.Event()
        self.users = Users(self.server, self.server, self.secret, self.heard.set)
        async with anyio.create_task_group() as group:
            group.start_soon(self.users.run, lambda: (self.instance,))
            await self.heard.wait()
            group.cancel_scope.cancel()
        return self.users.seen((self.instance,))[0].users

    async def apply(self, name: str) -> bool:
        """What the actor does."""
        run = partial(self.server.run, POD.bolt_address, timeout=1)
        return await self.users.apply(0, POD, self.version, name, run)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_an_instance_without_users_lacks_them_all_although_it_lets_everybody_in(desk: Desk) -> None:
    """A login alone would prove nothing."""
    assert await desk.known() == UsersKnown(desk.version, ("app", "ops"))


async def test_another_password_counts_as_lacking(desk: Desk) -> None:
    """SHOW USERS alone would prove nothing."""
    desk.server.users = {"ops": "1", "app": "old"}
    assert await desk.known() == UsersKnown(desk.version, ("app",))


async def test_what_was_applied_is_known(desk: Desk) -> None:
    """One user a time; created where it is missing, given its password where it is there."""
    desk.server.users = {"app": "old"}
    await desk.known()
    assert await desk.apply("app")
    assert desk.users.seen((desk.instance,))[0].users == UsersKnown(desk.version, ("ops",))
    assert await desk.apply("ops")
    assert desk.users.seen((desk.instance,))[0].users == UsersKnown(desk.version, ())
    assert [statement.split("`")[0] for statement in desk.server.statements] == [
        "SET PASSWORD FOR ",
        "CREATE USER IF NOT EXISTS ",
    ]


async def test_what_is_known_of_a_process_is_forgotten_with_it(desk: Desk) -> None:
    """The next one read its init-file anew."""
    await desk.known()
    other = Instance(0, Pod("m-0", "u0", "10.0.0.1", 7687, 10000, "m-0:10000", "v0", "c1"))
    assert desk.users.seen((other,))[0].users is None


async def test_a_refused_statement_is_not_quoted(desk: Desk) -> None:
    """Memgraph's syntax errors quote what they refuse."""
    desk.server.refuses = True
    with pytest.raises(Rejected) as caught:
        await desk.apply("ops")
    assert "refuses user ops" in str(caught.value)
    assert "IDENTIFIED" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(("role", "outcome"), [("main", Outcome.DONE), ("replica", Outcome.FAILED)])
async def test_only_a_main_is_told(desk: Desk, role: str, outcome: Outcome) -> None:
    """The role is asked again right before: a replica would refuse, and say so in its log with the statement."""
    desk.server.role = role
    prober = Prober(desk.server, 0.5, lambda: None)
    actor = Actor(desk.server, Nobody(), Nobody(), NoRequests(), prober, Nobody(), lambda document: None, desk.users)
    assert (await actor.execute(ApplyUser(Target(0, POD), desk.version, "ops")))[0] is outcome
    assert len(desk.server.statements) == (1 if role == "main" else 0)


async def test_a_version_that_is_gone_is_not_applied(desk: Desk) -> None:
    """The Secret changed between plan and action."""
    run = partial(desk.server.run, POD.bolt_address, timeout=1)
    assert not await desk.users.apply(0, POD, "older", "ops", run)
    assert desk.server.statements == []
