"""Random changes against a deliberately dumb model: two dicts, copied at every transaction's beginning."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from memgraph_database import Database, run

from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage import constraints
from sandbox.memgraph.core.storage.graph import Graph
from sandbox.memgraph.core.storage.transaction import STILL_CONNECTED, Transaction

KEYS = st.integers(0, 4)
STEPS = st.one_of(
    st.tuples(st.just("create"), KEYS, KEYS),
    st.tuples(st.just("merge"), KEYS, KEYS),
    st.tuples(st.just("set"), KEYS, KEYS),
    st.tuples(st.just("move"), KEYS, KEYS),
    st.tuples(st.just("link"), KEYS, KEYS),
    st.tuples(st.just("merge link"), KEYS, KEYS),
    st.tuples(st.just("set link"), KEYS, KEYS),
    st.tuples(st.just("unlink"), KEYS, KEYS),
    st.tuples(st.just("delete"), KEYS, KEYS),
    st.tuples(st.just("detach"), KEYS, KEYS),
)
QUERIES = {
    "create": "CREATE (:L {k: $a, v: $b})",
    "merge": "MERGE (n:L {k: $a}) ON CREATE SET n.v = 0 SET n.v = n.v + $b",
    "set": "MATCH (n:L {k: $a}) SET n.v = $b",
    "move": "MATCH (n:L {k: $a}) SET n.k = $b",
    "link": "MATCH (a:L {k: $a}), (b:L {k: $b}) CREATE (a)-[:R {w: 0}]->(b)",
    "merge link": "MATCH (a:L {k: $a}), (b:L {k: $b}) MERGE (a)-[r:R]->(b) ON CREATE SET r.w = 1 ON MATCH SET r.w = 2",
    "set link": "MATCH (:L {k: $a})-[r:R]->() SET r.w = $b",
    "unlink": "MATCH (:L {k: $a})-[r]->(:L {k: $b}) DELETE r",
    "delete": "MATCH (n:L {k: $a}) DELETE n",
    "detach": "MATCH (n:L {k: $a}) DETACH DELETE n",
}


class Model:
    """Nodes `[k, v]` and relationships `[start, end, w]` by a number of the model's own."""

    def __init__(self) -> None:
        self.nodes: dict[int, list[int]] = {}
        self.edges: dict[int, list[int]] = {}
        self.next = 0

    def step(self, action: str, a: int, b: int) -> bool:
        """Whether the query succeeds."""
        at_a = [n for n, (k, _) in self.nodes.items() if k == a]
        at_b = [n for n, (k, _) in self.nodes.items() if k == b]
        match action:
            case "create":
                self._add(self.nodes, [a, b])
            case "merge" if not at_a:
                self._add(self.nodes, [a, b])
            case "merge":
                for n in at_a:
                    self.nodes[n][1] += b
            case "set":
                for n in at_a:
                    self.nodes[n][1] = b
            case "move":
                for n in at_a:
                    self.nodes[n][0] = b
            case "link":
                for pair in [(x, y) for x in at_a for y in at_b]:
                    self._add(self.edges, [*pair, 0])
            case "merge link":
                for ends in [[x, y] for x in at_a for y in at_b]:
                    there = [edge for edge in self.edges.values() if edge[:2] == ends]
                    for edge in there:
                        edge[2] = 2
                    if not there:
                        self._add(self.edges, [*ends, 1])
            case "set link":
                for edge in self.edges.values():
                    if edge[0] in at_a:
                        edge[2] = b
            case "unlink":
                self.edges = {e: x for e, x in self.edges.items() if x[0] not in at_a or x[1] not in at_b}
            case "delete" if any(x[0] in at_a or x[1] in at_a for x in self.edges.values()):
                return False
            case _:
                self.edges = {e: x for e, x in self.edges.items() if x[0] not in at_a and x[1] not in at_a}
                self.nodes = {n: x for n, x in self.nodes.items() if n not in at_a}
        return True

    def _add(self, where: dict[int, list[int]], value: list[int]) -> None:
        where[self.next] = value
        self.next += 1

    def seen(self) -> list[list[Any]]:
        """What `see` reads of a database."""
        links = [[self.nodes[x][0], w, self.nodes[y][0]] for x, y, w in self.edges.values()]
        return [sorted(self.nodes.values()), sorted(links)]


def see(transaction: Transaction) -> list[list[Any]]:
    """Nodes by index and by scan, relationships from either side: each way must say the same."""
    scanned = sorted(run(transaction, "MATCH (n) RETURN n.k, n.v"))
    found = run(transaction, "UNWIND range(0, 5) AS k MATCH (n:L {k: k}) RETURN n.k, n.v")
    assert sorted(found) == scanned
    links = sorted(run(transaction, "MATCH (a)-[r]->(b) RETURN a.k, r.w, b.k"))
    assert sorted(run(transaction, "MATCH (b)<-[r]-(a:L) RETURN a.k, r.w, b.k")) == links
    loops = sum(start == end for start, _, end in run(transaction, "MATCH (a)-[r]->(b) RETURN id(a), r.w, id(b)"))
    assert run(transaction, "MATCH (a)-[r]-(b) RETURN count(*)") == [[2 * len(links) - loops]]
    return [scanned, links]


@given(st.booleans(), st.lists(st.tuples(st.lists(STEPS, max_size=5), st.booleans()), max_size=6))
def test_random_transactions_agree_with_the_model(index: bool, transactions: list[tuple[list[Any], bool]]) -> None:
    database = Database(*(("CREATE INDEX ON :L(k)",) if index else ()))
    model = Model()
    reader = Transaction(database.graph, writes=False)
    for steps, commit in transactions:
        trial = copy.deepcopy(model)
        with database.transaction() as transaction:
            for action, a, b in steps:
                problem = ""
                try:
                    run(transaction, QUERIES[action], a=a, b=b)
                except QueryError as error:
                    problem = error.message
                assert problem == ("" if trial.step(action, a, b) else STILL_CONNECTED)
                if problem:
                    commit = False  # a failed query ends its transaction
                    break
                assert see(transaction) == trial.seen()
            if commit:
                database.graph.apply(transaction.ops())
                model = trial
    with database.transaction() as transaction:
        assert see(transaction) == model.seen()
    assert see(reader) == [[], []]
    reader.finish()
    assert database.graph.all_nodes.hidden() == database.graph.all_edges.hidden() == ()
    copied = Graph()
    copied.apply(database.graph.dump())
    assert copied.dump() == database.graph.dump()
    assert (copied.nodes, copied.edges) == (database.graph.nodes, database.graph.edges)


FEW = st.integers(0, 1)
CONFLICTING = st.tuples(st.sampled_from(["link", "unlink", "detach", "move", "merge"]), FEW, FEW)
TURNS = st.lists(st.tuples(FEW, CONFLICTING | st.just("commit") | st.just("rollback")), min_size=4, max_size=15)


@given(TURNS)
@example([(0, ("link", 0, 1)), (1, ("detach", 1, 0)), (1, "commit"), (0, "commit")])
@example([(1, ("unlink", 1, 1)), (0, ("link", 0, 1)), (0, "commit"), (1, ("detach", 1, 0)), (1, "commit")])
@example([(1, ("detach", 1, 0)), (0, ("link", 0, 1)), (1, "commit"), (0, "commit")])
def test_interleaved_transactions_leave_no_loose_ends(turns: list[tuple[int, Any]]) -> None:
    """Whatever conflicts: no relationship without its nodes, no value twice under a unique constraint."""
    database = Database("UNWIND range(0, 1) AS k CREATE (:L {k: k})", "MATCH (a:L), (b:L {k: 0}) CREATE (a)-[:R]->(b)")
    database.graph.apply([["c", "unique", "L", ["k"]]])
    sessions: list[Transaction | None] = [None, None]
    for number, step in turns:
        transaction = sessions[number] or Transaction(database.graph, writes=True)
        sessions[number] = transaction
        try:
            if step == "commit":
                constraints.check(database.graph, transaction)
                database.graph.apply(transaction.ops())
            elif step != "rollback":
                run(transaction, QUERIES[step[0]], a=step[1], b=step[2])
                continue
        except QueryError:
            pass  # a failed query ends its transaction
        transaction.finish()
        sessions[number] = None
        graph = database.graph
        assert all({edge.start, edge.end} <= graph.nodes.keys() for edge in graph.edges.values())
        keys = [node.properties["k"] for node in graph.nodes.values()]
        assert len(set(keys)) == len(keys)
    for open_one in sessions:
        if open_one is not None:
            open_one.finish()
    graph = database.graph
    assert [graph.readers, graph.linkers, graph.all_nodes.writers, graph.all_edges.writers] == [{}, {}, {}, {}]
    assert database.graph.all_nodes.hidden() == database.graph.all_edges.hidden() == ()
