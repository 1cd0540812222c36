"""Bolt messages as bytes, for tests that speak for a client and a server."""

from __future__ import annotations

from typing import Any, Final

from sidecar.bolt import messages as m
from sidecar.bolt.chunks import pack
from sidecar.bolt.packstream import Structure, dump

START: Final = bytes.fromhex("6060b017 000001ff 00080805 00020404 00000003")
V52: Final = bytes.fromhex("00000205")
NOOP: Final = b"\0\0"
UNKNOWN: Final = 0x55
"""A request yet to be invented."""
CODE: Final = "Memgraph.ClientError.MemgraphError.MemgraphError"


def say(signature: int, *fields: Any) -> bytes:
    """One message."""
    return pack(dump(Structure(signature, fields)))


def fails(text: str) -> bytes:
    """A FAILURE of Memgraph's."""
    return say(m.FAILURE, {"code": CODE, "message": text})


REQUESTS: Final = {
    m.HELLO: say(m.HELLO, {"user_agent": "words"}),
    m.LOGON: say(m.LOGON, {"scheme": "none"}),
    m.LOGOFF: say(m.LOGOFF),
    m.GOODBYE: say(m.GOODBYE),
    m.RESET: say(m.RESET),
    m.RUN: say(m.RUN, "CREATE (n)", {}, {}),
    m.BEGIN: say(m.BEGIN, {}),
    m.COMMIT: say(m.COMMIT),
    m.ROLLBACK: say(m.ROLLBACK),
    m.PULL: say(m.PULL, {"n": -1}),
    m.DISCARD: say(m.DISCARD, {"n": -1}),
    m.TELEMETRY: say(m.TELEMETRY, 1),
    m.ROUTE: say(m.ROUTE, {}, [], {}),
    m.ACK_FAILURE: say(m.ACK_FAILURE),
    UNKNOWN: say(UNKNOWN, {}),
}
SUCCESS: Final = say(m.SUCCESS, {})
MORE: Final = say(m.SUCCESS, {"has_more": True})
RECORD: Final = say(m.RECORD, [1])
IGNORED: Final = say(m.IGNORED)
NOT_THE_MAIN: Final = fails("Write queries are forbidden on the replica instance. Replica instances accept only reads.")
NO_LONGER: Final = fails("Cannot commit because instance is not main anymore.")
AFTER_COMMIT: Final = fails("Replication Exception: At least one SYNC replica has not confirmed committing.")
ABORTED: Final = fails("Replication Exception: A replica failed. Transaction was aborted on all instances.")
TABLE: Final = say(m.SUCCESS, {"rt": {}})
"""The answer to a ROUTE."""
SYNTAX: Final = fails("Unbound variable: x.")
LONG: Final = fails("x" * 600)
"""Longer than a fuzzer's connection holds back."""
