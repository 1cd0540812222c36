"""Row 19: what triggers write goes where the write goes that sets them off."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from conformance_lab import Lab
from conformance_servers import Process, noticed, settles

pytestmark = pytest.mark.row("6.2/19")
CREATE = "CREATE (:Number {name: 'Not_Magic', value: 0})"
UPDATE = "MATCH (node:Number {name: 'Not_Magic'}) SET node.value = 1 RETURN node"
DELETE = "MATCH (n) DETACH DELETE n"


def trigger(name: str, event: str, phase: str) -> str:
    """A trigger that creates a node of its own name."""
    return f"CREATE TRIGGER {name} ON {event} {phase} COMMIT EXECUTE CREATE (:Number {{name: '{name}'}})"


def cluster(lab: Lab, triggers: Sequence[str]) -> tuple[Process, Process, Process]:
    """A main with these triggers, and two SYNC replicas."""
    main, one, two = lab.cluster("SYNC", "SYNC").all
    one.flags = ("--data-recovery-on-startup=false",)
    for query in triggers:
        main.query(query)
    assert len(main.query("SHOW TRIGGERS")) == len(triggers)
    return main, one, two


def names(instance: Process) -> list[str]:
    """The names of all nodes, sorted."""
    return sorted(row[0] for row in instance.query("MATCH (n) RETURN n.name"))


def offline(main: Process, one: Process, two: Process, query: str, expected: list[str]) -> None:
    """One replica dies, the query is an error, and yet everything it and its triggers write is there."""
    one.kill()
    noticed(main, "replica_1")
    main.refusal(query)
    settles(lambda: names(main), expected)
    settles(two.nodes, main.nodes())
    one.start()
    settles(lambda: {seen[2:] for seen in main.replicas().values()}, {(0, "ready")})
    assert one.nodes() == two.nodes() == main.nodes()
    assert names(main) == expected


def test_6_2_19_on_create_before_commit(lab: Lab) -> None:
    main, one, two = cluster(lab, [trigger("first", "CREATE", "BEFORE")])
    main.query(CREATE)
    assert names(main) == ["Not_Magic", "first"]
    assert one.nodes() == two.nodes() == main.nodes()
    main.query(DELETE)
    offline(main, one, two, CREATE, ["Not_Magic", "first"])


def test_6_2_19_on_update_before_commit(lab: Lab) -> None:
    main, one, two = cluster(lab, [trigger("first", "UPDATE", "BEFORE")])
    main.query(CREATE)
    assert names(main) == ["Not_Magic"]
    main.query(UPDATE)
    assert names(main) == ["Not_Magic", "first"]
    assert one.nodes() == two.nodes() == main.nodes()
    main.query(DELETE)
    main.query(CREATE)
    offline(main, one, two, UPDATE, ["Not_Magic", "first"])


def test_6_2_19_on_delete_before_commit(lab: Lab) -> None:
    query = trigger("first", "DELETE", "BEFORE")
    main, one, two = cluster(lab, [query])
    main.query(CREATE)
    main.query(DELETE)
    assert names(main) == ["first"]
    assert one.nodes() == two.nodes() == main.nodes()
    main.query("DROP TRIGGER first")
    assert main.query("SHOW TRIGGERS") == []
    main.query(DELETE)
    main.query(query)
    main.query(CREATE)
    assert names(main) == ["Not_Magic"]
    offline(main, one, two, DELETE, ["first"])


def test_6_2_19_on_create_before_and_after_commit(lab: Lab) -> None:
    main, one, two = cluster(lab, [trigger("before", "CREATE", "BEFORE"), trigger("later", "CREATE", "AFTER")])
    main.query(CREATE)
    settles(lambda: names(main), ["Not_Magic", "before", "later"])
    for replica in (one, two):
        settles(replica.nodes, main.nodes())
    main.query(DELETE)
    offline(main, one, two, CREATE, ["Not_Magic", "before", "later"])


def test_6_2_19_two_on_create_before_commit(lab: Lab) -> None:
    main, one, two = cluster(lab, [trigger("first", "CREATE", "BEFORE"), trigger("second", "CREATE", "BEFORE")])
    main.query(CREATE)
    assert names(main) == ["Not_Magic", "first", "second"]
    assert one.nodes() == two.nodes() == main.nodes()
    main.query(DELETE)
    offline(main, one, two, CREATE, ["Not_Magic", "first", "second"])
