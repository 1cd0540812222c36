"""What the core asks of the world: its procedures are generators that yield an effect and get its answer.

So the same procedures run under a real clock and real sockets (`sandbox.memgraph.runtime`) or under virtual time: a
driver only has to perform a dozen effects. Whatever the core has put into `Instance.outbox` must be written before an
effect is performed or a result is used (a stalled disk stalls the procedure, not the process).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from sandbox.memgraph.core.messages import Request


@dataclass(frozen=True, slots=True)
class Call:
    """Send one RPC to a registered replica. Answer: `messages.Answer`, or `messages.Lost` after at most `timeout_s`.

    Connects first if need be; that time is not part of `timeout_s`. The core sends one RPC at a time to an address. A
    connection that the peer closed unnoticed fails the call that finds out (`Loss.BROKEN`); the next one connects anew.
    """

    address: str
    request: Request
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Connect:
    """Make sure that there is a connection, as far as one can tell without using it. Answer: True or `Lost`."""

    address: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection to a replica."""

    address: str


@dataclass(frozen=True, slots=True)
class Persist:
    """Resume when everything in the outbox is written."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person who debugs should know (a log line with this event name)."""

    event: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FreshId:
    """Answer: a new random UUID as text."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Resume after this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Until:
    """Resume with True as soon as the condition holds, with False after `timeout_s` (None: wait for ever).

    The condition still holds when the generator is resumed.
    """

    condition: Callable[[], bool]
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Spawn:
    """Run `steps` beside this procedure, until it ends or its `owner` (a registration) is cancelled."""

    owner: object
    steps: Generator[Effect, Any, None]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop everything spawned for `owner`, RPCs in flight included, and close its connections."""

    owner: object
    address: str


@dataclass(frozen=True, slots=True)
class Listen:
    """Open the replication listener. Answer: whether the port could be bound."""

    port: int


@dataclass(frozen=True, slots=True)
class StopListening:
    """Close the replication listener and its connections."""


Effect: TypeAlias = (
    Call | Connect | Disconnect | Persist | Note | FreshId | Sleep | Until | Spawn | Cancel | Listen | StopListening
)

_T = TypeVar("_T")
Steps: TypeAlias = Generator[Effect, Any, _T]
