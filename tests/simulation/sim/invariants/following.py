"""What a sidecar may do when it acts on another document: which connections it ends, what it forwards (P-C)."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from sidecar.contract.state import CutKind
from sidecar.core.follow import State
from sidecar.core.route import tag
from sim.clients import Ack
from sim.invariants.record import Record
from sim.sidecars import Sidecar

NEWS_S = 0.2
"""How long news of the document may be under way to a sidecar whose watch works: some 0.16 s at most here."""


@dataclass
class Following(Record):
    """Which sidecar acts on what, and since when."""

    accepted_at: float = -1.0
    """When a person last threw everything away or accepted a loss: epochs from before compare with nothing after."""
    applied: list[tuple[float, str, int]] = field(default_factory=list)
    """(time, sidecar, epoch) of each document that a sidecar began to act on."""
    _failover_cuts: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    """Sidecar -> when it acted on the failover cut of which epoch, or on an epoch whose cut it never saw."""

    def follows(self, sidecar: Sidecar, old: State | None, new: State) -> None:
        """A sidecar acts on another state: which connections may it have kept, which may it have ended?"""
        self.log(sidecar.name, f"acts on epoch {new.document.epoch}")
        if old is None:
            return
        if old.uid == new.uid and new.document.epoch < old.document.epoch:
            self.wrong(f"{sidecar.name} went from epoch {old.document.epoch} to {new.document.epoch} (P-C5)")
        if tag(old.document) == tag(new.document):
            if sidecar.writers_cut:
                self.wrong(f"{sidecar.name} ended {sidecar.writers_cut} connections within epoch {new.document.epoch}")
            return
        kept = [c for c in sidecar.connections if c.upstream.tag != tag(new.document) and not c.draining]
        if kept:
            self.wrong(f"{sidecar.name} keeps {len(kept)} connections of another epoch in {new.document.epoch} (P-C3)")

    def acts_on(self, sidecar: str, old: State | None, new: State) -> None:
        """A sidecar acts on this document from now on."""
        document = new.document
        self.applied.append((trio.current_time(), sidecar, document.epoch))
        if old is None or old.uid != new.uid:
            self._failover_cuts[sidecar] = []  # epochs are compared within one object
            return
        if old.document.epoch == document.epoch:
            return
        kinds = {old.document.cut_kind, document.cut_kind}
        if document.epoch != old.document.epoch + 1 or kinds != {None, CutKind.PLANNED}:
            self._failover_cuts.setdefault(sidecar, []).append((trio.current_time(), document.epoch))

    def _check_forwarded(self, ack: Ack) -> None:
        """P-C1: after a failover cut nothing from upstream is forwarded. P-C4: not to another cluster's main."""
        for at, epoch in self._failover_cuts.get(ack.sidecar, []):
            if at < ack.at and ack.epoch < epoch:
                self.wrong(
                    f"{ack.sidecar} forwarded the success of {ack.ident} by {ack.instance} of epoch {ack.epoch} after "
                    f"it had acted on epoch {epoch} (P-C1)"
                )
        ended = self._ended(ack)
        known = ended is not None and ack.sent_at - ended > NEWS_S and self.network.connects(ack.sidecar, "api")
        if known and ack.instance in self.fleet.foreign:
            self.wrong(f"{ack.sidecar} led {ack.ident} to {ack.instance}, which is another cluster's (P-C4)")

    def _ended(self, ack: Ack) -> float | None:
        """When the epoch of this write's connection was followed by another one; None: it is still published."""
        return next((at for at, d in self.history if d.epoch > ack.epoch and at >= self.accepted_at), None)
