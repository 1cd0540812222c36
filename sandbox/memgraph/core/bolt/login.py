"""Who the client is, as the first messages say it.

Where the real server forgives a wrong field count or a missing credential, so does this (M-4.2, M-4.3; source:
src/communication/bolt/v1/states/init.hpp).
"""

from __future__ import annotations

from typing import Any

from sandbox.memgraph.core.bolt.packstream import Reader
from sandbox.memgraph.core.bolt.stream import Version
from sandbox.memgraph.core.errors import ProtocolError
from sandbox.memgraph.core.instance import Instance
from sandbox.memgraph.core.query import users


def introduction(version: Version, marker: int, reader: Reader) -> tuple[str, dict[str, Any]]:
    """The client's name and the metadata of INIT or HELLO. Raises ProtocolError or Malformed."""
    if version[0] == 1:
        return reader.expect(str), reader.expect(dict)
    if version[0] >= 5 and marker != 0xB1:
        raise ProtocolError("HELLO has one field")
    metadata = reader.expect(dict)
    name = metadata.get("user_agent")
    if not isinstance(name, str):
        raise ProtocolError("HELLO without user_agent")
    return name, metadata


def accepted(instance: Instance, metadata: dict[str, Any]) -> bool:
    """Whether these credentials may come in. What is missing or no string counts as empty."""
    scheme, name, password = (metadata.get(key) for key in ("scheme", "principal", "credentials"))
    if isinstance(scheme, str) and scheme not in ("none", "basic"):
        return False
    return users.accepts(instance, name if isinstance(name, str) else "", password if isinstance(password, str) else "")
