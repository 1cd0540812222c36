"""SHOW queries and coordinators' statements, release by release (M-1.3, M-1.4, M-2.2): literals from the sources."""

from __future__ import annotations

from typing import Any

import pytest
from bolt_client import Client
from imitated import NEW, OLD, Cell

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt.messages import BEGIN, HELLO
from sandbox.memgraph.core.compat import COMPAT, LEVELS
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.parser import parse
from sandbox.memgraph.core.errors import QueryError

CLIENT = errors.CLIENT
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


def test_active_users_are_the_open_sessions() -> None:
    cell = Cell("3.12")
    assert [row[0] for row in cell.world.query("a", "SHOW ACTIVE USERS INFO")] == [""], "no users: nobody has a name"
    cell.world.query("a", "CREATE USER x IDENTIFIED BY 'p'")
    other = Client((4, 4), world=cell.world, ready=False)
    other.say(HELLO, {"user_agent": "t", "scheme": "basic", "principal": "x", "credentials": "p"})
    rows = cell.world.query("a", "SHOW ACTIVE USERS INFO")
    assert [row[0] for row in rows] == ["", "x"]
    assert len({row[1] for row in rows}) == 2
    other.session.close()
    assert len(cell.world.query("a", "SHOW ACTIVE USERS INFO")) == 1


def test_build_and_config() -> None:
    cell = Cell("3.12")
    assert cell.world.query("a", "SHOW BUILD INFO") == [["build_type", "RelWithDebInfo"]]
    answer = cell.run("SHOW CONFIG").fields[0]
    assert answer["fields"] == ["name", "default_value", "current_value", "description"]


def test_indexes_are_sorted() -> None:
    cell = Cell("3.12")
    for index in (":Z", ":B(y)", ":B(x, y)", ":A(z)", ":A"):
        cell.world.query("a", f"CREATE INDEX ON {index}")
    assert cell.world.query("a", "SHOW INDEX INFO") == [
        ["label", "A", None, 0],
        ["label", "Z", None, 0],
        ["label+property", "A", ["z"], 0],
        ["label+property", "B", ["x", "y"], 0],
        ["label+property", "B", ["y"], 0],
    ]
