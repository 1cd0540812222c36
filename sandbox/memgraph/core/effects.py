"""What the core asks of the world: its procedures are generators that yield an effect and get its answer.

So the same procedures run under a real clock and real sockets (`sandbox.memgraph.runtime`) or under virtual time: a
driver only has to perform eight effects. Whatever the core has put into `Instance.outbox` must be durable before an
effect is performed or a result is used.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from sandbox.memgraph.core.messages import Request


@dataclass(frozen=True, slots=True)
class Call:
    """Send one RPC to a registered replica. Answer: `messages.Answer`, or `messages.Lost` after at most `timeout_s`.

    The time to connect is not part of `timeout_s`. Two channels never wait for each other: pings have their own.
    """

    address: str
    request: Request
    timeout_s: float


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


Effect: TypeAlias = Call | FreshId | Sleep | Until | Spawn | Cancel | Listen | StopListening

_T = TypeVar("_T")
Steps: TypeAlias = Generator[Effect, Any, _T]
