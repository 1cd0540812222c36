"""What must hold when the document changes (P-F2, P-F6, P-S1, P-S8), and how long that cut the clients."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import trio

from controller.core.model import Found
from controller.core.reasons import Reason
from sandbox.memgraph.core.instance import Role
from sidecar.contract.state import CutKind, Document, Phase
from sim import probes
from sim.apiserver import Object
from sim.invariants.losses import Losses
from sim.ports import STATE, stored

FRESH_S = 1.5
"""How old an answer may be that a controller believes, and the time to act on it (P-F2)."""
FAILOVER_REASONS = frozenset(reason for reason in Reason if reason.name.startswith("MAIN_"))
"""P-F1's triggers."""


@dataclass
class Publications(Losses):
    """What controllers publish and tell people."""

    restoring: bool = False
    """The change under way is a person's or a disk's, not the product's."""
    tampered: bool = False
    """There was such a change."""
    person_asked: bool = False
    """The last thing a controller told people is that they have to decide (P-B1)."""
    nobody_left: bool = False
    """The last thing is that nobody may become main, and what a person can do about that (P-F3)."""
    failovers: int = 0
    switchovers: int = 0
    cut_at: float | None = None
    outages: list[float] = field(default_factory=list)
    _highest: Counter[str] = field(default_factory=Counter)
    _terms: Counter[str] = field(default_factory=Counter)
    _died: dict[str, tuple[float, Role]] = field(default_factory=dict)

    def changed(self, name: str, before: Object | None, after: Object | None) -> None:
        """An object changed in the API server."""
        if name != STATE or after is None:
            return
        found, earlier = stored(after), stored(before)
        if not isinstance(found, Found):
            return
        document = found.document
        old = earlier.document if isinstance(earlier, Found) else None
        before_that = self.history[-1][1].sync if self.history else None  # a vanished document is created again (P-W5)
        self.history.append((trio.current_time(), document))
        self._say(document)
        if not self.restoring:
            if document.epoch < self._highest[after.uid]:
                self.wrong(f"epoch went down to {document.epoch} within object {after.uid}")
            if document.term < self._terms[after.uid]:
                self.wrong(f"term went down to {document.term}")
        self._highest[after.uid] = document.epoch
        self._terms[after.uid] = document.term
        self.person_asked = self.nobody_left = False
        self._count(old, document)
        if not self.restoring:
            self._witness.published(old, document)
            if old is not None:
                self._check_cut(old, document)
                self._check_main(old, document)
        if document.sync not in (None, before_that) and not self.restoring:
            self._check_partner(document)
        if self.block and document.phase is Phase.SERVING and document.sync is None and not self.restoring:
            self.wrong(f"epoch {document.epoch} serves without a partner under `block` (P-S8)")

    def event(self, who: str, reason: str, message: str) -> None:
        """A controller tells people something."""
        self.log(who, f"EVENT {reason}: {message}")
        self.person_asked = reason == Reason.REBUILD_AMBIGUOUS
        self.nobody_left = reason == Reason.NO_CANDIDATE and "memgraph-ha promote" in message
        situation = probes.of_event(reason)
        if situation is not None:
            self.probes[situation] += 1

    def lost_answer(self, who: str) -> None:
        """The API server's answer to a publication of this controller never came."""
        self._witness.lost_answer(who)

    def died(self, name: str) -> None:
        """A process ended."""
        self._died[name] = (trio.current_time(), self.fleet.instances[name].role)

    def _say(self, document: Document) -> None:
        sync = f"sync {document.sync.ordinal} by {document.sync.registration}" if document.sync else "no sync"
        cut = f" {document.cut_kind}" if document.cut_kind else ""
        self.log(
            document.writer,
            f"PUBLISHED term {document.term} epoch {document.epoch} {document.phase}{cut} main {document.master_index}"
            f", {sync}: {document.reason}: {document.message}",
        )

    def _count(self, old: Document | None, new: Document) -> None:
        now = trio.current_time()
        if new.phase is Phase.CUT and self.cut_at is None:
            self.cut_at = now
        if new.phase is Phase.SERVING and self.cut_at is not None:
            self.outages.append(now - self.cut_at)
            self.cut_at = None
        if old is not None and old.main_uid != new.main_uid and new.phase is Phase.SERVING:
            if old.cut_kind is CutKind.PLANNED:
                self.switchovers += 1
            else:
                self.failovers += 1

    def _check_cut(self, old: Document, new: Document) -> None:
        """P-F2: no unplanned cut without a candidate."""
        if new.reason not in FAILOVER_REASONS or (old.phase, new.phase) != (Phase.SERVING, Phase.CUT):
            return
        named = [new.master_index, *([new.sync.ordinal] if new.sync else [])]
        if not any(self._could_take_over(f"m-{ordinal}") for ordinal in named):
            self.wrong(f"epoch {new.epoch} cuts the clients, and none of {named} can take over (P-F2)")

    def _could_take_over(self, name: str) -> bool:
        """P-F2: it answered `replica` within a probe interval, as far as anybody could know."""
        at, role = self._died.get(name, (-100.0, Role.MAIN))
        if role is Role.REPLICA and trio.current_time() - at < FRESH_S:
            return True
        if trio.current_time() - self.fleet.frozen_at.get(name, trio.current_time()) > FRESH_S:
            return False
        return self.fleet.alive(name) and self.fleet.instances[name].role is Role.REPLICA

    def _check_main(self, old: Document, new: Document) -> None:
        """P-F6: who is published was promoted, this very process, unless it ended a moment ago."""
        name = f"m-{new.master_index}"
        if (old.phase, new.phase) != (Phase.CUT, Phase.SERVING) or name not in self.fleet.opened:
            return
        ended, _ = self._died.get(name, (-100.0, Role.MAIN))
        if self.fleet.instances[name].role is not Role.MAIN and trio.current_time() - ended > FRESH_S:
            self.wrong(f"epoch {new.epoch} publishes {name}, which is a replica (P-F6)")

    def _check_partner(self, document: Document) -> None:
        """P-S1: who is recorded holds every acknowledged write that the main holds."""
        sync = document.sync
        assert sync is not None, "called for a recorded partner"
        main, partner = f"m-{document.master_index}", f"m-{sync.ordinal}"
        if not (self._readable(main) and self._readable(partner)):
            return
        acked = {ident for ident, kept in self.kept.items() if kept.replicated and not kept.unfinalized}
        missing = (acked & self.ids(main)) - self.ids(partner)
        if missing:
            self.wrong(f"{partner} was recorded as partner without {len(missing)} writes, e.g. {min(missing)} (P-S1)")
        slot = self.pods.slots.get(sync.ordinal)
        if slot is not None and slot.volume != sync.volume:
            self.wrong(f"{partner} was recorded on volume {sync.volume}, it runs on {slot.volume} (P-S1)")
