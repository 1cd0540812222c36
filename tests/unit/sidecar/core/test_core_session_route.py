"""ROUTE: answered by us, in its turn, and never forwarded; everything around it passes unchanged."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.bolt import failure
from sidecar.bolt import messages as m
from sidecar.bolt.chunks import pack, unpack
from sidecar.bolt.handshake import MAGIC
from sidecar.bolt.packstream import Structure, dump, load
from sidecar.contract.state import CutKind
from sidecar.core.routing_table import route_answer
from sidecar.core.session import HELD_BYTES_MAX, Ending, Session


def msg(signature: int, *fields: Any) -> bytes:
    return pack(dump(Structure(signature, fields)))


START, V52 = MAGIC + bytes.fromhex("00000205 00000000 00000000 00000000"), bytes.fromhex("00000205")
SUCCESS, RECORD = msg(m.SUCCESS, {}), msg(m.RECORD, [1])
RUN, PULL, BEGIN, RESET = msg(m.RUN, "x", {}, {}), msg(m.PULL, {"n": -1}), msg(m.BEGIN, {}), msg(m.RESET)
ROUTE = msg(m.ROUTE, {"address": "localhost:7687"}, [], {"db": None})
FAILED = msg(m.FAILURE, {"code": "x", "message": "syntax"})
TABLE = msg(m.SUCCESS, {"rt": "table"})


def session(answer: bytes | None = TABLE, version: bytes = V52) -> Session:
    one = Session(lambda request: answer)
    one.requests(START)
    one.answers(version)
    return one


def test_with_nothing_before_it_the_answer_is_there_at_once() -> None:
    one = session()
    assert one.requests(ROUTE) == b""
    assert one.reply == TABLE
    assert one.answers(SUCCESS) == (SUCCESS, None)


def test_it_waits_for_the_answers_before_it_and_goes_before_those_after_it() -> None:
    one = session()
    assert one.requests(RUN + PULL + ROUTE + RESET) == RUN + PULL + RESET
    assert one.reply == b""
    assert one.answers(SUCCESS + RECORD)[0] == SUCCESS + RECORD
    assert one.answers(SUCCESS + SUCCESS)[0] == SUCCESS + TABLE + SUCCESS


def test_after_a_failure_it_is_ignored_like_everything_else_until_a_reset() -> None:
    one = session()
    one.requests(RUN + ROUTE)
    assert one.answers(FAILED)[0] == FAILED + failure.IGNORED
    one.requests(ROUTE)
    assert one.reply == failure.IGNORED
    one.reply = b""
    one.requests(RESET + ROUTE)
    assert one.answers(SUCCESS)[0] == SUCCESS + TABLE


@pytest.mark.parametrize("version", ["00000104", "00000001"])
def test_versions_without_route_leave_it_to_the_server(version: str) -> None:
    one = session(version=bytes.fromhex(version))
    assert (one.requests(ROUTE), one.reply) == (ROUTE, b"")


def test_what_is_not_ours_is_the_servers_to_answer() -> None:
    for one in (session(None), Session()):
        one.requests(START)
        assert one.requests(ROUTE) == ROUTE
    one = session()
    assert one.requests(BEGIN + ROUTE) == BEGIN + ROUTE  # within a transaction the server says what is wrong
    assert one.reply == b""
    waiting = Session(lambda request: TABLE)
    assert waiting.requests(START + ROUTE) == START + ROUTE  # before a version is agreed on


def test_one_too_long_to_keep_is_passed_on() -> None:
    one, huge = session(), msg(m.ROUTE, {"address": "x" * 2 * HELD_BYTES_MAX}, [], {})
    out = b"".join(one.requests(huge[at : at + 1000]) for at in range(0, len(huge), 1000))
    assert (out, one.reply) == (huge, b"")


def test_a_half_request_is_passed_on_when_the_client_ends() -> None:
    one = session()
    assert one.requests(RUN + ROUTE[:9]) == RUN
    assert one.kept() == ROUTE[:9]
    assert one.kept() == b""


def test_a_cut_ignores_it_after_the_failure_of_what_is_before_it() -> None:
    one = session()
    one.requests(RUN + ROUTE)
    ending, last = one.cut(CutKind.FAILOVER)
    assert ending is Ending.CLOSE
    assert last.endswith(failure.IGNORED)
    assert last.count(failure.IGNORED) == 1


CONVERSATION = [RUN, PULL, ROUTE, RESET, b"\0\0", msg(m.RUN, "y" * 70_000, {}, {}), msg(m.TELEMETRY, 1)]


@given(st.lists(st.sampled_from(CONVERSATION), max_size=8), st.lists(st.integers(0, 1 << 20), max_size=8))
def test_in_any_pieces_only_routes_are_missing_and_each_gets_one_answer(asked: list[bytes], cuts: list[int]) -> None:
    one, data = session(), b"".join(asked)
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    forwarded = b"".join(one.requests(data[a:b]) for a, b in pairwise(bounds)) + one.kept()
    assert forwarded == b"".join(part for part in asked if part != ROUTE)
    server = [SUCCESS for part in asked if part not in (ROUTE, b"\0\0")]
    told = one.reply + b"".join(one.answers(answer)[0] for answer in server)
    assert told == b"".join(TABLE if part == ROUTE else SUCCESS for part in asked if part != b"\0\0")


# ---- the table -----------------------------------------------------------------------------------------------------


def _table(request: bytes, dialled: str = "127.0.0.1:7687", *, readable: bool = True) -> dict[str, Any]:
    answer = route_answer(request, dialled, (7687, 7688), readable=readable)
    assert answer is not None
    structure = load(unpack(answer))
    assert structure.signature == m.SUCCESS
    table: dict[str, Any] = structure.fields[0]["rt"]
    return table | {server["role"]: server["addresses"] for server in table["servers"]}


@pytest.mark.parametrize(
    ("context", "dialled", "write", "read", "route"),
    [
        ({}, "127.0.0.1:7687", "127.0.0.1:7687", "127.0.0.1:7688", "127.0.0.1:7687"),
        ({}, "[::1]:7687", "[::1]:7687", "[::1]:7688", "[::1]:7687"),
        ({"address": "localhost:7687"}, "[::1]:7687", "localhost:7687", "localhost:7688", "localhost:7687"),
        ({"address": "localhost:7688"}, "[::1]:7688", "localhost:7687", "localhost:7688", "localhost:7688"),
        ({"address": "localhost:9999"}, "127.0.0.1:7687", "localhost:9999", "localhost:9999", "localhost:9999"),
        ({"address": "nonsense"}, "127.0.0.1:7687", "127.0.0.1:7687", "127.0.0.1:7688", "127.0.0.1:7687"),
        ({"address": "a:0"}, "127.0.0.1:7687", "127.0.0.1:7687", "127.0.0.1:7688", "127.0.0.1:7687"),
        ({"address": 7}, "127.0.0.1:7687", "127.0.0.1:7687", "127.0.0.1:7688", "127.0.0.1:7687"),
    ],
)
def test_every_role_is_the_host_that_was_dialled(
    context: dict[str, Any], dialled: str, write: str, read: str, route: str
) -> None:
    table = _table(msg(m.ROUTE, context, [], {}), dialled)
    assert (table["WRITE"], table["READ"], table["ROUTE"]) == ([write], [read], [route])
    assert table["ttl"] == 60


def test_without_a_replica_reads_go_where_writes_go() -> None:
    assert _table(ROUTE, readable=False)["READ"] == ["localhost:7687"]


@pytest.mark.parametrize(
    ("extra", "name"), [("memgraph", "memgraph"), (None, None), ({"db": "memgraph"}, "memgraph"), ({}, None), (1, None)]
)
def test_the_database_is_where_the_version_has_it(extra: Any, name: str | None) -> None:
    assert _table(msg(m.ROUTE, {}, [], extra))["db"] == name


@pytest.mark.parametrize(
    "request_",
    [b"", b"\0\0", pack(b"\xb3\x66"), msg(m.ROUTE, {}, []), msg(m.ROUTE, [], [], {}), msg(m.ROUTE, {}, "x", {})],
)
def test_what_cannot_be_understood_is_left_to_the_server(request_: bytes) -> None:
    assert route_answer(request_, "127.0.0.1:7687", (7687, 7688), readable=True) is None


@given(st.binary(max_size=100))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    route_answer(pack(data), "127.0.0.1:7687", (7687, 7688), readable=True)
