"""Which acknowledged writes are gone in the end, and by which window.

A window is a named way to lose an acknowledged write that the protocol cannot close (docs/safety.md, section 3); a loss
that no window explains is a violation.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from sidecar.contract.state import CutKind
from sim.clients import Ack
from sim.invariants.acknowledged import Acknowledged, Kept
from sim.sidecars import CONFIRM_AFTER_S

NOTICED_S = 20.0
"""P-S4 takes two polls; the rest is for a change of leader, and a controller that sleeps."""
DEMOTED_S = 0.05
"""P-P: from the last look at what the partner holds, over the demotion, to the promotion: a few round trips."""


class Window(StrEnum):
    """How an acknowledged write may be lost all the same."""

    LOST_FINALIZE = "LostFinalize"
    """The second phase never reached the partner, and the main was given up before P-S4 saw it; or it was demoted by a
    switchover, a few milliseconds after the last look at what the partner holds."""
    STALE_SIDECAR = "StaleSidecar"
    """A sidecar cut off from the API server forwarded what a live main acknowledged during its failover: what was
    in flight when the next main was promoted, and nothing sent later, nor anything that took long (P-C6)."""
    STALE_READ_PORT = "StaleReadPort"
    """Written over the read port of a sidecar that had not seen the cut, to a candidate that vanished unpublished."""
    LATE_PROMOTION = "LatePromotion"
    """Written over the read port, to a replica that a leader promoted whose term had ended while it slept between the
    look at its lease and the command, until the present leader demoted it."""
    UNPROTECTED = "Unprotected"
    """Nobody else held it (`serve` without a partner), and its only volume was lost."""
    UNSYNCED = "Unsynced"
    """flush-every-n-tx above 1, and the power went."""
    ANALYTICAL = "Analytical"
    """A person chose a storage mode that replicates nothing."""
    FOREIGN = "ForeignMain"
    """An address went to another cluster's main while the API server could not be asked, or named it still (P-C4)."""
    ACCEPTED = "AcceptedLoss"
    """A person said so."""


@dataclass
class Losses(Acknowledged):
    """The losses by window, and what has to have happened for one."""

    windows: Counter[Window] = field(default_factory=Counter)
    wiped_at: dict[str, float] = field(default_factory=dict)
    unsynced_at: dict[str, float] = field(default_factory=dict)

    def judge(self) -> None:
        """After healing: what is lost, what is there twice, what should never have been written."""
        document = self.document()
        if document is None:
            return
        mains = self._mains()
        rows = self._writes(mains[0] if len(mains) == 1 else f"m-{document.master_index}")
        for ident, count in rows.items():
            if count > 1:
                self.wrong(f"{ident} is there {count} times: an unknown outcome was called a safe retry (P-C2)")
        for ident, kept in self.kept.items():
            if ident not in rows:
                self._lost(kept)

    def _lost(self, kept: Kept) -> None:
        ack = kept.ack
        window = self._window(kept)
        if window is None:
            self.wrong(
                f"LOST {ack.ident}, acknowledged at {ack.at:.3f} by {ack.instance} in epoch {ack.epoch} "
                f"({'protected' if kept.protected else 'unprotected'})"
            )
        else:
            self.windows[window] += 1

    def _window(self, kept: Kept) -> Window | None:
        ack = kept.ack
        if kept.late_promotion:
            return Window.LATE_PROMOTION
        if kept.read_port:
            return Window.STALE_READ_PORT
        if self.accepted_at >= ack.at:
            return Window.ACCEPTED
        if ack.instance in self.fleet.foreign:
            return Window.FOREIGN
        if not kept.replicated:
            return Window.ANALYTICAL
        if kept.stale and ack.at - ack.asked_at >= CONFIRM_AFTER_S:
            return None
        if kept.stale and ack.sent_at <= self._next_promotion(ack):
            return Window.STALE_SIDECAR
        if kept.unfinalized and self._before_its_loss_was_noticed(ack):
            return Window.LOST_FINALIZE
        if not kept.protected and self.wiped_at.get(ack.instance, -1.0) >= ack.at:
            return Window.UNPROTECTED
        if max(self.unsynced_at.values(), default=-1.0) >= ack.at:
            return Window.UNSYNCED
        return None

    def _before_its_loss_was_noticed(self, ack: Ack) -> bool:
        """Whether the main was given up soon after this write, was so already, or had just been looked at (P-P)."""
        cuts = (at for at, d in self.history if at >= ack.at and d.cut_kind is CutKind.FAILOVER)
        promotion = self._next_promotion(ack)
        ending = next((d for at, d in self.history if d.epoch > ack.epoch and at >= self.accepted_at), None)
        if ending is not None and ending.cut_kind is CutKind.FAILOVER and ack.sent_at <= promotion:
            return True
        return next(cuts, float("inf")) - ack.at <= NOTICED_S or 0.0 <= promotion - ack.at <= DEMOTED_S

    def _next_promotion(self, ack: Ack) -> float:
        """When another one was promoted after the epoch of this write: from then on its main is fenced (F5, N1)."""
        ended = next((at for at, d in self.history if d.epoch > ack.epoch), float("inf"))
        return next((at for at, name in self._promotions if at >= ended and name != ack.instance), -1.0)
