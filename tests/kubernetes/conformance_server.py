"""One of the two API servers that are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plain_client import PlainClient

STANDIN, REAL = "standin", "real"


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two, with the administrator's client."""

    name: str
    admin: PlainClient
    forget: Callable[[], None]
    """Make it forget its history: whoever asks for a version before now gets 410."""
    needs_calls: Callable[[], None]
    """Skip the test if it can't call a webhook on this machine's loopback."""

    def client(self, token: str) -> PlainClient:
        """A client with another token."""
        return PlainClient(self.admin.url, self.admin.ca, token)
