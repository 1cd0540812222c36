"""What one leader remembers between two plans. It may be lost at any moment: every plan is right with an empty one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sidecar.contract.state import Document

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class CutProgress:
    """How far this leader got with the `cut` of one epoch; times are when it was done or first seen."""

    epoch: int
    seen_at: float
    demote_sent_at: float | None = None
    demoted: bool = False
    promote_sent_at: float | None = None
    promote_sent_to: int | None = None
    partner_registered_at: float | None = None
    marker_tries: int = 0
    users_since: float | None = None
    """When the wait for users began."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Since when the recorded partner has been seen like this (P-S4, P-S6)."""

    registration: str
    what: str
    since: float
    polls: int = 1
    answer_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Promotion:
    """An accepted `promote`: to be carried out while the document has this epoch (None: while there is none)."""

    ordinal: int
    epoch: int | None


@dataclass(frozen=True, slots=True)
class Memory:
    """`term` is None until this leader's first compare-and-swap raised it (P-W2)."""

    term: int | None = None
    document: Document | None = None
    """The last document this leader read or wrote in its term (P-W5)."""
    write_unanswered: bool = False
    cut: CutProgress | None = None
    main_incarnation: tuple[int, str] | None = None
    """(epoch, incarnation) of the main when it was first seen serving (P-F1)."""
    names_used: int = 0
    registered: Mapping[str, str] = field(default_factory=dict)
    """Registration name -> incarnation of the replica it was made for, by this leader."""
    registered_at: Mapping[str, float] = field(default_factory=dict)
    proven: frozenset[str] = frozenset()
    backoff_until: Mapping[int, float] = field(default_factory=dict)
    """Ordinal -> when it may be registered or re-seeded again."""
    backoff_s: Mapping[int, float] = field(default_factory=dict)
    last_ts: Mapping[int, int] = field(default_factory=dict)
    """Ordinal -> the last `ts` a main reported for it: which replica is the nearest (P-S5)."""
    streamed_at: Mapping[int, float] = field(default_factory=dict)
    """Ordinal -> when commits last reached it."""
    unheard_since: float | None = None
    """Since when no instance has been heard of (P-F1)."""
    given_up: tuple[tuple[float, str], ...] = ()
    """(when, volume) of the last mains that were given up (P-F3)."""
    diverged: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """Ordinal -> the incarnations of the replica and of the main that it diverged from."""
    reseed_asked: int | None = None
    """Ordinal of a re-seed that a person asked for and that was accepted."""
    reseed_sent: str = ""
    """UID of the last pod this leader deleted for a re-seed."""
    reseed_failed: frozenset[int] = frozenset()
    """Ordinals whose last re-seed did not take: not tried again without a person's word (P-R2)."""
    invalid_since: Mapping[str, float] = field(default_factory=dict)
    """Registration name -> since when each answer of the main has called it invalid."""
    partner: Sighting | None = None
    strict_tries: int = 0
    """How often in a row a partner could not be made while clients wrote (P-S5)."""
    partner_cut_at: float | None = None
    users_failed: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    """(incarnation, version, user) -> when that user may be tried again."""
    switchover: int | None = None
    """Ordinal an accepted switchover goes to."""
    promotion: Promotion | None = None

    def next_name(self, ordinal: int) -> str:
        """A registration name never used before (P-S2)."""
        return f"memgraph_{ordinal}_t{self.term}_{self.names_used}"


def with_item(mapping: Mapping[K, V], key: K, value: V) -> dict[K, V]:
    """A copy of the mapping with one item set."""
    return {**mapping, key: value}


def without(mapping: Mapping[K, V], key: K) -> dict[K, V]:
    """A copy of the mapping without the key."""
    return {k: v for k, v in mapping.items() if k != key}


def in_cut(memory: Memory, epoch: int, now: float) -> Memory:
    """Memory that tracks the `cut` of this epoch."""
    if memory.cut is not None and memory.cut.epoch == epoch:
        return memory
    return replace(memory, cut=CutProgress(epoch, now))
