"""What each imitated release says, text by text (M-0, M-1.4, M-2), against literals from the releases' sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from virtual_memgraph import World

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt.packstream import Structure
from sandbox.memgraph.core.bolt.session import Session
from sandbox.memgraph.core.bolt.stream import MAGIC, Decoder, negotiate
from sandbox.memgraph.core.compat import COMPAT, LEVELS
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.parser import parse
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
from sandbox.memgraph.core.messages import Finalize, Lost, Prepare, Request, WalFiles

OLD, NEW = ("3.6", "3.9"), ("3.12", "master")
CLIENT, TRANSIENT = errors.CLIENT, errors.TRANSIENT
RUN, BEGIN, COMMIT, DISCARD, PULL, HELLO, LOGON, LOGOFF = 0x10, 0x11, 0x12, 0x2F, 0x3F, 0x01, 0x6A, 0x6B
SUCCESS, FAILURE = 0x70, 0x7F
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


class Cell:
    """A main `a` of that release, its replica `b`, and a Bolt session at `a`."""

    def __init__(self, level: str, version: tuple[int, int] = (5, 2)) -> None:
        self.world = World()
        for name in ("a", "b"):
            self.world.start(name, compat=COMPAT[level])
        self.world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
        self._decoder = Decoder()
        self.session = Session(self.world.instances["a"], version, self._decoder.feed)
        self.say(HELLO, {"user_agent": "t"})
        self.say(LOGON, {"scheme": "none"})

    def say(self, tag: int, *fields: Any) -> list[Structure]:
        self.world.do("a", self.session.handle(Structure(tag, list(fields))))
        return list(self._decoder.messages())

    def run(self, query: str) -> Structure:
        return self.say(RUN, query, {}, {})[0]

    def lose_replica(self, mode: str) -> None:
        self.world.query("a", f"REGISTER REPLICA b {mode} TO 'b'")
        self.world.advance(0.1)
        self.world.kill("b")

    def refusal(self, query: str, name: str = "a") -> QueryError:
        with pytest.raises(QueryError) as caught:
            self.world.query(name, query)
        return caught.value

    def pairs(self, query: str) -> dict[str, Any]:
        return {row[0]: row[1] for row in self.world.query("a", query)}


def metadata(answers: list[Structure]) -> dict[str, Any]:
    answer: dict[str, Any] = answers[-1].fields[0]
    return answer


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
    assert metadata(cell.say(COMMIT)) == {"notifications": [warning], "run_id": ""}
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
    cell.world.query("a", "CREATE (:T {id: 1})")
    cell.world.query("b", "SET REPLICATION ROLE TO MAIN")
    cell.world.query("b", "CREATE (:T {id: 2})")
    cell.world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    assert cell.refusal("REGISTER REPLICA b SYNC TO 'b'").message == "Couldn't register replica b. Error: 3"
    ghosts: list[list[Any]] = [] if level == "master" else [["b", "b:10000", "sync", None, {}]]
    assert cell.world.query("a", "SHOW REPLICAS") == ghosts
    assert cell.refusal("REGISTER REPLICA c SYNC TO 'c'").message == "Couldn't register replica c. Error: 5"
    assert cell.world.query("a", "SHOW REPLICAS") == [*ghosts, ["c", "c:10000", "sync", None, {}]]


_TAILS = {
    "3.6": "also knwon as an auto committing transaction, in order to execute this particular query.",
    "3.9": "also known as an auto committing transaction, in order to execute this particularquery.",
    "3.12": "also known as an auto committing transaction, in order to execute this particularquery.",
    "master": "also known as an auto committing transaction, in order to execute this particularquery.",
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("query", "subject"),
    [
        ("SHOW REPLICAS", "Managing replication"),
        ("SHOW REPLICATION ROLE", "Managing replication"),
        ("DROP REPLICA b", "Managing replication"),
        ("CREATE USER x", "Managing users"),
        ("SHOW USERS", "Managing users"),
        ("SHOW VERSION", "Version information query"),
        ("SHOW CONFIG", "Configuration information query"),
        ("SHOW STORAGE INFO", "Storage information query"),
        ("SHOW BUILD INFO", "Storage information query"),
        ("SHOW LICENSE INFO", "Storage information query"),
        ("SHOW ACTIVE USERS INFO", "Storage information query"),
        ("SHOW INDEX INFO", "Storage information query"),
        ("SHOW CONSTRAINT INFO", "Storage information query"),
        ("CREATE INDEX ON :T", "Index manipulation"),
    ],
)
def test_refusals_inside_an_explicit_transaction(level: str, query: str, subject: str) -> None:
    cell = Cell(level)
    cell.say(BEGIN, {})
    assert cell.run(query).fields[0] == {
        "code": CLIENT,
        "message": f"{subject} is not allowed in multicommand transactions. A multicommand transaction, also known as "
        "an explicit transaction, groups multiple commands into a single atomic operation. Instead, please use an "
        f"implicit transaction, {_TAILS[level]} For more details, visit https://memgraph.com/docs",
    }


_OLD_ROWS = (
    "name database_uuid vertex_count edge_count average_degree vm_max_map_count memory_res peak_memory_res "
    "unreleased_delta_objects disk_usage memory_tracked allocation_limit {}global_isolation_level "
    "session_isolation_level next_session_isolation_level storage_mode"
)
_NEW_ROWS = (
    "vm_max_map_count memory_res peak_memory_res disk_usage memory_tracked memory_limit license_memory_limit "
    "query+graph_memory_tracked vector_index_memory_tracked global_isolation_level session_isolation_level "
    "next_session_isolation_level global_storage_mode"
)
_DATABASE_ROWS = (
    "name database_uuid state storage_mode vertex_count edge_count average_degree unreleased_delta_objects disk_usage "
    "graph_memory_tracked query_memory_tracked vector_index_memory_tracked tenant_memory_tracked "
    "tenant_peak_memory_tracked tenant_memory_limit storage_isolation_level health"
)


@pytest.mark.parametrize(
    ("level", "rows"),
    [
        ("3.6", _OLD_ROWS.format("")),
        ("3.9", _OLD_ROWS.format("graph_memory_tracked vector_index_memory_tracked ")),
        ("3.12", _NEW_ROWS),
        ("master", _NEW_ROWS),
    ],
)
def test_storage_info(level: str, rows: str) -> None:
    cell = Cell(level)
    cell.world.query("a", "CREATE (:T)")
    found = cell.pairs("SHOW STORAGE INFO")
    assert list(found) == rows.split()
    assert found.get("vertex_count", 1) == 1
    assert found["memory_tracked"].endswith("MiB")
    assert found["session_isolation_level"] == ""


@pytest.mark.parametrize("level", NEW)
def test_storage_info_by_database(level: str) -> None:
    cell = Cell(level)
    cell.world.query("a", "CREATE (:T)")
    found = cell.pairs("SHOW STORAGE INFO ON CURRENT DATABASE")
    assert list(found) == _DATABASE_ROWS.split()
    assert (found["vertex_count"], found["state"], found["health"]) == (1, "HOT", "ready")
    assert cell.pairs("SHOW STORAGE INFO ON DATABASE memgraph") == found
    assert cell.run("SHOW STORAGE INFO ON DATABASE other").fields[0]["message"] == (
        "Access to multi-tenancy requires an enterprise, ai_platform, or oem license."
    )


@pytest.mark.parametrize("level", OLD)
@pytest.mark.parametrize("scope", ["CURRENT DATABASE", "DATABASE memgraph"])
def test_storage_info_by_database_was_no_syntax(level: str, scope: str) -> None:
    error = Cell(level).refusal(f"SHOW STORAGE INFO ON {scope}")
    assert error.message.startswith(
        "Error on line 1 position 19. The underlying parsing error is mismatched input 'ON'"
    )


@pytest.mark.parametrize(
    ("level", "version"), [("3.6", "3.6.0"), ("3.9", "3.9.0"), ("3.12", "3.12.0"), ("master", "3.12.0+106~df0f63683")]
)
def test_version_and_licence(level: str, version: str) -> None:
    cell = Cell(level)
    assert cell.world.query("a", "SHOW VERSION") == [[version]]
    wanted: dict[str, Any] = {
        "organization_name": "",
        "license_key": "",
        "is_valid": False,
        "license_type": "",
        "valid_until": "",
        "memory_limit": "UNLIMITED",
        "status": "You have not provided any license!",
    }
    if level in NEW:
        wanted["memory_limit_policy"] = "Memory usage is not limited."
    assert list(cell.pairs("SHOW LICENSE INFO").items()) == list(wanted.items())


@pytest.mark.parametrize("level", LEVELS)
def test_what_needs_a_licence(level: str) -> None:
    cell = Cell(level)
    old = "Your license has an invalid type. To use multi-tenancy you need to have an enterprise license. \n"
    new = "Access to multi-tenancy requires an enterprise, ai_platform, or oem license."
    assert cell.refusal("SHOW DATABASES").message == (old if level in OLD else new)
    for query in ("SHOW DATABASE", "SHOW CURRENT DATABASE"):
        assert cell.refusal(query).message == (
            "Trying to use enterprise feature without a valid license. Check your license status by running SHOW "
            "LICENSE INFO."
        )


_COORDINATION = [
    "SHOW INSTANCES",
    "show instance;",
    "SHOW REPLICATION LAG",
    "SHOW COORDINATOR SETTINGS",
    "SET COORDINATOR SETTING 'a' TO 'b'",
    "ADD COORDINATOR 1 WITH CONFIG {'bolt_server': 'x:1', 'management_server': 'x:2'}",
    "REMOVE COORDINATOR 1",
    "REGISTER INSTANCE i WITH CONFIG {}",
    "REGISTER INSTANCE i AS ASYNC WITH CONFIG {'bolt_server': 'x:1'}",
    "REGISTER INSTANCE i AS STRICT_SYNC WITH CONFIG {'bolt_server': 'x:1'}",
    "UNREGISTER INSTANCE i",
    "SET INSTANCE i TO MAIN",
    "DEMOTE INSTANCE i",
    "FORCE RESET CLUSTER STATE",
    "YIELD LEADERSHIP",
]
NOT_COORDINATOR = "Coordinator was not initialized as coordinator port, coordinator id or management port were not set."


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("query", _COORDINATION)
def test_coordinators_statements_are_refused_everywhere(level: str, query: str) -> None:
    cell = Cell(level)
    assert cell.refusal(query).message == NOT_COORDINATOR
    cell.say(BEGIN, {})
    assert cell.run(query).fields[0] == {"code": CLIENT, "message": NOT_COORDINATOR}, "even inside a transaction"


@pytest.mark.parametrize(
    ("query", "levels"),
    [
        ("UPDATE CONFIG FOR INSTANCE i {'bolt_server': 'x:1'}", LEVELS[1:]),
        ("UPDATE CONFIG FOR COORDINATOR 1 {'bolt_server': 'x:1'}", LEVELS[1:]),
        ("SHOW ROUTING TABLE", LEVELS[3:]),
    ],
)
def test_newer_statements_are_syntax_errors_before(query: str, levels: tuple[str, ...]) -> None:
    for level in LEVELS:
        if level in levels:
            assert parse(query, COMPAT[level]) == ast.Coordination()
        else:
            with pytest.raises(QueryError, match="The underlying parsing error is"):
                parse(query, COMPAT[level])


@pytest.mark.parametrize(
    "query",
    [
        "REGISTER INSTANCE i AS SYNC WITH CONFIG {}",
        "REGISTER INSTANCE i",
        "SET INSTANCE i TO REPLICA",
        "ADD COORDINATOR 1 WITH CONFIG {'a'}",
        "SHOW STORAGE INFO ON x",
        "SHOW NOTHING",
    ],
)
def test_incomplete_statements_are_syntax_errors(query: str) -> None:
    with pytest.raises(QueryError, match="The underlying parsing error is"):
        parse(query)


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


def test_active_users_are_the_open_sessions() -> None:
    cell = Cell("3.12")
    assert [row[0] for row in cell.world.query("a", "SHOW ACTIVE USERS INFO")] == [""], "no users: nobody has a name"
    cell.world.query("a", "CREATE USER x IDENTIFIED BY 'p'")
    decoder = Decoder()
    other = Session(cell.world.instances["a"], (4, 4), decoder.feed)
    hello = {"user_agent": "t", "scheme": "basic", "principal": "x", "credentials": "p"}
    cell.world.do("a", other.handle(Structure(HELLO, [hello])))
    rows = cell.world.query("a", "SHOW ACTIVE USERS INFO")
    assert [row[0] for row in rows] == ["", "x"]
    assert len({row[1] for row in rows}) == 2
    other.close()
    assert len(cell.world.query("a", "SHOW ACTIVE USERS INFO")) == 1


def test_build_and_config() -> None:
    cell = Cell("3.12")
    assert cell.world.query("a", "SHOW BUILD INFO") == [["build_type", "RelWithDebInfo"]]
    answer = cell.run("SHOW CONFIG").fields[0]
    assert answer["fields"] == ["name", "default_value", "current_value", "description"]


def lose(kind: type[Request], to: str, *, timed_out: bool = False) -> Callable[[str, str, Request], Lost | None]:
    return lambda _, target, request: Lost(timed_out) if isinstance(request, kind) and target == to else None


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
    world.kill(name)
    world.advance(5)
    del world.logs[name][-1]
    instance = world.start(name, compat=COMPAT[level])
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
