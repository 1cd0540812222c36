"""The controller's door to Memgraph: which trouble is which, against a simulated instance."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from memgraph_process import Memgraph

from controller.core.logins import Login, set_password
from controller.memgraph import Bolt
from controller.ports import Denied, Refused, Rejected, Silent

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def bolt_of(memgraph: Memgraph) -> str:
    """Its Bolt address."""
    return f"127.0.0.1:{memgraph.bolt}"


@pytest.fixture
def memgraph(tmp_path: Path) -> Iterator[Memgraph]:
    init = tmp_path / "users.cypherl"
    init.write_text("CREATE USER ops IDENTIFIED BY 'right';\n")
    instance = Memgraph(tmp_path / "data", (f"--init-file={init}",))
    instance.start(born_replica=False)
    try:
        yield instance
    finally:
        instance.stop()


@pytest.fixture
async def bolt() -> AsyncIterator[Bolt]:
    door = Bolt(lambda: (Login("ops", "right"),))
    yield door
    await door.aclose()


async def test_rows_come_back_by_name(memgraph: Memgraph, bolt: Bolt) -> None:
    """With the right credentials."""
    rows = await bolt.run(bolt_of(memgraph), "SHOW REPLICATION ROLE;", timeout=5)
    assert rows == [{"replication role": "main"}]


async def test_a_statement_it_refuses_is_rejected_with_its_text(memgraph: Memgraph, bolt: Bolt) -> None:
    """The text is what tells busy from wrong (M-2.3)."""
    with pytest.raises(Rejected, match="Couldn't set replication role to main!"):
        await bolt.run(bolt_of(memgraph), "SET REPLICATION ROLE TO MAIN;", timeout=5)


async def test_wrong_credentials_are_denied(memgraph: Memgraph) -> None:
    """Memgraph's code for it is its own: the driver does not know it (M-2.1)."""
    door = Bolt(lambda: (Login("ops", "wrong"),))
    try:
        with pytest.raises(Denied):
            await door.run(bolt_of(memgraph), "SHOW REPLICATION ROLE;", timeout=5)
    finally:
        await door.aclose()


async def test_the_old_password_is_tried_where_the_new_one_is_refused(memgraph: Memgraph) -> None:
    """P-U: an instance that started before the Secret changed; after it was told, the new one works."""
    old, new = Login("ops", "right"), Login("ops", "n'e\\w")
    door = Bolt(lambda: (new, old))
    try:
        assert await door.run(bolt_of(memgraph), "SHOW USERS;", timeout=5) == [{"user": "ops"}]
        assert not await door.admits(bolt_of(memgraph), new, timeout=5)
        await door.run(bolt_of(memgraph), set_password(new), timeout=5)
        assert await door.admits(bolt_of(memgraph), new, timeout=5)
        assert not await door.admits(bolt_of(memgraph), old, timeout=5)
        await door.forget(bolt_of(memgraph))
        assert await door.run(bolt_of(memgraph), "SHOW USERS;", timeout=5) == [{"user": "ops"}]
    finally:
        await door.aclose()


async def test_a_hung_process_is_silent_and_a_dead_one_refuses(memgraph: Memgraph, bolt: Bolt) -> None:
    """P-F1 counts them differently, whether or not a pooled connection was open."""
    await bolt.run(bolt_of(memgraph), "SHOW REPLICATION ROLE;", timeout=5)
    assert memgraph.process is not None
    memgraph.process.send_signal(signal.SIGSTOP)
    with pytest.raises(Silent):
        await bolt.run(bolt_of(memgraph), "SHOW REPLICATION ROLE;", timeout=0.3)
    memgraph.process.kill()
    memgraph.process.wait(10)
    with pytest.raises(Refused):
        await bolt.run(bolt_of(memgraph), "SHOW REPLICATION ROLE;", timeout=5)
