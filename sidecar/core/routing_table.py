"""The answer to ROUTE, which Memgraph Community refuses: every role is this sidecar.

So `neo4j://localhost:7687` works: a driver sends writes to the read-write port and reads to the read port, and asks
again after TTL_S. A driver that is told of no replica sends its reads to the read-write port.
"""

from __future__ import annotations

from typing import Any, Final

from sidecar.bolt import chunks, messages, packstream
from sidecar.bolt.fields import fields
from sidecar.core.itself import split

TTL_S: Final = 60
"""How late a driver may learn of the first replica, or of the last one's end. An answer costs microseconds."""
SINCE: Final = (4, 3)
"""The first version with ROUTE."""


def route_answer(request: bytes, dialled: str, ports: tuple[int, int], *, readable: bool) -> bytes | None:
    """SUCCESS for the ROUTE message `request`, in chunks; None if that cannot be understood.

    dialled: the address the client reached us by, unless its routing context names the one it was given.
    ports: our read-write and read port. readable: the read port leads somewhere.
    """
    found = fields(request, 3)
    if found is None:
        return None
    context, bookmarks, extra = found
    if not isinstance(context, dict) or not isinstance(bookmarks, list):
        return None
    given = context.get("address")
    reached = given if isinstance(given, str) and _is_address(given) else dialled
    write, read = _addresses(reached, ports)
    table = {
        "ttl": TTL_S,
        "db": _database(extra),
        "servers": [
            {"addresses": [write], "role": "WRITE"},
            {"addresses": [read if readable else write], "role": "READ"},
            {"addresses": [reached], "role": "ROUTE"},
        ],
    }
    return chunks.pack(packstream.dump(packstream.Structure(messages.SUCCESS, ({"rt": table},))))


def _addresses(dialled: str, ports: tuple[int, int]) -> tuple[str, str]:
    """Where to write and where to read, on the host that was dialled. Behind somebody's port mapping, only there."""
    host, _, port = dialled.rpartition(":")
    if int(port) not in ports:
        return dialled, dialled
    return f"{host}:{ports[0]}", f"{host}:{ports[1]}"


def _is_address(text: str) -> bool:
    try:
        host, port = split(text)
    except ValueError:
        return False
    return bool(host) and 0 < port < 65536


def _database(extra: Any) -> str | None:
    """4.3 names the database itself, later versions in a map."""
    name = extra.get("db") if isinstance(extra, dict) else extra
    return name if isinstance(name, str) else None
