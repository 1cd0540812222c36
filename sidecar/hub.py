"""What a connection tells its proxy, and where it is in its life."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from sidecar.bolt.failure import Kind
from sidecar.contract.env import Rewrite
from sidecar.core.confirm import Word

if TYPE_CHECKING:
    from sidecar.pump import Connection


class Stage(Enum):
    """Where a connection is in its life."""

    HELD = "held"
    DIALLING = "dialling"
    PUMPING = "pumping"
    CONFIRMING = "confirming"
    """An acknowledgement that took long waits for the API server's word (P-C6)."""
    DRAINING = "draining"
    """Cut; the answer under way may still come."""
    REFUSING = "refusing"
    """There is no upstream and will be none; the next request is answered by a FAILURE."""
    ENDED = "ended"


class Hub(Protocol):
    """What a connection needs of its proxy."""

    rewrite: Rewrite
    confirm_after_s: float
    last_version: tuple[int, int] | None
    """The Bolt version that a client and an upstream agreed on most recently."""

    def opened(self, connection: Connection) -> None:
        """A client is here and wants an upstream."""

    def dialled(self, connection: Connection, upstream: asyncio.Transport) -> None:
        """The dial under way succeeded."""

    def routes(self, dialled: str, request: bytes) -> bytes | None:
        """The answer to a ROUTE of a client that reached us at `dialled`."""

    def upstream_lost(self, connection: Connection) -> None:
        """The upstream closed without having been asked to."""

    def confirm(self, connection: Connection) -> None:
        """Ask the API server, and call its `confirmed` once that has answered and the answer was acted on."""

    def is_current(self, connection: Connection) -> bool:
        """Whether its upstream is the one that the document acted on would give it."""

    def was_confirmed(self, connection: Connection, word: Word, took_s: float) -> None:
        """What came of it, for an acknowledgement that took so long."""

    def rewrote(self, connection: Connection, kind: Kind) -> None:
        """A FAILURE of the upstream got another code."""

    def detached(self, connection: Connection) -> None:
        """Its upstream is gone for good."""

    def closed(self, connection: Connection) -> None:
        """The client is gone."""
