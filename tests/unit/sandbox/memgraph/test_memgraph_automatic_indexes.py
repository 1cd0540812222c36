"""Indexes that are made for new labels and relationship types, if the flags say so (M-6.2/26)."""

from __future__ import annotations

from typing import Any

import pytest
from virtual_memgraph import World

from sandbox.memgraph.core.instance import Settings
from sandbox.memgraph.core.query.interpreter import Interpreter
from sandbox.memgraph.flags import parse
from sandbox.memgraph.server import new_instance

CREATE = "CREATE (:A)-[:T]->(:B)"


def started(settings: Settings) -> World:
    """A main with a SYNC replica b."""
    world = World()
    for name in "ab":
        world.start(name, settings=settings)
    world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "REGISTER REPLICA b SYNC TO 'b:10000'")
    world.advance(0.1)
    return world


def indexes(world: World, name: str = "a") -> list[Any]:
    return [row[1] for row in world.query(name, "SHOW INDEX INFO")]


@pytest.mark.parametrize(
    ("labels", "types", "made"),
    [(False, False, []), (True, False, ["A", "B"]), (False, True, ["T"]), (True, True, ["T", "A", "B"])],
)
def test_after_the_commit_each_by_a_commit_of_its_own(labels: bool, types: bool, made: list[str]) -> None:
    world = started(Settings(automatic_label_indexes=labels, automatic_edge_type_indexes=types))
    world.query("a", CREATE)
    world.advance(1)
    assert indexes(world) == indexes(world, "b") == made
    ops = [commit.ops for wal in world.instances["b"].files.wals for commit in wal.commits]
    assert [len(each) for each in ops] == [3] + [1] * len(made)


@pytest.fixture
def world() -> World:
    return started(Settings(automatic_label_indexes=True, automatic_edge_type_indexes=True))


def test_labels_that_are_added_later_and_rolled_back_ones(world: World) -> None:
    world.query("a", "CREATE INDEX ON :A(p)")  # is no index of the label
    session = Interpreter(world.instances["a"])
    world.do("a", session.begin())
    world.do("a", session.pull(world.do("a", session.prepare("CREATE (:Lost)", {})), -1))
    session.rollback()
    world.query("a", "CREATE (:A)")
    world.advance(1)
    world.query("a", "MATCH (n:A) SET n:Later")
    world.advance(1)
    assert indexes(world) == ["A", "Later", "A"]


def test_one_that_was_dropped_comes_back_only_with_a_label_that_is_added(world: World) -> None:
    world.query("a", CREATE)
    world.advance(1)
    world.query("a", "DROP INDEX ON :A")
    world.query("a", "MATCH (n:A) SET n.p = 1")
    world.advance(1)
    assert indexes(world) == ["T", "B"]
    world.query("a", "CREATE (:A)")
    world.advance(1)
    assert indexes(world) == ["T", "A", "B"]


def test_it_waits_for_whoever_may_write_and_tries_again(world: World) -> None:
    writer = Interpreter(world.instances["a"])
    world.do("a", writer.begin())
    world.query("a", "CREATE (:A)")
    world.advance(1.05)
    assert indexes(world) == [], "it gave up after a second"
    writer.rollback()
    world.advance(0.03)
    assert indexes(world) == [], "it pauses"
    world.advance(0.1)
    assert indexes(world) == ["A"]


def test_a_commit_without_its_replica_wants_them_too(world: World) -> None:
    world.kill("b")
    running = world.begin_query("a", "CREATE (:A)")
    world.advance(60)
    assert running.error is not None
    assert indexes(world) == ["A"]


def test_not_in_analytical_mode_nor_on_a_replica(world: World) -> None:
    world.query("a", "CREATE (:A)")
    world.advance(1)
    assert world.instances["b"].to_index == {}
    world.query("a", "DROP REPLICA b")
    world.query("a", "STORAGE MODE IN_MEMORY_ANALYTICAL")
    world.query("a", "CREATE (:B)")
    world.advance(1)
    assert indexes(world) == ["A"]


def test_flags() -> None:
    settings = new_instance(parse(["--storage-automatic-label-index-creation-enabled"])).settings
    assert (settings.automatic_label_indexes, settings.automatic_edge_type_indexes) == (True, False)
    settings = new_instance(parse(["--storage-automatic-edge-type-index-creation-enabled=true"])).settings
    assert (settings.automatic_label_indexes, settings.automatic_edge_type_indexes) == (False, True)
