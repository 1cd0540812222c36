"""Queries: what they mean, and that what isn't known is an error and never a wrong result."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memgraph_database import Database

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.execute import execute
from sandbox.memgraph.core.cypher.parser import parse
from sandbox.memgraph.core.cypher.values import less, order_key
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage.transaction import Transaction

PEOPLE = "UNWIND [{i: 1, n: 'b'}, {i: 2, n: 'a'}, {i: 3}] AS r CREATE (:P {i: r.i, n: r.n})"


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("RETURN 1 AS x", [[1]]),
        ("RETURN -9223372036854775808, 0x1F, .5, 1e3", [[-(2**63), 31, 0.5, 1000.0]]),
        (
            "RETURN 'it\\'s', \"\\u0041\\n\", true, NULL, [1, [2]], {a: 1}",
            [["it's", "A\n", True, None, [1, [2]], {"a": 1}]],
        ),
        ("RETURN 1 + 2 * 3 - 4 / 2, 7 / 2, -7 / 2, -7 % 3, 'a' + 'b', [1] + 2", [[5, 3, -3, -1, "ab", [1, 2]]]),
        (
            "RETURN 1 = 1.0, 1 = true, 1 = '1', NULL = NULL, NULL IS NULL, [1, NULL] = [2, NULL]",
            [[True, False, False, None, True, False]],
        ),
        ("RETURN NOT true OR true AND false XOR true", [[True]]),
        ("RETURN NULL AND false, NULL OR true, NOT NULL, NULL XOR true", [[False, True, None, None]]),
        ("RETURN 1 IN [2, 1], 1 IN [2, NULL], 1 IN [], NULL IN [1]", [[True, None, False, None]]),
        ("RETURN 1 < 2 < 3, 3 > 2 > 2, 1 <= 1, 'a' < 'b'", [[True, False, True, True]]),
        ("MATCH (p:P) RETURN p.i ORDER BY p.i DESC LIMIT 2", [[3], [2]]),
        ("MATCH (p:P) RETURN p.n ORDER BY p.n", [["a"], ["b"], [None]]),
        ("MATCH (p:P) RETURN p.i AS i ORDER BY i SKIP 1 LIMIT $one", [[2]]),
        ("MATCH (p:P {i: $two}) RETURN p.n", [["a"]]),
        ("MATCH (p:P) WHERE p.i <> 2 AND p.i < 3 RETURN p.i", [[1]]),
        ("MATCH (p:P) WHERE p.n = 'zz' OR p.n IS NULL RETURN p.i", [[3]]),
        ("MATCH (p:P) WHERE p.i IN $list RETURN p.i ORDER BY p.i", [[1], [3]]),
        ("MATCH (p:P) WHERE p.n <> 'a' RETURN p.i", [[1]]),
        ("MATCH (p:P) RETURN count(p), count(*), count(p.n), min(p.i), max(p.n), sum(p.i)", [[3, 3, 2, 1, "b", 6]]),
        ("MATCH (p:Q) RETURN count(*) AS c, min(p.i)", [[0, None]]),
        ("UNWIND [1, 2, 1] AS x RETURN x, count(*) AS c ORDER BY x", [[1, 2], [2, 1]]),
        ("UNWIND [1, true, 1.0, 1] AS x RETURN DISTINCT x", [[1], [True]]),
        ("UNWIND [1, 2, 1] AS x RETURN count(DISTINCT x), collect(x)", [[2, [1, 2, 1]]]),
        ("MATCH (a:P), (b:P) WHERE a.i < b.i RETURN count(*)", [[3]]),
        ("MATCH (a:P {i: 1}) MATCH (b:P {i: a.i + 1}) RETURN b.n", [["a"]]),
        ("MATCH (p:P {n: NULL}) RETURN p", []),
        ("UNWIND NULL AS x RETURN x", []),
        ("UNWIND [] AS x RETURN x", []),
        ("MATCH (p:P) WHERE NULL RETURN p", []),
        ("match (p:P) return P.i, p.i;", None),
        ("MATCH (p:P) WITH p ORDER BY p.i DESC LIMIT 2 RETURN p.i", [[3], [2]]),
        ("MATCH (p:P) WITH p.i % 2 AS odd, count(*) AS c WHERE c > 1 RETURN odd, c", [[1, 2]]),
        ("MATCH (p:P) WITH DISTINCT p.i > 1 AS big RETURN big ORDER BY big", [[False], [True]]),
        ("MATCH (p:P) WITH collect(p.i) AS all UNWIND all AS i RETURN sum(i), avg(i)", [[6, 2.0]]),
        ("MATCH (p:Q) RETURN avg(p.i), sum(p.i)", [[None, 0]]),
        ("MATCH (p:P) RETURN coalesce(max(p.i), 0) + 1, count(*) > 2, [min(p.i)]", [[4, True, [1]]]),
        ("MATCH (p:Q) RETURN coalesce(max(p.i), 0) + 1 AS next", [[1]]),
        ("MATCH (p) WHERE p:P AND NOT p:Q RETURN count(*)", [[3]]),
        ("RETURN [1, 2][0], [1, 2][-1], [1][3], NULL[0], {a: 1}['a'], {a: 1}['b']", [[1, 2, None, None, 1, None]]),
        ("MATCH (p:P {i: 1}) RETURN p['n'], labels(p)[0]", [["b", "P"]]),
        (
            "RETURN 'abc' STARTS WITH 'a', 'abc' ENDS WITH 'a', 'abc' CONTAINS 'b', NULL CONTAINS 'b'",
            [[True, False, True, None]],
        ),
        (
            "MATCH (p:P) RETURN CASE WHEN p.i > 2 THEN 'big' WHEN p.i = 2 THEN 'two' END ORDER BY p.i",
            [[None], ["two"], ["big"]],
        ),
        ("UNWIND [1, NULL] AS x RETURN CASE x WHEN 1 THEN 'one' ELSE 'other' END", [["one"], ["other"]]),
        ("MATCH (p:P {i: 1}) WITH p.i AS b, p.n AS a RETURN *", [["b", 1]]),
        ("MATCH (p:P {i: 1}), (:P {i: 2}) WITH *, p.i AS i RETURN i, p.n", [[1, "b"]]),
        ("MATCH (p), (q) WHERE id(p) = 1 AND id(q) = $two AND p.i = 2 RETURN p.i, q.i", [[2, 3]]),
        ("MATCH (p) WHERE id(p) = 1.0 RETURN p.i", [[2]]),
        ("MATCH (p) WHERE id(p) = 99 RETURN p.i", []),
        ("OPTIONAL MATCH (p:P {i: 9}) RETURN p, p.i", [[None, None]]),
        ("MATCH (p:P) OPTIONAL MATCH (q:P {i: p.i + 1}) RETURN p.i, q.i ORDER BY p.i", [[1, 2], [2, 3], [3, None]]),
        ("OPTIONAL MATCH (p:P) WHERE p.i > 2 RETURN p.i", [[3]]),
        (
            "RETURN toString(1), toString(true), toInteger('12'), toInteger('1.9'), toInteger('x'), toFloat('2')",
            [["1", "true", 12, 1, None, 2.0]],
        ),
        ("RETURN head([1, 2]), last([1, 2]), head([]), keys({a: 1, b: 2}), size('abc')", [[1, 2, None, ["a", "b"], 3]]),
        ("RETURN coalesce(NULL, 2), size([1]), range(3, 1, -1)", [[2, 1, [3, 2, 1]]]),
        ("MATCH (p:P {i: 1}) RETURN labels(p), properties(p), id(p)", [[["P"], {"i": 1, "n": "b"}, 0]]),
    ],
)
@pytest.mark.parametrize("index", [False, True])
def test_reading(query: str, rows: list[list[Any]] | None, index: bool) -> None:
    """The same answer with and without an index; None: an error."""
    database = Database(*(("CREATE INDEX ON :P(i)",) if index else ()), PEOPLE)
    parameters = {"one": 1, "two": 2, "list": [1, 3, 7]}
    if rows is None:
        with pytest.raises(QueryError, match="Unbound variable: P"):
            database.run(query, **parameters)
    else:
        assert database.run(query, **parameters) == rows


def test_columns_are_named_as_written() -> None:
    statement = parse("MATCH (n) RETURN n.x , count( n ) AS `the count`, $p")
    assert isinstance(statement, ast.Cypher)
    last = statement.clauses[-1]
    assert isinstance(last, ast.Return)
    assert [column.name for column in last.columns] == ["n.x", "the count", "$p"]


def test_writing() -> None:
    database = Database(PEOPLE)
    database.run("MATCH (p:P {i: 1}) SET p.n = 'new', p:Q, p += {x: 1, i: NULL}")
    (row,) = database.run("MATCH (p:Q) RETURN p")
    assert (row[0].labels, row[0].properties) == (("P", "Q"), {"n": "new", "x": 1})
    assert database.run("MATCH (p:P {i: 2}) SET p.i = p.i + 10 RETURN p.i") == [[12]]
    database.run("MATCH (p:P) WHERE p.i = 12 DETACH DELETE p")
    assert database.run("MATCH (p) RETURN count(*)") == [[2]]
    assert database.run("MATCH (p:P {i: 3}) DELETE p RETURN p.i") == [[3]]


def test_replacing_and_removing() -> None:
    database = Database(PEOPLE)
    database.run("MATCH (p:P {i: 1}) SET p = {x: 1, y: NULL}")
    assert database.run("MATCH (p:P {x: 1}) RETURN properties(p)") == [[{"x": 1}]]
    database.run("MATCH (p:P {x: 1}), (q:P {i: 2}) SET p = q, q += $more", more={"n": None, "z": [1]})
    assert database.run("MATCH (p:P) RETURN properties(p) ORDER BY id(p)") == [
        [{"i": 2, "n": "a"}],
        [{"i": 2, "z": [1]}],
        [{"i": 3}],
    ]
    database.run("MATCH (p:P {i: 3}) SET p:Q REMOVE p.i, p:P, p.nothing, p:Nothing")
    assert database.run("MATCH (p:Q) RETURN labels(p), properties(p)") == [[["Q"], {}]]


def test_create_from_parameters() -> None:
    database = Database()
    database.run(
        "UNWIND $rows AS row CREATE (n:__memgraph_ha_probe {id: row.id, big: $big})",
        rows=[{"id": 1}, {"id": 2}],
        big=2**62,
    )
    assert database.run("MATCH (n:__memgraph_ha_probe) RETURN n.id, n.big ORDER BY n.id") == [[1, 2**62], [2, 2**62]]
    assert database.run("CREATE (n:A $map) RETURN n.x", map={"x": [1, {"y": None}]}) == [[[1, {"y": None}]]]
    assert database.run("CREATE (a:A {x: 1}), (b:A {x: a.x}) RETURN b.x") == [[1]]


@pytest.mark.parametrize("index", [False, True])
def test_merge(index: bool) -> None:
    database = Database(*(("CREATE INDEX ON :M(k)",) if index else ()))
    merge = "MERGE (m:M {k: $k}) ON CREATE SET m.made = true ON MATCH SET m.found = true RETURN m.made, m.found"
    assert database.run(merge, k=1) == [[True, None]]
    assert database.run(merge, k=1) == [[True, True]]
    assert database.run("UNWIND [2, 2, 1] AS x MERGE (m:M {k: x}) RETURN count(m)") == [[3]]
    assert database.run("MATCH (m:M) RETURN count(m)") == [[2]]


@pytest.mark.parametrize(
    "query",
    [
        "",
        ";",
        "RETURN",
        "RETURN 1 RETURN 2",
        "RETURN 1; RETURN 2",
        "MATCH (n)",
        "MATCH p = (n) RETURN p",
        "MATCH (n)-[*]->(m) RETURN n",
        "MATCH (n)-[r:R*1..2]->(m) RETURN n",
        "MATCH (n)-[r>(m) RETURN n",
        "MATCH (n)- RETURN n",
        "MATCH (n) WHERE (n)-->() RETURN n",
        "MATCH (n:A|B) RETURN n",
        "CREATE (n)--(m)",
        "CREATE (n)-[r]->(m)",
        "CREATE (n)-[:A|B]->(m)",
        "CREATE (n)-[:A]-(m)",
        "MERGE (n)-[:A]->(m), (o)",
        "MATCH (n) WITH n",
        "MATCH (n) WITH n.x RETURN 1",
        "MATCH (n) REMOVE n",
        "CREATE (n {x: })",
        "CREATE (n:)",
        "RETURN * 2",
        "RETURN 1 AS",
        "RETURN 'open",
        "RETURN 1 ? 2",
        "RETURN CASE 1 THEN 2 END",
        "RETURN CASE WHEN true THEN 1",
        "RETURN [1][0..1]",
        "MATCH (n) WHERE n.x STARTS 'a' RETURN n",
        "MATCH (n) WHERE n:A: RETURN n",
        "CALL db.labels()",
        "CREATE CONSTRAINT ON (n:L) ASSERT n.x IS NODE KEY",
        "CREATE CONSTRAINT ON (n:L) ASSERT EXISTS (n.x, n.y)",
        "CREATE CONSTRAINT ON (n:L) ASSERT n.x, n.x IS UNIQUE",
        "CREATE CONSTRAINT ON (n) ASSERT n.x IS UNIQUE",
        "CREATE EDGE INDEX ON :T(a, b)",
        "CREATE GLOBAL EDGE INDEX ON :",
        "CREATE INDEX ON L",
        "SHOW TABLES",
        "SHOW TRIGGER",
        "CREATE TRIGGER t ON () COMMIT BEFORE COMMIT EXECUTE CREATE ()",
        "CREATE TRIGGER t BEFORE COMMIT CREATE ()",
        "CREATE TRIGGER t ON --> MERGE AFTER COMMIT EXECUTE CREATE ()",
        "DROP TRIGGER",
        "ENABLE TTL EVERY",
        "ENABLE TTL AT '1' AT '2'",
        "CREATE DATABASE",
        "USE x",
        "EXPLAIN RETURN 1",
        "REGISTER REPLICA r SYNC TO 127.0.0.1",
        "REGISTER REPLICA r SYNC TO $address",
        "REGISTER REPLICA r MAYBE TO 'x'",
        "SET REPLICATION ROLE TO LEADER",
        "SET REPLICATION ROLE TO REPLICA WITH PORT",
        "RETURN 9999999999999999999",
        "RETURN " + "(" * 5000,
        "RETURN " + "1 IN " * 5000 + "1",
        "RETURN " + "CASE WHEN " * 5000,
        "RETURN " + "-" * 5000 + "1",
        "RETURN " + "[" * 200 + "]" * 200,
    ],
)
def test_unknown_syntax_is_refused(query: str) -> None:
    with pytest.raises(QueryError, match=r"^Error on line 1 position \d+\. The underlying parsing error is ") as caught:
        parse(query)
    assert caught.value.code == errors.CLIENT


def test_position_of_a_syntax_error() -> None:
    """Seen on a real one: an unquoted hyphen."""
    with pytest.raises(QueryError, match=r"^Error on line 1 position 26\. .*mismatched input '-' expecting \{ASYNC"):
        parse("REGISTER REPLICA memgraph-0 SYNC TO 'x'")
    with pytest.raises(QueryError, match=r"line 2 position 3"):
        parse("RETURN\n  ?")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("RETURN x", "Unbound variable: x."),
        ("RETURN $nope", "Parameter $nope not provided."),
        ("RETURN 1 < 'a'", "Invalid types"),
        ("RETURN 1 + 'a'", "Invalid types"),
        ("RETURN 1 / 0", "Division by zero."),
        ("RETURN 9223372036854775807 + 1", "Integer overflow."),
        ("RETURN nothing(1)", "doesn't exist"),
        ("RETURN *", "There are no variables in scope to use for '*'."),
        ("MATCH (n:None) RETURN x", "Unbound variable: x."),
        ("MATCH (n) WITH n.x AS x RETURN n", "Unbound variable: n."),
        ("MATCH (n) RETURN n.x AS x, 1 AS x", "Multiple results with the same name 'x' are not allowed."),
        ("UNWIND 1 AS x RETURN x", "must be a list"),
        ("CREATE (n), (n)", "Redeclaring variable: n."),
        ("CREATE (a:A) CREATE (b:B {x: a})", "can't be used as a property value"),
        ("MATCH (n) WHERE count(n) = 1 RETURN n", "Aggregation functions are only allowed in WITH and RETURN."),
        ("MATCH (n) RETURN n.i + count(*)", "aren't supported"),
        ("RETURN [1]['a']", "Expected an integer"),
        ("RETURN 1 STARTS WITH 'a'", "expected two strings"),
        ("RETURN 1 LIMIT -1", "non-negative"),
        ("MERGE (n:L {x: NULL})", "null"),
    ],
)
def test_run_time_errors(query: str, message: str) -> None:
    with pytest.raises(QueryError, match=None) as caught:
        Database("CREATE (:Q)").run(query)
    assert message in caught.value.message


def test_replication_statements() -> None:
    assert parse('register replica `memgraph-0` strict_sync to "h:1";') == ast.Register(
        "memgraph-0", "STRICT_SYNC", "h:1"
    )
    assert parse("SET REPLICATION ROLE TO REPLICA WITH PORT 10000;") == ast.SetRole(False, 10000, has_port=True)
    assert parse("set replication role to main") == ast.SetRole(True)
    assert parse("DROP REPLICA memgraph_1_t2_3") == ast.DropReplica("memgraph_1_t2_3")
    assert parse("SHOW STORAGE INFO ON CURRENT DATABASE") == ast.Show("STORAGE INFO ON CURRENT DATABASE")
    assert parse("CREATE INDEX ON :__memgraph_ha_7") == ast.IndexChange(True, "__memgraph_ha_7", ())
    assert parse("DROP INDEX ON :L(a, b)") == ast.IndexChange(False, "L", ("a", "b"))
    assert parse("CREATE USER x IDENTIFIED BY 'y'") == ast.UserChange("create", "x", "y")


def test_snapshot_isolation_and_conflict() -> None:
    database = Database("CREATE (:P {i: 1})")
    reader = Transaction(database.graph, writes=False)
    writer = Transaction(database.graph, writes=True)
    change = parse("MATCH (p:P) SET p.i = p.i + 1")
    assert isinstance(change, ast.Cypher)
    database.run("MATCH (p:P) SET p.i = 5")
    database.run("CREATE (:P {i: 7})")
    assert [node.properties["i"] for node in reader.scan("P")] == [1]
    with pytest.raises(QueryError) as caught:
        execute(change, writer, {})
    assert caught.value.code == errors.TRANSIENT
    reader.finish()
    writer.finish()
    first, second = Transaction(database.graph, writes=True), Transaction(database.graph, writes=True)
    execute(change, first, {})
    with pytest.raises(QueryError, match="Cannot resolve conflicting transactions"):
        execute(change, second, {})
    first.finish()
    second.finish()
    assert database.graph.all_nodes.hidden() == (), "old versions are forgotten with their last reader"


def test_deleted_nodes_stay_visible_to_older_readers() -> None:
    database = Database("CREATE INDEX ON :P(i)", "CREATE (:P {i: 1})")
    reader = Transaction(database.graph, writes=False)
    database.run("MATCH (p:P) DELETE p")
    for scan in (reader.scan(), reader.scan("P"), reader.find("P", "i", 1)):
        assert [node.properties["i"] for node in scan] == [1]
    reader.finish()
    assert database.run("MATCH (p) RETURN count(*)") == [[0]]


@given(st.lists(st.tuples(st.sampled_from("cud"), st.integers(0, 5), st.integers(0, 3)), max_size=30))
def test_index_and_scan_agree(changes: list[tuple[str, int, int]]) -> None:
    database = Database("CREATE INDEX ON :P(i)")
    for action, value, other in changes:
        query = {
            "c": "CREATE (:P {i: $v, j: $o})",
            "u": "MATCH (p:P {i: $v}) SET p.i = $o",
            "d": "MATCH (p:P {j: $o}) WHERE p.i = $v DELETE p",
        }[action]
        database.run(query, v=value, o=other)
    for value in range(6):
        by_index = database.run("MATCH (p:P {i: $v}) RETURN id(p) ORDER BY id(p)", v=value)
        by_scan = database.run("MATCH (p) WHERE p.i + 0 = $v RETURN id(p) ORDER BY id(p)", v=value)
        assert by_index == by_scan


@given(st.lists(st.integers() | st.floats(allow_nan=False), min_size=2, max_size=6))
def test_ordering_agrees_with_comparison(values: list[float]) -> None:
    ordered = sorted(values, key=order_key)
    assert all(not less(b, a, "<") for a, b in itertools.pairwise(ordered))


_VOCABULARY = (
    "MATCH OPTIONAL CREATE MERGE SET REMOVE DETACH DELETE WITH RETURN UNWIND AS ON WHERE ( ) [ ] { } - > < : , . = | "
    "n m r :L {a:1} $p 1 'x' INDEX EDGE CONSTRAINT ASSERT EXISTS IS UNIQUE TRIGGER BEFORE AFTER COMMIT EXECUTE DROP "
    "USING PERIODIC SHOW ENABLE TTL EVERY AT DATABASE USE REPLICA"
)
_WORDS = st.sampled_from(_VOCABULARY.split())


@given(st.text(max_size=40) | st.lists(_WORDS, max_size=14).map(" ".join))
def test_no_text_crashes_the_parser(text: str) -> None:
    problem = ""
    try:
        parse(text)
    except QueryError as error:
        problem = error.message
    known = (
        "Error on line",
        "Periodic commit",
        "All constraint variable",
        "Unbound variable",
        "Redeclaring variable",
        "Multiple results",
        "Cannot create node",
    )
    assert problem.startswith(known) or not problem
