"""Type constraints: enforced inside the query, replicated, listed and kept (M-6.2/26)."""

from __future__ import annotations

import pytest
from virtual_memgraph import World, refusal

from sandbox.memgraph.core import errors

MADE = "CREATE CONSTRAINT ON (n:L) ASSERT n.p IS TYPED {}"
DROPPED = "DROP CONSTRAINT ON (n:L) ASSERT n.p IS TYPED {}"


@pytest.fixture
def world() -> World:
    """A main."""
    world = World()
    world.start("a")
    return world


VALUES = {"BOOLEAN": "true", "STRING": "'x'", "INTEGER": "1", "FLOAT": "1.0", "LIST": "[1]", "MAP": "{a: 1}"}
SHOWN = {
    "BOOLEAN": "BOOL",
    "LOCALTIME": "LOCAL TIME",
    "LOCALDATETIME": "LOCAL DATE TIME",
    "ZONEDDATETIME": "ZONED DATE TIME",
}


@pytest.mark.parametrize("word", [*VALUES, "DATE", "LOCALTIME", "LOCALDATETIME", "ZONEDDATETIME", "DURATION", "ENUM"])
def test_only_values_of_the_type_and_none_at_all(world: World, word: str) -> None:
    world.query("a", MADE.format(word))
    shown = SHOWN.get(word, word)
    assert world.query("a", "SHOW CONSTRAINT INFO") == [["data_type", "L", "p", shown]]
    world.query("a", "CREATE (:L), (:L {p: null}), (:M {p: 'any'})")
    for kind, value in VALUES.items():
        if kind == word:
            world.query("a", f"CREATE (:L {{p: {value}}})")
        else:
            assert refusal(world, "a", f"CREATE (:L {{p: {value}}})") == f"IS TYPED {shown} violation on L(p)"


def test_labels_and_properties_that_are_set(world: World) -> None:
    world.query("a", MADE.format("INTEGER"))
    world.query("a", "CREATE (:L {p: 1}), (:M {p: 'text'})")
    for query in (
        "MATCH (n:L) SET n.p = 'text'",
        "MATCH (n:L) SET n += {p: 1.5}",
        "MATCH (n:M) SET n:L",
        "MERGE (:L {p: true})",
    ):
        assert refusal(world, "a", query) == "IS TYPED INTEGER violation on L(p)"
    world.query("a", "MATCH (n:L) SET n.p = 2 SET n.p = null")
    assert world.query("a", "MATCH (n) RETURN n.p AS p ORDER BY p") == [["text"], [None]]


def test_what_is_there_forbids_a_constraint(world: World) -> None:
    world.query("a", "CREATE (:L {p: 'text'})")
    assert refusal(world, "a", MADE.format("INTEGER")) == (
        "Unable to create IS TYPED INTEGER constraint on :L(p), because an existing node violates it."
    )
    assert world.query("a", "SHOW CONSTRAINT INFO") == []


def test_twice_or_missing_is_an_error(world: World) -> None:
    assert refusal(world, "a", DROPPED.format("INTEGER")) == "Constraint IS TYPED INTEGER on :L(p) doesn't exist"
    world.query("a", MADE.format("INTEGER"))
    for word in ("INTEGER", "STRING"):
        assert refusal(world, "a", MADE.format(word)) == f"Constraint IS TYPED {word} on :L(p) already exists"
    assert refusal(world, "a", DROPPED.format("STRING")) == "Constraint IS TYPED STRING on :L(p) doesn't exist"
    world.query("a", DROPPED.format("INTEGER"))
    world.query("a", "CREATE (:L {p: 'text'})")


@pytest.mark.parametrize(
    ("assertion", "message"),
    [
        ("m.p IS TYPED INTEGER", "All constraint variable should reference node 'n'"),
        ("n.p, n.q IS TYPED INTEGER", "expecting UNIQUE"),
        ("n.p IS TYPED NUMBER", "expecting {BOOLEAN, DATE"),
    ],
)
def test_syntax(world: World, assertion: str, message: str) -> None:
    assert message in refusal(world, "a", f"CREATE CONSTRAINT ON (n:L) ASSERT {assertion}")


def test_listed_last_replicated_and_recovered(world: World) -> None:
    for name in "bc":
        world.start(name)
        world.query(name, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "REGISTER REPLICA b SYNC TO 'b:10000'")
    world.advance(0.1)
    for what in (MADE.format("STRING"), "CREATE CONSTRAINT ON (n:L) ASSERT n.p IS UNIQUE"):
        world.query("a", what)
    assert world.instances["a"].write_snapshot()
    world.instances["a"].files.wals.clear()  # so that c can only get the snapshot
    world.query("a", "REGISTER REPLICA c ASYNC TO 'c:10000'")
    world.advance(1)
    world.kill("b")
    world.start("b")
    for name in "abc":
        assert world.query(name, "SHOW CONSTRAINT INFO") == [
            ["unique", "L", ["p"], ""],
            ["data_type", "L", "p", "STRING"],
        ]


def test_analytical_mode_has_none(world: World) -> None:
    world.query("a", MADE.format("INTEGER"))
    assert refusal(world, "a", "STORAGE MODE IN_MEMORY_ANALYTICAL") == errors.CONSTRAINTS_IN_ANALYTICAL
