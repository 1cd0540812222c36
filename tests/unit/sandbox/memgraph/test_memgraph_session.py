"""The Bolt server's state machine, message by message (M-4.2 to 4.6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bolt_client import Client

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt.messages import (
    ACK_FAILURE,
    BEGIN,
    COMMIT,
    DISCARD,
    FAILURE,
    GOODBYE,
    HELLO,
    IGNORED,
    LOGOFF,
    LOGON,
    PULL,
    RECORD,
    RESET,
    ROLLBACK,
    ROUTE,
    RUN,
    SUCCESS,
)
from sandbox.memgraph.core.bolt.packstream import Structure
from sandbox.memgraph.core.bolt.results import Abandoned
from sandbox.memgraph.core.bolt.session import State
from sandbox.memgraph.core.errors import ProtocolError


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


@pytest.mark.parametrize("version", [(1, 0), (4, 4), (5, 2)])
def test_passwords_count_once_users_exist(version: tuple[int, int]) -> None:
    root = Client()
    root.world.query("a", "CREATE USER u IDENTIFIED BY 'secret'")

    def login(**auth: Any) -> tuple[Structure, State]:
        client = Client(version, ready=False, beside=root)
        if version == (5, 2):
            client.say(HELLO, {"user_agent": "t"})
            (answer,) = client.say(LOGON, auth)
        else:
            (answer,) = client.say(HELLO, *(["t"] if version == (1, 0) else []), {"user_agent": "t", **auth})
        return answer, client.session.state

    for auth in (
        {"scheme": "basic", "principal": "u", "credentials": "wrong"},
        {"scheme": "basic", "principal": "nobody", "credentials": "secret"},
        {"scheme": "none"},
        {"principal": "u", "credentials": 1},
        {"scheme": "kerberos", "principal": "u", "credentials": "secret"},
        {},
    ):
        answer, state = login(**auth)
        assert answer.fields == [{"code": errors.UNAUTHENTICATED, "message": "Authentication failure"}], auth
        assert state is State.CLOSED
    for scheme in ("basic", 7, None):
        answer, state = login(scheme=scheme, principal="u", credentials="secret")
        assert (answer.tag, state) == (SUCCESS, State.IDLE), scheme


def test_without_users_only_an_unknown_scheme_is_refused() -> None:
    for auth, tag in (({"scheme": "bearer"}, FAILURE), ({"scheme": "basic", "principal": 1}, SUCCESS)):
        client = Client(ready=False)
        assert tags(client.say(LOGON, auth)) == [tag], "LOGON needs no HELLO before it"
        assert client.session.refused == (tag == FAILURE)


def test_server_name_may_be_empty() -> None:
    client = Client(ready=False)
    client.world.instances["a"].settings = replace(client.world.instances["a"].settings, server_name="")
    assert client.say(HELLO, {"user_agent": "t"})[0].fields == [{"connection_id": "bolt-1"}]


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
    assert first[2].fields == [{"has_more": True, "run_id": "r"}]
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


def test_version_one() -> None:
    client = Client((1, 0))
    assert client.say(RUN, "RETURN 1 AS x", {})[0].fields == [{"fields": ["x"]}]
    assert tags(client.say(PULL)) == [RECORD, SUCCESS]
    client.say(RUN, "FOO", {})
    assert tags(client.say(PULL)) == [IGNORED]
    assert tags(client.say(ACK_FAILURE)) == [SUCCESS]


def test_second_system_query_is_refused() -> None:
    client = Client()
    client.run("SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    other = Client(beside=client)
    answer = other.run("DROP REPLICA x")[0].fields[0]
    assert answer == {"code": errors.CLIENT, "message": errors.CONCURRENT_SYSTEM_QUERIES}
    client.say(PULL, {"n": -1})
    other.say(RESET)
    assert tags(other.run("DROP REPLICA x")) == [SUCCESS]


def test_endless_chain_of_operators_is_an_error_and_no_crash() -> None:
    client = Client()
    client.run("RETURN " + "1 + " * 20_000 + "1 AS x")
    assert "too deeply" in client.say(PULL, {"n": -1})[0].fields[0]["message"]


@pytest.mark.parametrize(
    ("extra", "code", "message"),
    [
        ({"db": "neo4j"}, errors.TRANSIENT, 'Tried to retrieve an unknown database "neo4j".'),
        ({"db": 1}, errors.CLIENT, "Malformed config input."),
        ({"imp_user": 1}, errors.CLIENT, "Malformed config input."),
        ({"imp_user": "x"}, errors.TRANSIENT, "Trying to impersonate a user that doesn't exist."),
    ],
)
def test_other_databases_and_users_are_refused(extra: dict[str, Any], code: str, message: str) -> None:
    for tag, fields in ((RUN, ["RETURN 1", {}, extra]), (BEGIN, [extra])):
        assert Client().say(tag, *fields)[0].fields == [{"code": code, "message": message}]
    inside = Client()
    inside.begin()
    assert tags(inside.say(RUN, "RETURN 1", {}, extra)) == [SUCCESS], "a transaction has its database already"


def test_database_memgraph_is_the_one_there_is() -> None:
    assert tags(Client().say(RUN, "RETURN 1", {}, {"db": "memgraph"})) == [SUCCESS]


def test_only_one_result_is_open_even_within_a_transaction() -> None:
    """RUN closes the connection while a result is open, so that qid can never choose among open ones."""
    client = Client()
    client.begin()
    client.run("UNWIND [1, 2] AS x RETURN x")
    client.say(PULL, {"n": 1, "qid": 0})
    with pytest.raises(ProtocolError):
        client.run("RETURN 1")


def test_qid_counts_the_queries_of_a_transaction() -> None:
    client = Client()
    client.begin()
    for number in range(3):
        assert client.run("RETURN 1 AS x")[0].fields[0]["qid"] == number
        client.say(PULL, {"n": -1, "qid": number})
    client.say(COMMIT)
    client.begin()
    assert client.run("RETURN 1 AS x")[0].fields[0]["qid"] == 0
    client.say(RESET)
    client.run("BEGIN")
    client.say(PULL, {"n": -1})
    assert client.run("RETURN 1 AS x")[0].fields[0]["qid"] == 1, "the query BEGIN was number 0"
    client.say(PULL, {"n": -1})
    assert client.run("COMMIT")[0].fields[0]["qid"] == 2
    assert client.say(PULL, {"n": -1, "qid": 2})[0].fields == [{"has_more": False, "run_id": "r"}]
    assert client.run("RETURN 1 AS x")[0].fields == [{"fields": ["x"]}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"qid": 1}, "Invalid arguments sent: qid - Query with specified ID does not exist!"),
        ({"qid": -2}, "Invalid arguments sent: qid - Query with specified ID does not exist!"),
        ({"n": -2}, "Invalid arguments sent: n - Cannot fetch negative number of results!"),
    ],
)
def test_bad_numbers_in_pull_are_a_failure(options: dict[str, Any], message: str) -> None:
    for tag in (PULL, DISCARD):
        client = Client()
        client.begin()
        client.run("RETURN 1 AS x")
        assert client.say(tag, options)[0].fields == [{"code": errors.CLIENT, "message": message}]


def test_pull_of_none_says_whether_there_is_one() -> None:
    client = Client()
    client.run("RETURN 1 AS x")
    assert client.say(PULL, {"n": 0})[0].fields[0]["has_more"] is True
    assert tags(client.say(PULL, {"n": "all", "qid": "last"})) == [RECORD, SUCCESS], "no integers: as if absent"


def test_what_kills_the_real_server_ends_the_connection_without_an_answer() -> None:
    """A qid outside of a transaction and one of a finished result fail an assertion there; no map in PULL a session."""
    client = Client()
    client.run("RETURN 1 AS x")
    with pytest.raises(Abandoned):
        client.say(PULL, {"n": -1, "qid": 0})
    client = Client()
    client.begin()
    client.run("RETURN 1 AS x")
    client.say(PULL, {})
    client.run("RETURN 2 AS x")
    with pytest.raises(Abandoned):
        client.say(PULL, {"qid": 0})
    client = Client()
    client.run("RETURN 1 AS x")
    with pytest.raises(Abandoned):
        client.send(bytes.fromhex("b13fc0"))


def test_failed_transaction_holds_its_nodes_until_it_is_reset() -> None:
    client = Client()
    client.world.query("a", "CREATE (:T {id: 1})")
    client.begin()
    client.run("MATCH (n:T) SET n.id = 2")
    client.say(PULL, {})
    client.run("no query")
    other = Client(beside=client)
    other.run("MATCH (n:T) SET n.id = 3")
    assert other.say(PULL, {})[0].fields == [{"code": errors.TRANSIENT, "message": errors.CONFLICT}]
    client.say(RESET)
    other.say(RESET)
    other.run("MATCH (n:T) SET n.id = 3")
    assert tags(other.say(PULL, {})) == [SUCCESS]


def test_version_one_goes_on_with_a_transaction_after_an_error() -> None:
    """ACK_FAILURE aborts nothing: a query that failed forbids COMMIT, one that wasn't understood does not."""
    client = Client((1, 0))

    def query(text: str) -> list[Structure]:
        failed = client.run(text)
        return failed if tags(failed) == [FAILURE] else client.say(PULL)

    query("BEGIN")
    query("CREATE (:T)")
    query("no query")
    client.say(ACK_FAILURE)
    assert query("COMMIT")[-1].tag == SUCCESS
    query("BEGIN")
    query("CREATE (:T)")
    query("SHOW REPLICAS")
    client.say(ACK_FAILURE)
    assert query("COMMIT")[0].fields == [{"code": errors.CLIENT, "message": errors.FAILED_BEFORE}]
    client.say(ACK_FAILURE)
    assert query("BEGIN")[0].fields[0]["message"] == "Nested transactions are not supported."
    client.say(ACK_FAILURE)
    assert query("ROLLBACK")[-1].tag == SUCCESS
    assert client.world.query("a", "MATCH (n) RETURN count(n)") == [[1]]


def test_transaction_timeout() -> None:
    client = Client()
    client.begin(tx_timeout=2000)
    client.run("RETURN 1 AS x")
    assert tags(client.say(PULL, {})) == [RECORD, SUCCESS]
    client.world.advance(2.1)
    client.run("RETURN 1 AS x")
    assert client.say(PULL, {})[0].fields == [{"code": errors.TRANSIENT, "message": errors.TIMED_OUT}]


def test_timeout_of_a_query_and_of_one_that_was_in_time() -> None:
    client = Client()
    client.say(RUN, "RETURN 1 AS x", {}, {"tx_timeout": 100})
    client.world.advance(0.2)
    assert client.say(PULL, {})[0].fields[0]["message"] == errors.TIMED_OUT
    client.say(RESET)
    for extra in ({"tx_timeout": 100}, {}, {"tx_timeout": 0}, {"tx_timeout": "soon"}):
        client.say(RUN, "RETURN 1 AS x", {}, extra)
        assert tags(client.say(PULL, {})) == [RECORD, SUCCESS]
        client.world.advance(0.2)
    client.begin(tx_timeout=100)
    client.say(COMMIT)
    client.world.advance(0.2)
    client.begin()
    client.run("RETURN 1 AS x")
    assert tags(client.say(PULL, {})) == [RECORD, SUCCESS], "the timer ended with its transaction"


def test_mode_of_an_auto_commit_query_is_not_enforced() -> None:
    client = Client()
    client.say(RUN, "CREATE (:T)", {}, {"mode": "r"})
    assert client.say(PULL, {})[0].fields[0]["stats"]["nodes-created"] == 1


def test_logoff_aborts_and_another_user_may_come() -> None:
    client = Client()
    client.begin()
    client.run("CREATE (:T)")
    client.say(PULL, {})
    assert client.say(LOGOFF) == [Structure(SUCCESS, [{}])]
    client.say(LOGON, {})
    assert tags(client.say(COMMIT)) == [FAILURE]
    assert client.world.query("a", "MATCH (n) RETURN count(n)") == [[0]]


def test_parameters_that_only_the_real_server_knows_are_refused_with_a_reason() -> None:
    client = Client()
    (answer,) = client.say(RUN, "RETURN $d AS d", {"d": Structure(0x44, [1])}, {})
    assert "temporal" in answer.fields[0]["message"]
    client.say(RESET)
    assert tags(client.say(RUN, "RETURN 1 AS x", {}, {"tx_metadata": {"d": Structure(0x44, [1])}})) == [SUCCESS]


def test_session_tells_who_asks_what() -> None:
    client = Client()
    client.run("RETURN 1 AS x")
    client.say(PULL, {})
    client.say(COMMIT)
    assert client.session.client == "t"
    assert client.trace == [("Query", "RETURN 1 AS x"), ("QueryFailed", "No current transaction to commit.")]
