"""Which version of a driver is pinned, read from its pins."""

from __future__ import annotations

import re
from typing import Final

from client_environments import Driver

_PINNED: Final = {
    "neo4j-5": r"^neo4j==(\S+)",
    "neo4j-6": r"^neo4j==(\S+)",
    "pymgclient": r"^pymgclient==(\S+)",
    "gqlalchemy": r"^gqlalchemy==(\S+)",
    "pymgclient-routed": r"^pymgclient==(\S+)",
    "gqlalchemy-routed": r"^gqlalchemy==(\S+)",
    "neo4j_javascript": r'"neo4j-driver": "([^"]+)"',
    "neo4j_java": r"<artifactId>neo4j-java-driver</artifactId>\s*<version>([^<]+)",
    "neo4j_go": r"neo4j-go-driver/v5 v(\S+)$",
    "neo4rs": r'neo4rs = "=([^"]+)"',
}


def version(client: Driver) -> str:
    """Of the driver. Raises KeyError for a driver that has no line above, and LookupError for pins without it."""
    pattern = re.compile(_PINNED[client.name], re.MULTILINE)
    for pin in client.pins:
        found = pattern.search(pin.read_text())
        if found:
            return found[1]
    raise LookupError(f"no version of {client.name} in {', '.join(str(pin) for pin in client.pins)}")
