"""The Bolt messages a proxy must tell apart, by the signature byte of their structure.

Everything else is forwarded without being understood. Source: the Bolt protocol's message reference; Memgraph speaks
1.0, 4.0, 4.1, 4.3, 4.4 and 5.2.
"""

from __future__ import annotations

from typing import Final

# Requests
HELLO: Final = 0x01
GOODBYE: Final = 0x02
ACK_FAILURE: Final = 0x0E
RESET: Final = 0x0F
RUN: Final = 0x10
BEGIN: Final = 0x11
COMMIT: Final = 0x12
ROLLBACK: Final = 0x13
DISCARD: Final = 0x2F
PULL: Final = 0x3F
TELEMETRY: Final = 0x54
ROUTE: Final = 0x66
LOGON: Final = 0x6A
LOGOFF: Final = 0x6B

# Answers
SUCCESS: Final = 0x70
RECORD: Final = 0x71
IGNORED: Final = 0x7E
FAILURE: Final = 0x7F

NEVER_COMMITS: Final = frozenset(
    {HELLO, ACK_FAILURE, RESET, RUN, BEGIN, ROLLBACK, TELEMETRY, ROUTE, LOGON, LOGOFF},
)
"""Requests of which we know that the server makes nothing durable while it answers them. A signature we don't know
counts as one that may commit: an answer to it is never invented."""
