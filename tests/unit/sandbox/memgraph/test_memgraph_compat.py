"""What each imitated release says and shows of commits, registrations and positions (M-2, M-3.6), and in Bolt.

The texts are literals from the releases' sources.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from imitated import NEW, OLD, Cell, metadata
from virtual_memgraph import World

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt.messages import BEGIN, COMMIT, DISCARD, LOGOFF, LOGON, PULL
from sandbox.memgraph.core.bolt.stream import MAGIC, negotiate
from sandbox.memgraph.core.compat import COMPAT, LEVELS
from sandbox.memgraph.core.errors import (
    DIVERGED,
    NOT_IN_SYNC,
    RPC_ERROR,
    RPC_TIMEOUT,
    Failure,
    NotReplicated,
    QueryError,
)
from sandbox.memgraph.core.instance import Instance
from sandbox.memgraph.core.messages import Finalize, Loss, Lost, Prepare, Request, WalFiles

CLIENT, TRANSIENT, SUCCESS = errors.CLIENT, errors.TRANSIENT, 0x70
CHECK = " Check the status of the replicas using 'SHOW REPLICAS' query."
SYNC_DOWN = (
    "Failed to replicate to SYNC replica 'b': replica is not reachable or not in sync with the main. Replica will be "
    "recovered automatically. Transaction is still committed on the main instance and other alive replicas." + CHECK
)
SYNC_DOWN_OLD = "At least one SYNC replica has not confirmed committing last transaction." + CHECK
STRICT_DOWN = (
    "Failed to replicate to STRICT_SYNC replica 'b': replica is not reachable or not in sync with the main. Replica "
    "will be recovered automatically. Transaction was aborted on all instances." + CHECK
)
STRICT_DOWN_OLD = (
    "At least one STRICT_SYNC replica has not confirmed committing last transaction. Transaction will be aborted on "
    "all instances." + CHECK
)


def test_the_default_is_the_newest_release() -> None:
    assert LEVELS == ("3.6", "3.9", "3.12", "master")
    assert World().start("a").settings.compat is COMPAT["3.12"]


@pytest.mark.parametrize(
    ("failures", "text"),
    [
        (
            [Failure("x", "SYNC", DIVERGED)],
            "Failed to replicate to SYNC replica 'x': replica has diverged from main. Replica will be recovered "
            "automatically.",
        ),
        (
            [Failure("x", "SYNC", RPC_ERROR), Failure("y", "SYNC", NOT_IN_SYNC)],
            "Failed to replicate to SYNC replica 'x': RPC communication error. Failed to replicate to SYNC replica "
            "'y': replica is not reachable or not in sync with the main. Replicas will be recovered automatically.",
        ),
        (
            [Failure(name, "STRICT_SYNC", NOT_IN_SYNC) for name in "xyz"],
            "Failed to replicate to STRICT_SYNC replicas 'x', 'y' and 'z': replicas are not reachable or not in sync "
            "with the main. Replicas will be recovered automatically.",
        ),
        (
            [Failure(name, "STRICT_SYNC", DIVERGED) for name in "xy"],
            "Failed to replicate to STRICT_SYNC replicas 'x' and 'y': replicas have diverged from main. Replicas will "
            "be recovered automatically.",
        ),
        (
            [Failure("x", "STRICT_SYNC", NOT_IN_SYNC), Failure("y", "SYNC", NOT_IN_SYNC)],
            "Failed to replicate to STRICT_SYNC replica 'x': replica is not reachable or not in sync with the main. "
            "Failed to replicate to SYNC replica 'y': replica is not reachable or not in sync with the main. Replicas "
            "will be recovered automatically.",
        ),
    ],
)
@pytest.mark.parametrize("committed", [True, False])
def test_failures_are_grouped_by_mode_and_reason(failures: list[Failure], text: str, *, committed: bool) -> None:
    fate = (
        "Transaction is still committed on the main instance and other alive replicas."
        if committed
        else "Transaction was aborted on all instances."
    )
    for level in NEW:
        error = NotReplicated(failures, COMPAT[level], committed=committed)
        assert error.message == f"Replication Exception: {text} {fate}{CHECK}"


def test_a_timeout_has_a_tail() -> None:
    failures = [Failure("x", "SYNC", RPC_TIMEOUT), Failure("y", "SYNC", NOT_IN_SYNC), Failure("z", "SYNC", RPC_TIMEOUT)]
    assert NotReplicated(failures, COMPAT["3.12"], committed=True).message == (
        "Replication Exception: Failed to replicate to SYNC replicas 'x' and 'z': RPC timeout while replicating. "
        "Failed to replicate to SYNC replica 'y': replica is not reachable or not in sync with the main. Replicas will "
        "be recovered automatically. Transaction is still committed on the main instance and other alive replicas. "
        "Main reached an RPC timeout while replicating to [x, z]. One possible reason for this error is that the "
        "replica is down and in that case make sure to recover it. If all of your replicas are up and running "
        "normally, then please try setting a smaller parameter value for 'deltas_batch_progress_size' using 'SET "
        "COORDINATOR SETTING' query on the coordinator. Check the status of the replicas using 'SHOW REPLICAS' query."
    )


@pytest.mark.parametrize(
    ("level", "mode", "message", "at_pull"),
    [
        ("3.6", "SYNC", SYNC_DOWN_OLD, TRANSIENT),
        ("3.6", "STRICT_SYNC", STRICT_DOWN_OLD, TRANSIENT),
        ("3.9", "SYNC", SYNC_DOWN_OLD, CLIENT),
        ("3.9", "STRICT_SYNC", STRICT_DOWN_OLD, CLIENT),
        ("3.12", "SYNC", SYNC_DOWN, CLIENT),
        ("3.12", "STRICT_SYNC", STRICT_DOWN, CLIENT),
        ("master", "STRICT_SYNC", STRICT_DOWN, CLIENT),
    ],
)
@pytest.mark.parametrize("tag", [PULL, DISCARD])
def test_replica_down_is_an_error(level: str, mode: str, message: str, at_pull: str, tag: int) -> None:
    wanted = {"code": at_pull, "message": f"Replication Exception: {message}"}
    auto, explicit, textual = (Cell(level) for _ in range(3))
    for cell in (auto, explicit, textual):
        cell.lose_replica(mode)
    auto.run("CREATE (:T)")
    assert metadata(auto.say(tag, {"n": -1})) == wanted
    explicit.say(BEGIN, {})
    textual.run("BEGIN")
    textual.say(PULL, {"n": -1})
    for cell in (explicit, textual):
        cell.run("CREATE (:T)")
        cell.say(PULL, {"n": -1})
    assert metadata(explicit.say(COMMIT)) == wanted | {"code": CLIENT}
    textual.run("COMMIT")
    assert metadata(textual.say(tag, {"n": -1})) == wanted, "a COMMIT that is a query is executed by PULL"


def test_sync_replica_down_is_a_warning_on_master() -> None:
    warning = {"severity": "WARNING", "code": "SyncReplicationFailure", "title": SYNC_DOWN, "description": ""}
    cell = Cell("master")
    cell.lose_replica("SYNC")
    cell.run("CREATE (:T {id: 1})")
    assert metadata(cell.say(PULL, {"n": -1}))["notifications"] == [warning]
    cell.say(BEGIN, {})
    cell.run("CREATE (:T {id: 2})")
    assert "notifications" not in metadata(cell.say(PULL, {"n": -1}))
    assert metadata(cell.say(COMMIT)) == {"notifications": [warning], "run_id": "r"}
    for query in ("BEGIN", "CREATE (:T {id: 3})"):
        cell.run(query)
        cell.say(PULL, {"n": -1})
    cell.run("COMMIT")
    assert metadata(cell.say(PULL, {"n": -1}))["notifications"] == [warning]
    assert cell.world.query("a", "MATCH (n:T) RETURN n.id ORDER BY n.id") == [[1], [2], [3]]
    cell.say(BEGIN, {})
    cell.run("RETURN 1")
    cell.say(PULL, {"n": -1})
    assert metadata(cell.say(COMMIT)) == {}, "nothing to replicate, nothing to warn of"


@pytest.mark.parametrize("level", LEVELS)
def test_failed_registrations_leave_ghosts(level: str) -> None:
    cell = Cell(level)
    cell.world.query("a", "REGISTER REPLICA b SYNC TO 'b'")  # one database from here on
    cell.world.query("a", "DROP REPLICA b")
    cell.world.query("a", "CREATE (:T {id: 1})")
    cell.world.query("b", "SET REPLICATION ROLE TO MAIN")
    cell.world.query("b", "CREATE (:T {id: 2})")
    cell.world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    assert cell.refusal("REGISTER REPLICA b SYNC TO 'b'").message == "Couldn't register replica b. Error: 3"
    ghosts: list[list[Any]] = [] if level == "master" else [["b", "b:10000", "sync", None, {}]]
    assert cell.world.query("a", "SHOW REPLICAS") == ghosts
    assert cell.refusal("REGISTER REPLICA c SYNC TO 'c'").message == "Couldn't register replica c. Error: 5"
    assert cell.world.query("a", "SHOW REPLICAS") == [*ghosts, ["c", "c:10000", "sync", None, {}]]


@pytest.mark.parametrize("level", LEVELS)
def test_bolt(level: str) -> None:
    supported = COMPAT[level].bolt_versions
    proposal = MAGIC + bytes((0, 3, 5, 4)) + bytes(12)
    assert negotiate(proposal, supported) == ((4, 4) if level in NEW else (4, 3))
    assert negotiate(MAGIC + bytes((0, 8, 8, 5)) + bytes(12), supported) == (5, 2)
    cell = Cell(level)
    assert [answer.tag for answer in cell.say(LOGOFF)] == ([SUCCESS] if level in NEW else [])
    assert cell.say(LOGON, {"scheme": "none"})[0].tag == SUCCESS


@pytest.mark.parametrize("level", LEVELS)
def test_create_user_tells_what_it_did(level: str) -> None:
    cell = Cell(level)
    told = []
    for query in ("CREATE USER x", "CREATE USER IF NOT EXISTS x"):
        cell.run(query)
        notes = metadata(cell.say(PULL, {"n": -1})).get("notifications", [])
        told += [(note["severity"], note["code"], note["title"]) for note in notes]
    assert told == (
        [
            ("INFO", "CreateUser", "User 'x' created. All privileges granted."),
            ("WARNING", "CreateUser", "User 'x' already exists."),
        ]
        if level in NEW
        else []
    )
    assert cell.refusal("CREATE USER x").message == (
        "User or role with name 'x' already exists. Use the SHOW USERS or SHOW ROLES query to list all users and "
        "roles. In addition you can rerun the current query with IF NOT EXISTS."
    )
    assert cell.refusal("DROP USER y").message == (
        "User with username 'y' doesn't exist. A new user can be created via the CREATE USER query."
    )
    assert cell.refusal("SET PASSWORD FOR y TO 'p'").message == "User 'y' doesn't exist."


def lose(kind: type[Request], to: str, *, timed_out: bool = False) -> Callable[[str, str, Request], Lost | None]:
    lost = Lost(Loss.TIMEOUT if timed_out else Loss.BROKEN)
    return lambda _, target, request: lost if isinstance(request, kind) and target == to else None


def shown(world: World, name: str) -> dict[str, Any]:
    info: dict[str, Any] = {row[0]: row[4] for row in world.query("a", "SHOW REPLICAS")}[name]["memgraph"]
    return info


def triple(level: str, mode: str) -> World:
    world = World()
    for name in ("a", "b", "c"):
        world.start(name, compat=COMPAT[level])
        world.query(name, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "SET REPLICATION ROLE TO MAIN")
    for name in ("b", "c"):
        world.query("a", f"REGISTER REPLICA {name} {mode} TO '{name}'")
    world.query("a", "CREATE (:T)")
    return world


@pytest.mark.parametrize("level", LEVELS)
def test_a_lost_second_phase_shows_only_since_3_10(level: str) -> None:
    """P-S4's sign, `ready` and behind, can't be seen before."""
    world = triple(level, "STRICT_SYNC")
    world.intercept = lose(Finalize, "b")
    world.query("a", "CREATE (:T)")
    assert shown(world, "b")["status"] == "ready"
    assert (shown(world, "b")["behind"] == 0) is (level in OLD)
    assert shown(world, "c")["behind"] == 0


@pytest.mark.parametrize("level", LEVELS)
def test_a_vote_for_what_was_aborted_puts_a_replica_ahead_up_to_3_9(level: str) -> None:
    world = triple(level, "STRICT_SYNC")
    world.intercept = lose(Prepare, "c")
    with pytest.raises(QueryError):
        world.query("a", "CREATE (:T)")
    assert (shown(world, "b")["behind"] > 0) is (level in OLD)
    assert shown(world, "b")["status"] == "ready"


def restart_replica(world: World, name: str, level: str, *, own_writes: int = 0) -> Instance:
    """Away long enough to be invalid; back without its last commit, as the same main's replica (a restored role)."""
    world.lose_power(name, 1)
    world.advance(5)
    instance = world.start(name, compat=COMPAT[level])
    if own_writes:  # in an epoch of its own
        world.query(name, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
        world.query(name, "SET REPLICATION ROLE TO MAIN")
    for _ in range(own_writes):
        world.query(name, "CREATE (:Other)")
    world.query(name, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    instance.main_uuid = world.instances["a"].main_uuid
    return instance


@pytest.mark.parametrize("level", LEVELS)
def test_a_replica_that_lost_its_last_commit_is_shown_where_it_was_since_3_12(level: str) -> None:
    world = triple(level, "ASYNC")
    world.advance(1)
    world.query("a", "CREATE (:T)")
    world.advance(1)
    before = shown(world, "b")["ts"]
    replica = restart_replica(world, "b", level)
    world.intercept = lose(WalFiles, "b", timed_out=True)
    world.advance(3)
    assert shown(world, "b")["status"] == "recovery"
    assert shown(world, "b")["ts"] == (before if level in NEW else replica.ldt)
    assert replica.ldt < before
    world.intercept = lambda *_: None
    world.advance(60)
    assert shown(world, "b") == {"ts": before, "behind": 0, "status": "ready"}


@pytest.mark.parametrize("level", LEVELS)
def test_a_diverged_replica_is_shown_where_it_was_since_3_12(level: str) -> None:
    world = triple(level, "ASYNC")
    world.advance(1)
    before = shown(world, "b")["ts"]
    replica = restart_replica(world, "b", level, own_writes=2)
    world.advance(3)
    assert shown(world, "b")["status"] == "diverged"
    assert replica.ldt > before
    assert shown(world, "b")["ts"] == (before if level in NEW else replica.ldt)


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("3.6", "Cannot get read only access to the storage. Try stopping other queries that are running in parallel."),
        *(
            (
                level,
                "Cannot get read-only access to the storage. Try stopping other parallel queries. You can increase the "
                "timeout via SET DATABASE SETTINGS 'storage.access_timeout_sec' TO 'value'; or via the "
                "--storage-access-timeout-sec flag. Run SHOW CONFIG to return the current value. See: "
                "https://memgraph.com/docs/help-center/errors/transactions#storage-access-timeout",
            )
            for level in LEVELS[1:]
        ),
    ],
)
def test_an_index_in_the_way_of_writers(level: str, message: str) -> None:
    cell = Cell(level)
    cell.say(BEGIN, {})
    error = cell.refusal("CREATE INDEX ON :T")
    assert (error.code, error.message) == (TRANSIENT, message)


@pytest.mark.parametrize("level", LEVELS)
def test_conflicts(level: str) -> None:
    cell = Cell(level)
    cell.world.query("a", "CREATE (:T)")
    cell.say(BEGIN, {})
    cell.run("MATCH (n:T) SET n.x = 1")
    cell.say(PULL, {"n": -1})
    error = cell.refusal("MATCH (n:T) SET n.x = 2")
    assert (error.code, error.message) == (
        TRANSIENT,
        "Cannot resolve conflicting transactions. Retry this transaction when the conflicting transaction is finished. "
        "For more details, visit https://memgraph.com/docs",
    )
