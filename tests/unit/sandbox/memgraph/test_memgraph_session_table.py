"""Every message in every state and version of the Bolt server, as the sources of Memgraph 3.12 treat it.

Source: src/communication/bolt/v1/states/{init,executing,error,handlers}.hpp and tests/unit/bolt_session.cpp (M-4.2).
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from bolt_client import Client

from sandbox.memgraph.core.bolt import messages as m
from sandbox.memgraph.core.bolt.session import State
from sandbox.memgraph.core.errors import ProtocolError

VERSIONS: Final = ((1, 0), (4, 0), (4, 1), (4, 3), (4, 4), (5, 2))
TELEMETRY, UNKNOWN = 0x54, 0x99
_SIGNATURES: Final = [getattr(m, name) for name in dir(m) if type(getattr(m, name)) is int]
TAGS: Final = (*(tag for tag in _SIGNATURES if tag < m.SUCCESS), TELEMETRY, UNKNOWN)

CLOSE: Final = "close"
"""FAILURE `Memgraph.ExecutionException`, then the end."""


def fields(tag: int, version: tuple[int, int]) -> list[Any]:
    """A message as a client of that version would say it."""
    old = version[0] == 1
    return {
        m.HELLO: ["t", {"scheme": "none"}] if old else [{"user_agent": "t"}],
        m.RUN: ["RETURN 1 AS x", {}] if old else ["RETURN 1 AS x", {}, {}],
        m.PULL: [] if old else [{"n": -1}],
        m.DISCARD: [] if old else [{"n": -1}],
        m.BEGIN: [{}],
        m.ROUTE: [{}, [], {} if version >= (4, 4) else None],
        m.LOGON: [{"scheme": "none"}],
        TELEMETRY: [1],
    }.get(tag, [])


def expected(state: State, tag: int, version: tuple[int, int]) -> tuple[str, State]:
    """What comes back (tags' first letters, or CLOSE) and the state after it."""
    table = {State.INIT: _init, State.IDLE: _idle, State.RESULT: _result, State.FAILED: _failed}[state]
    return table(tag, version) or (CLOSE, State.CLOSED)


def _init(tag: int, version: tuple[int, int]) -> tuple[str, State] | None:
    if tag == m.NOOP and version >= (4, 1):
        return "", State.INIT
    if tag == m.HELLO:
        return "S", State.INIT if version >= (5, 1) else State.IDLE
    return ("S", State.IDLE) if tag == m.LOGON and version >= (5, 1) else None


def _any_ready(tag: int, version: tuple[int, int], state: State) -> tuple[str, State] | None:
    if tag == m.RESET:
        return "S", State.IDLE
    if tag == m.NOOP and version >= (4, 1):
        return "", state
    if tag == m.GOODBYE and version >= (4, 0):
        return "", State.CLOSED
    if tag == m.ROUTE and version >= (4, 3):
        return "F", State.FAILED
    return ("S", State.INIT) if tag == m.LOGOFF and version >= (5, 1) else None


def _idle(tag: int, version: tuple[int, int]) -> tuple[str, State] | None:
    if tag == m.RUN:
        return "S", State.RESULT
    if tag == m.BEGIN and version >= (4, 0):
        return "S", State.IDLE
    if tag in (m.COMMIT, m.ROLLBACK) and version >= (4, 0):
        return "F", State.FAILED
    return _any_ready(tag, version, State.IDLE)


def _result(tag: int, version: tuple[int, int]) -> tuple[str, State] | None:
    if tag == m.PULL:
        return "RS", State.IDLE
    if tag == m.DISCARD:
        return "S", State.IDLE
    return _any_ready(tag, version, State.RESULT)


def _failed(tag: int, version: tuple[int, int]) -> tuple[str, State]:
    if tag == m.RESET or (tag == m.ACK_FAILURE and version[0] == 1):
        return "S", State.IDLE
    if tag == m.NOOP and version == (4, 1):
        return "", State.FAILED
    return "I", State.FAILED


def reach(state: State, version: tuple[int, int]) -> Client:
    client = Client(version, ready=state is not State.INIT)
    if state is State.RESULT:
        client.run("RETURN 1 AS x")
    elif state is State.FAILED:
        client.run("no query")
    assert client.session.state is state
    return client


_LETTERS: Final = {m.SUCCESS: "S", m.RECORD: "R", m.FAILURE: "F", m.IGNORED: "I"}


@pytest.mark.parametrize("tag", TAGS, ids=hex)
@pytest.mark.parametrize("state", [State.INIT, State.IDLE, State.RESULT, State.FAILED])
@pytest.mark.parametrize("version", VERSIONS)
def test_message_in_state(version: tuple[int, int], state: State, tag: int) -> None:
    client = reach(state, version)
    try:
        said = "".join(_LETTERS[answer.tag] for answer in client.say(tag, *fields(tag, version)))
    except ProtocolError:
        said = CLOSE
    assert (said, client.session.state) == expected(state, tag, version)


@pytest.mark.parametrize("state", [State.INIT, State.IDLE, State.RESULT, State.FAILED])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_no_message_closes_in_every_state(version: tuple[int, int], state: State) -> None:
    """An empty message, one byte, no structure, and (but for INIT and LOGOFF) a field too few or of a wrong type."""
    for data in (b"", b"\xb1", b"\x00\x10", b"\xb3\x10\x85RET"):
        client = reach(state, version)
        with pytest.raises(ProtocolError):
            client.send(data)
        assert client.session.state is State.CLOSED


@pytest.mark.parametrize(
    ("state", "data"),
    [
        (State.INIT, "b101a0"),  # HELLO without user_agent
        (State.INIT, "b101a1" + "8a757365725f6167656e74" + "01"),  # user_agent 1
        (State.INIT, "b201" + "a1" + "8a757365725f6167656e74" + "8174" + "c0"),  # version 5 counts the fields
        (State.INIT, "b06a"),  # LOGON without a map
        (State.INIT, "b16ac0"),
        (State.IDLE, "b21081310a"),  # RUN
        (State.IDLE, "b31001a0a0"),
        (State.IDLE, "b3108131c0a0"),
        (State.IDLE, "b3108131a0c0"),
        (State.IDLE, "b011"),  # BEGIN
        (State.IDLE, "b111c0"),
        (State.IDLE, "b112a0"),  # COMMIT
        (State.IDLE, "b113a0"),  # ROLLBACK
        (State.IDLE, "b10fa0"),  # RESET
        (State.FAILED, "b10fa0"),
        (State.RESULT, "b03f"),  # PULL
        (State.RESULT, "b02f"),
        (State.IDLE, "b266a090"),  # ROUTE
        (State.IDLE, "b366c090a0"),
        (State.IDLE, "b366a0a0a0"),
        (State.FAILED, "b210"),  # ignoring needs whole fields, too
    ],
)
def test_malformed_messages_close(state: State, data: str) -> None:
    client = reach(state, (5, 2))
    with pytest.raises(ProtocolError):
        client.send(bytes.fromhex(data))
    assert client.session.state is State.CLOSED


def test_old_drivers_may_miscount_the_fields_of_their_first_message() -> None:
    for version, data in (((1, 0), "b3018174a0"), ((4, 3), "b301a18a757365725f6167656e748174")):
        client = Client(version, ready=False)
        client.send(bytes.fromhex(data))
        assert client.session.state is State.IDLE


def test_the_surplus_of_a_message_is_read_as_the_next_ones_beginning() -> None:
    client = Client()
    assert client.send(bytes.fromhex("b000" + "b0")) == b"", "NOOP, and one byte too many"
    client.send(bytes.fromhex("0f"))
    assert client.session.state is State.IDLE, "together: RESET"
