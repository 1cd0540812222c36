"""The Bolt server's state machine, message by message (M-4.2 to 4.6)."""

from __future__ import annotations

from typing import Any

import pytest
from virtual_memgraph import World

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt.packstream import Structure
from sandbox.memgraph.core.bolt.session import Session, State
from sandbox.memgraph.core.bolt.stream import Decoder
from sandbox.memgraph.core.errors import ProtocolError

HELLO, GOODBYE, ACK, RESET, RUN, BEGIN, COMMIT, ROLLBACK = 0x01, 0x02, 0x0E, 0x0F, 0x10, 0x11, 0x12, 0x13
DISCARD, PULL, ROUTE, LOGON, LOGOFF = 0x2F, 0x3F, 0x66, 0x6A, 0x6B
SUCCESS, RECORD, IGNORED, FAILURE = 0x70, 0x71, 0x7E, 0x7F


class Client:
    """Speaks to a session without a socket."""

    def __init__(self, version: tuple[int, int] = (5, 2), *, ready: bool = True) -> None:
        self.world = World()
        self.world.start("a")
        self._decoder = Decoder()
        self.session = Session(self.world.instances["a"], version, self._decoder.feed)
        if ready and version >= (5, 1):
            self.say(HELLO, {"user_agent": "t"})
            self.say(LOGON, {"scheme": "none"})
        elif ready:
            self.say(HELLO, *([] if version[0] > 1 else ["t"]), {"user_agent": "t"})

    def say(self, tag: int, *fields: Any) -> list[Structure]:
        """One message; the answers to it."""
        self.world.do("a", self.session.handle(Structure(tag, list(fields))))
        return list(self._decoder.messages())

    def run(self, query: str, **parameters: Any) -> list[Structure]:
        return self.say(RUN, query, parameters, {})


def tags(answers: list[Structure]) -> list[int]:
    return [answer.tag for answer in answers]


def test_hello_logon_logoff() -> None:
    client = Client(ready=False)
    hello = client.say(HELLO, {"user_agent": "t"})
    assert hello[0].fields[0]["server"] == "Neo4j/v5.11.0 compatible graph database server - Memgraph"
    assert client.session.state is State.INIT, "5.1 and later wait for LOGON"
    assert tags(client.say(LOGON, {"scheme": "basic", "principal": "any", "credentials": "thing"})) == [SUCCESS]
    assert tags(client.say(LOGOFF)) == [SUCCESS]
    with pytest.raises(ProtocolError):
        client.run("RETURN 1")


def test_wrong_password_is_refused_and_closed_once_users_exist() -> None:
    client = Client()
    client.world.query("a", "CREATE USER u IDENTIFIED BY 'secret'")
    for version in ((4, 4), (5, 2)):
        session = Client(version, ready=False)
        session.session.instance = client.world.instances["a"]
        auth = {"scheme": "basic", "principal": "u", "credentials": "wrong"}
        answers = session.say(HELLO, {"user_agent": "t", **auth})
        if version == (5, 2):
            answers = session.say(LOGON, auth)
        assert answers[0].fields == [{"code": errors.UNAUTHENTICATED, "message": "Authentication failure"}]
        assert session.session.state is State.CLOSED
    right = Client(ready=False)
    right.session.instance = client.world.instances["a"]
    right.say(HELLO, {"user_agent": "t"})
    assert tags(right.say(LOGON, {"scheme": "basic", "principal": "u", "credentials": "secret"})) == [SUCCESS]


def test_effect_comes_with_the_pull() -> None:
    client = Client()
    assert client.run("SET REPLICATION ROLE TO REPLICA WITH PORT 10000")[0].fields == [{"fields": []}]
    assert client.world.query("a", "SHOW REPLICATION ROLE") == [["main"]]
    (done,) = client.say(PULL, {"n": -1})
    assert client.world.query("a", "SHOW REPLICATION ROLE") == [["replica"]]
    assert done.fields[0]["notifications"][0]["title"] == "Replica role set to REPLICA."


def test_discard_has_the_effect_too_and_a_dropped_connection_none() -> None:
    client = Client()
    client.run("CREATE (:T)")
    client.session.close()
    assert client.world.query("a", "MATCH (n) RETURN count(n)") == [[0]]
    client = Client()
    client.run("CREATE (n:T {x: 1}) RETURN n")
    (done,) = client.say(DISCARD, {"n": -1})
    assert done.fields[0]["stats"]["nodes-created"] == 1
    assert len(done.fields[0]["stats"]) == 7
    assert client.world.query("a", "MATCH (n) RETURN count(n)") == [[1]]


def test_results_in_portions() -> None:
    client = Client()
    assert client.run("UNWIND range(1, 5) AS x RETURN x")[0].fields == [{"fields": ["x"]}]
    first = client.say(PULL, {"n": 2})
    assert [answer.fields for answer in first[:2]] == [[[1]], [[2]]]
    assert first[2].fields == [{"has_more": True}]
    rest = client.say(PULL, {"n": 10})
    assert tags(rest) == [RECORD] * 3 + [SUCCESS]
    assert rest[-1].fields[0]["type"] == "r"
    assert rest[-1].fields[0]["has_more"] is False


def test_unfinished_auto_commit_write_is_rolled_back_by_reset() -> None:
    client = Client()
    client.run("UNWIND [1, 2] AS x CREATE (n:T {x: x}) RETURN n.x")
    client.say(PULL, {"n": 1})
    client.say(RESET)
    assert client.world.query("a", "MATCH (n) RETURN count(n)") == [[0]]


def test_failure_then_ignored_until_reset() -> None:
    client = Client()
    assert client.run("FOO")[0].fields[0].keys() == {"code", "message"}
    assert tags(client.say(PULL, {"n": -1})) == [IGNORED]
    assert tags(client.say(GOODBYE)) == [IGNORED]
    assert tags(client.say(RESET)) == [SUCCESS]
    assert tags(client.run("RETURN 1")) == [SUCCESS]


def test_explicit_transactions() -> None:
    client = Client()
    assert client.say(BEGIN, {}) == [Structure(SUCCESS, [{}])]
    assert client.run("CREATE (:T)")[0].fields == [{"fields": [], "qid": 0}]
    client.say(PULL, {"n": -1, "qid": 0})
    assert client.run("MATCH (n) RETURN count(n)")[0].fields[0]["qid"] == 1
    assert client.say(PULL, {"n": -1, "qid": -1})[0].fields == [[1]]
    assert client.world.query("a", "MATCH (n) RETURN count(n)") == [[0]], "nobody else sees it"
    assert client.say(ROLLBACK) == [Structure(SUCCESS, [{}])]
    client.say(BEGIN, {})
    client.run("CREATE (:T)")
    client.say(PULL, {"n": -1})
    assert client.say(COMMIT) == [Structure(SUCCESS, [{}])]
    assert client.world.query("a", "MATCH (n) RETURN count(n)") == [[1]]


def test_read_transaction_refuses_a_write_and_system_queries_are_refused_in_any() -> None:
    client = Client()
    client.say(BEGIN, {"mode": "r"})
    for query, kind in (("CREATE (:T)", "WRITE"), ("MATCH (n:T) DELETE n", "READ-WRITE")):
        message = client.run(query)[0].fields[0]["message"]
        assert message == f"Accessor type READ and query type {kind} are misaligned!"
        client.say(RESET)
        client.say(BEGIN, {"mode": "r"})
    for query in ("SHOW REPLICAS", "SET REPLICATION ROLE TO MAIN", "SHOW VERSION", "CREATE INDEX ON :T"):
        client.say(RESET)
        client.say(BEGIN, {})
        assert "not allowed in multicommand transactions" in client.run(query)[0].fields[0]["message"]


def test_transactions_as_queries() -> None:
    client = Client()
    for query in ("BEGIN", "CREATE (:T)", "COMMIT"):
        client.run(query)
        client.say(PULL, {"n": -1})
    assert client.world.query("a", "MATCH (n) RETURN count(n)") == [[1]]
    client.run("COMMIT")
    assert client.say(PULL, {"n": -1})[0].fields[0]["message"] == "No current transaction to commit."


def test_replica_refuses_writes_at_run() -> None:
    client = Client()
    client.world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    assert client.run("MERGE (n:T)")[0].fields == [{"code": errors.CLIENT, "message": errors.WRITE_ON_REPLICA}]
    client.say(RESET)
    assert tags(client.run("MATCH (n) RETURN n")) == [SUCCESS]


def test_route_fails_as_on_a_plain_instance() -> None:
    client = Client()
    assert client.say(ROUTE, {}, [], {})[0].fields == [{"code": errors.TRANSIENT, "message": errors.NO_ROUTE}]


@pytest.mark.parametrize(
    ("version", "before", "message"),
    [
        ((5, 2), [], (PULL, {"n": -1})),
        ((5, 2), [], (0x54, 1)),
        ((5, 2), [], (RUN, "RETURN 1")),
        ((5, 2), [], (ACK,)),
        ((4, 4), [], (LOGOFF,)),
        ((4, 1), [], (ROUTE, {}, [], None)),
        ((5, 2), [(RUN, "RETURN 1", {}, {})], (RUN, "RETURN 1", {}, {})),
        ((5, 2), [(RUN, "RETURN 1", {}, {})], (COMMIT,)),
        ((1, 0), [], (GOODBYE,)),
        ((5, 2), [], (HELLO, {"user_agent": "t"})),
    ],
)
def test_broken_protocol_closes(version: tuple[int, int], before: list[Any], message: Any) -> None:
    client = Client(version)
    for earlier in before:
        client.say(*earlier)
    with pytest.raises(ProtocolError):
        client.say(*message)


def test_hello_without_user_agent_closes() -> None:
    client = Client((4, 4), ready=False)
    with pytest.raises(ProtocolError):
        client.say(HELLO, {})


def test_noop_is_ignored() -> None:
    assert Client().say(0x00) == []


def test_version_one() -> None:
    client = Client((1, 0))
    assert client.say(RUN, "RETURN 1 AS x", {})[0].fields == [{"fields": ["x"]}]
    assert tags(client.say(PULL)) == [RECORD, SUCCESS]
    client.say(RUN, "FOO", {})
    assert tags(client.say(PULL)) == [IGNORED]
    assert tags(client.say(ACK)) == [SUCCESS]


@pytest.mark.parametrize(("version", "fields"), [((4, 4), 3), ((5, 2), 4)])
def test_nodes_have_an_element_id_since_five(version: tuple[int, int], fields: int) -> None:
    client = Client(version)
    client.run("CREATE (n:A:B {x: 1}) RETURN n")
    node = client.say(PULL, {"n": -1})[0].fields[0][0]
    assert node.fields == [0, ["A", "B"], {"x": 1}, "0"][:fields]


@pytest.mark.parametrize(("version", "fields"), [((4, 4), 5), ((5, 2), 8)])
def test_relationships_have_element_ids_since_five(version: tuple[int, int], fields: int) -> None:
    client = Client(version)
    client.run("CREATE (), (a)-[r:R {x: 1}]->() RETURN [r]")
    edge = client.say(PULL, {"n": -1})[0].fields[0][0][0]
    assert edge.tag == 0x52
    assert edge.fields == [0, 1, 2, "R", {"x": 1}, "0", "1", "2"][:fields]


def test_goodbye_closes() -> None:
    client = Client()
    assert client.say(GOODBYE) == []
    assert client.session.state is State.CLOSED


def test_second_system_query_is_refused() -> None:
    client = Client()
    client.run("SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    other = Client()
    other.session.interpreter.instance = client.world.instances["a"]
    other.world = client.world
    answer = other.run("DROP REPLICA x")[0].fields[0]
    assert answer == {"code": errors.CLIENT, "message": errors.CONCURRENT_SYSTEM_QUERIES}
    other.say(RESET)
    assert other.run("SHOW USERS")[0].fields[0]["message"] == errors.CONCURRENT_SYSTEM_QUERIES
    other.say(RESET)
    assert tags(other.run("SHOW REPLICATION ROLE")) == [SUCCESS]
    client.say(PULL, {"n": -1})
    other.say(RESET)
    assert tags(other.run("DROP REPLICA x")) == [SUCCESS]


def test_endless_chain_of_operators_is_an_error_and_no_crash() -> None:
    client = Client()
    client.run("RETURN " + "1 + " * 20_000 + "1 AS x")
    assert "too deeply" in client.say(PULL, {"n": -1})[0].fields[0]["message"]


def test_other_databases_are_unknown() -> None:
    wanted = {"code": errors.TRANSIENT, "message": 'Tried to retrieve an unknown database "neo4j".'}
    assert Client().say(RUN, "RETURN 1", {}, {"db": "neo4j"})[0].fields == [wanted]
    assert Client().say(BEGIN, {"db": "neo4j"})[0].fields == [wanted]
