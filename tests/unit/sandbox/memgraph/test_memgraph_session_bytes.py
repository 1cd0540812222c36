"""What the Bolt server sends, byte for byte, however the client's bytes are cut (M-4.1, M-4.2, M-4.5)."""

from __future__ import annotations

from typing import Any

import pytest
from bolt_client import Client, packed

from sandbox.memgraph.core.bolt import messages as m
from sandbox.memgraph.core.bolt.stream import Decoder


def text(value: str) -> str:
    """A string's PackStream bytes."""
    data = value.encode()
    assert len(data) < 256
    return (f"{0x80 + len(data):02x}" if len(data) < 16 else f"d0{len(data):02x}") + data.hex()


def message(body: str) -> bytes:
    """Hex of one message to its one chunk."""
    data = bytes.fromhex(body)
    return len(data).to_bytes(2, "big") + data + b"\x00\x00"


GREETING = message("b170a2" + text("connection_id") + text("bolt-1") + text("server")
                   + text("Neo4j/v5.11.0 compatible graph database server - Memgraph"))  # fmt: skip
SUCCESS, IGNORED = message("b170a0"), message("b07e")


def failure(code: str, words: str) -> bytes:
    return message("b17fa2" + text("code") + text(code) + text("message") + text(words))


def stream(*said: tuple[int, list[Any]]) -> bytes:
    return b"".join(message(packed(tag, fields).hex()) for tag, fields in said)


def play(version: tuple[int, int], data: bytes, size: int) -> bytes:
    """The server's answers to these bytes, given in pieces."""
    client, decoder, out = Client(version, ready=False), Decoder(), b""
    for start in range(0, len(data), size):
        decoder.feed(data[start : start + size])
        for complete in decoder.messages():
            out += client.send(complete)
    return out


FIELDS = text("fields")
NUMBERS = "c1" + "00" * 8
HELLO = [{"user_agent": "t"}]
SUMMARY = (
    text("cost_estimate") + NUMBERS + text("db") + text("memgraph") + text("has_more") + "c2"
    + text("number_of_hops") + "00" + text("parsing_time") + NUMBERS + text("plan_execution_time") + NUMBERS
    + text("planning_time") + NUMBERS + text("run_id") + text("r") + text("type") + text("r")
)  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_query_of_each_version(size: int) -> None:
    query = "RETURN 42 AS n"
    header, record = message("b170a1" + FIELDS + "91" + text("n")), message("b17191" + "2a")
    answer = header + record + message("b170a9" + SUMMARY)
    one = stream((m.HELLO, ["t", {}]), (m.RUN, [query, {}]), (m.PULL, []))
    four = stream((m.HELLO, HELLO), (m.NOOP, []), (m.RUN, [query, {}, {}]), (m.PULL, [{"n": -1}]))
    five = stream((m.HELLO, HELLO), (m.LOGON, [{}]), (m.RUN, [query, {}, {}]), (m.PULL, [{"n": -1}]))
    assert play((1, 0), one, size) == GREETING + answer
    assert play((4, 3), four, size) == GREETING + answer
    assert play((5, 2), five, size) == GREETING + GREETING + answer


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_transaction_in_portions(size: int) -> None:
    said = stream(
        (m.HELLO, HELLO),
        (m.BEGIN, [{}]),
        (m.RUN, ["UNWIND [1, 2] AS n RETURN n", {}, {}]),
        (m.PULL, [{"n": 1, "qid": 0}]),
        (m.PULL, [{"n": 1000, "qid": -1}]),
        (m.COMMIT, []),
    )
    more = message("b170a2" + text("has_more") + "c3" + text("run_id") + text("r"))
    header = message("b170a2" + FIELDS + "91" + text("n") + text("qid") + "00")
    last = message("b170a9" + SUMMARY)
    expected = GREETING + SUCCESS + header + message("b1719101") + more + message("b1719102") + last + SUCCESS
    assert play((4, 4), said, size) == expected


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_errors_are_answered_with_code_and_message_alone(size: int) -> None:
    said = stream(
        (m.HELLO, HELLO),
        (m.LOGON, [{}]),
        (m.COMMIT, []),
        (m.PULL, [{"n": -1}]),
        (m.RESET, []),
        (m.ROUTE, [{}, [], {}]),
        (m.GOODBYE, []),
        (m.RESET, []),
        (m.GOODBYE, []),
    )
    client = "Memgraph.ClientError.MemgraphError.MemgraphError"
    no_cluster = "You cannot fetch routing table from an instance which is not part of a cluster."
    assert play((5, 2), said, size) == (
        GREETING * 2
        + failure(client, "No current transaction to commit.") + IGNORED + SUCCESS
        + failure("Memgraph.TransientError.MemgraphError.MemgraphError", no_cluster) + IGNORED + SUCCESS
    )  # fmt: skip


def test_a_node_in_either_layout() -> None:
    for version, tail in (((4, 4), "b34e"), ((5, 2), "b44e")):
        client = Client(version)
        client.run("CREATE (n:B:A {b: 1, a: 'x'}) RETURN n")
        record = client.send(bytes.fromhex("b13fa0")).split(b"\x00\x00")[0] + b"\x00\x00"
        node = tail + "00" + "92" + text("B") + text("A") + "a2" + text("a") + text("x") + text("b") + "01"
        assert record[2:-2].hex() == "b17191" + node + (text("0") if version == (5, 2) else "")
