"""Where a connection goes, and what a new document means for those that are there.

Both are functions of what is known: the document, the clock and how long a connection has waited. A connection is
tagged with the Tag it was routed under, before it is dialled; if the tag is another one afterwards, that upstream is
dropped (P-C3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from sidecar.contract.env import OnStale, ReadFallback
from sidecar.contract.state import CutKind, Document, Phase
from sidecar.core.follow import State

HELD_MAX: Final = 512
"""Connections that wait at one time. A driver's pool holds 100, so several pools may wait; each costs a socket and up
to 64 KiB, and a process has often no more than 1024 file descriptors."""
TOLD_MAX: Final = 64
"""Connections beyond the limit that are told why at one time. Each waits up to 5 s for its first request."""
SUSPECT_S: Final = 3.0
"""The longest wait for the API server's word on an upstream that refused or closed (P-C4)."""
DIAL_RETRY_S: Final = (0.0, 0.1, 0.2, 0.4, 0.8, 1.0)
"""Wait before the next dial, by failed dials. A failover takes about a second; a dead upstream is not hammered."""


class Port(Enum):
    """Which of the two listeners a client came in by."""

    READ_WRITE = "read-write"
    READ = "read"


class Admission(Enum):
    """Whether a new connection is let in."""

    YES = "yes"
    TELL = "tell"
    """Refused, with a FAILURE that says why."""
    CLOSE = "close"
    """Closed at once."""


class Reason(StrEnum):
    """Why a connection waits, or waits no longer."""

    NO_DOCUMENT = "NoDocument"
    CUT = "Cut"
    SUSPECT = "Suspect"
    DIAL_FAILED = "DialFailed"
    NO_READ_ADDRESS = "NoReadAddress"
    STALE = "Stale"
    ITSELF = "UpstreamIsItself"
    UNCONFIRMED = "Unconfirmed"
    HOLD_EXPIRED = "HoldExpired"
    TOO_MANY_HELD = "TooManyHeld"
    TOO_MANY_CONNECTIONS = "TooManyConnections"


@dataclass(frozen=True, slots=True)
class Tag:
    """What a connection stands and falls with."""

    epoch: int
    phase: Phase
    main_uid: str
    main_address: str


@dataclass(frozen=True, slots=True)
class Upstream:
    """Dial this. `tls_ca` is empty for plain TCP."""

    address: str
    tag: Tag
    tls_ca: str = ""
    tls_server_name: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait until something changes, at most until `until` (same clock as `now`)."""

    reason: Reason
    until: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """Close, with a FAILURE that drivers retry. `waited_for` is what a hold was about."""

    reason: Reason
    waited_for: Reason | None = None


@dataclass(frozen=True, slots=True)
class Waiter:
    """One connection without an upstream. Times in seconds of one monotonic clock."""

    port: Port
    since: float
    hold_s: float
    others_held: int = 0
    dials_failed: int = 0
    failed_at: float = 0.0
    failed: frozenset[str] = frozenset()  # the addresses of those dials


@dataclass(frozen=True, slots=True)
class Loads:
    """What is known beside the document.

    connections: read-port connections to each address. suspects: until when one is suspect; an entry that has expired
    was never answered. itself: addresses that lead back to this sidecar. stale: nothing was heard of the API server
    for longer than `onStale: cut` allows.
    """

    connections: Mapping[str, int]
    suspects: Mapping[str, float]
    itself: frozenset[str] = frozenset()
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What this sidecar was told to do where either choice is defensible."""

    read_fallback: ReadFallback = ReadFallback.NONE
    on_stale: OnStale = OnStale.KEEP


@dataclass(frozen=True, slots=True)
class Change:
    """What a new document does to the connections there are.

    cut: how to end every one of them; None: none of them ends by this.
    left: read-port connections to these addresses end, as after a failover.
    """

    cut: CutKind | None
    left: frozenset[str] = frozenset()


def tag(document: Document) -> Tag:
    """The part of a document that a connection stands and falls with."""
    return Tag(document.epoch, document.phase, document.main_uid, document.main_address)


def admit(connected: int, limit: int) -> Admission:
    """Whether the newest of `connected` connections is let in."""
    if connected <= limit:
        return Admission.YES
    return Admission.TELL if connected <= limit + TOLD_MAX else Admission.CLOSE


def route(
    state: State | None, waiter: Waiter, now: float, world: Loads, policy: Policy = Policy()
) -> Upstream | Hold | Refuse:
    """Where `waiter` goes now."""
    found, until = _find(state, waiter, now, world, policy)
    if isinstance(found, Upstream) and not waiter.dials_failed:
        return found
    deadline = waiter.since + waiter.hold_s
    reason = Reason.DIAL_FAILED if isinstance(found, Upstream) else found
    if now >= deadline:
        return Refuse(Reason.HOLD_EXPIRED, reason)
    if reason is Reason.UNCONFIRMED:
        return Refuse(reason)
    if waiter.others_held >= HELD_MAX:
        return Refuse(Reason.TOO_MANY_HELD, reason)
    if isinstance(found, Upstream):
        until = waiter.failed_at + DIAL_RETRY_S[min(waiter.dials_failed, len(DIAL_RETRY_S) - 1)]
        if now >= until:
            return found
    return Hold(reason, deadline if until is None else min(until, deadline))


def change(old: State | None, new: State) -> Change:
    """What the step from `old` to `new` does. A new object that repeats what is acted on does nothing (P-C5)."""
    if old is None or not new.document.cut_on_change:
        return Change(None)
    if tag(old.document) != tag(new.document):
        return Change(CutKind.PLANNED if _seen_as_planned(old, new) else CutKind.FAILOVER)
    left = frozenset(old.document.read_addresses) - frozenset(new.document.read_addresses)
    return Change(None, left)


def _seen_as_planned(old: State, new: State) -> bool:
    """Both ends of one step of a planned switchover. An epoch whose cut was not seen counts as failover (P-C1)."""
    if old.uid != new.uid or new.document.epoch != old.document.epoch + 1:
        return False
    kinds = {old.document.cut_kind, new.document.cut_kind}
    return kinds == {None, CutKind.PLANNED}


def _find(
    state: State | None, waiter: Waiter, now: float, world: Loads, policy: Policy
) -> tuple[Upstream | Reason, float | None]:
    """An upstream, or why there is none and (if known) until when."""
    if state is None:
        return Reason.NO_DOCUMENT, None
    if world.stale:
        return Reason.STALE, None
    document = state.document
    address = _address(document, waiter, now, world, policy)
    if isinstance(address, Reason):
        return address, None
    if address in world.itself:
        return Reason.ITSELF, None
    suspect_until = world.suspects.get(address, now)
    if suspect_until > now:
        return Reason.SUSPECT, suspect_until
    if address in world.suspects and policy.on_stale is OnStale.CUT:
        return Reason.UNCONFIRMED, None
    return Upstream(address, tag(document), document.tls_ca, document.tls_server_name), None


def _address(document: Document, waiter: Waiter, now: float, world: Loads, policy: Policy) -> str | Reason:
    """The address to dial, before anything is known against it; or why there is none."""
    if waiter.port is Port.READ:
        # The candidate of a cut is no longer among them (P-F4), so reads go on while the main changes.
        readable = [address for address in document.read_addresses if address not in world.itself]
        if policy.read_fallback is ReadFallback.MAIN and waiter.failed.issuperset(readable):
            readable = []
        if readable:
            return min(
                readable,
                key=lambda a: (a in waiter.failed, world.suspects.get(a, now) > now, world.connections.get(a, 0)),
            )
        if document.read_addresses and policy.read_fallback is ReadFallback.NONE:
            return Reason.ITSELF
        if policy.read_fallback is ReadFallback.NONE:
            return Reason.NO_READ_ADDRESS
    return Reason.CUT if document.phase is Phase.CUT else document.main_address
