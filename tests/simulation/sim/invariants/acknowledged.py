"""What was acknowledged, and what was true at that moment; two mains never acknowledge at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from sandbox.memgraph.core.instance import Instance
from sim.clients import Ack, Told
from sim.invariants.following import Following
from sim.invariants.record import CUT_SETTLE_S

DEMOTED_S = 1.0
"""P-F7: the present leader looks every 0.5 s, and demotes whom it did not promote; the rest is for what it is doing."""


@dataclass
class Kept:
    """An acknowledged write and what was true at that moment."""

    ack: Ack
    unfinalized: bool
    protected: bool
    stale: bool
    """The sidecar did not know that its connection's epoch had ended, and should have known for a while."""
    replicated: bool = True
    read_port: bool = False
    late_promotion: bool = False
    """Over the read port, to a replica that a leader of an earlier term had just promoted."""


@dataclass
class Acknowledged(Following):
    """Every write that a client was told is there."""

    kept: dict[str, Kept] = field(default_factory=dict)
    analytical_until: dict[str, float] = field(default_factory=dict)
    """When an instance became transactional again."""
    promoted_late_at: dict[str, float] = field(default_factory=dict)
    """When an instance was promoted by a leader whose term had ended: it checked its lease, slept, and sent (P-W3)."""
    _newest_ack: Ack | None = None
    _note_times: list[float] = field(default_factory=list)

    def acked(self, ack: Ack) -> None:
        """A sidecar forwarded a success."""
        document = self.document()
        unfinalized = any(
            name == ack.instance and event in ("FinalizeLost", "FinalizeWithoutPrepare")
            for name, event, _ in self.fleet.notes[self._notes_at(ack.sent_at) :]
        )
        protected = document is not None and document.sync is not None
        self.kept[ack.ident] = Kept(ack, unfinalized, protected, self._stale(ack), self._replicated(ack))
        self._check_forwarded(ack)
        if ack.instance in self.fleet.foreign:
            return
        newest = self._newest_ack
        if newest is not None and newest.epoch > ack.epoch and newest.process is not ack.process:
            self._second_main(ack, newest)
        if newest is None or ack.epoch >= newest.epoch:
            self._newest_ack = ack

    def read_port_wrote(self, ack: Ack) -> None:
        """A write over the read port succeeded: never by a sidecar that acts on what is published (P-F4).

        One that has not seen the cut may still lead to the candidate, which is main by then and keeps the write; it is
        lost only if that main vanishes before it is published. And a replica that a late command promotes is readable
        until the present leader demotes it.
        """
        late = 0.0 <= ack.sent_at - self.promoted_late_at.get(ack.instance, float("inf")) <= DEMOTED_S
        newest = max((d.epoch for at, d in self.history if at >= self.accepted_at), default=-1)
        if self.document() is not None and ack.epoch >= newest and not late:
            self.wrong(f"{ack.ident} was written over the read port by {ack.instance} in epoch {ack.epoch} (P-F4)")
        self.probes["late write over the read port"] += 1
        self.kept[ack.ident] = Kept(
            ack, unfinalized=False, protected=False, stale=False, read_port=True, late_promotion=late
        )

    def wiped_by_order(self) -> None:
        """A person throws everything away: what was acknowledged is gone, and epochs begin anew."""
        self.accepted_at = trio.current_time()
        self._newest_ack = None

    def told(self, told: Told) -> int:
        """How many writes ended like this."""
        return sum(t is told for client in self.clients for t in client.told.values())

    def _stale(self, ack: Ack) -> bool:
        """Within `cutSettle` nobody was promoted, and a sidecar that has seen the cut knows better (P-C1, P-F5)."""
        ended = self._ended(ack)
        if ended is None or ack.at - ended < CUT_SETTLE_S:
            return False
        state = next(c.sidecar.state for c in self.clients if c.name == ack.sidecar)
        return state is not None and state.document.epoch <= ack.epoch

    def _replicated(self, ack: Ack) -> bool:
        process = ack.process
        analytical = isinstance(process, Instance) and not process.transactional()
        return not analytical and ack.sent_at > self.analytical_until.get(ack.instance, -1.0)

    def _second_main(self, ack: Ack, newest: Ack) -> None:
        promoted = max((at for at, name in self._promotions if name == newest.instance), default=-1.0)
        if ack.sent_at > promoted and self.network.connects(ack.sidecar, "api"):
            self.wrong(
                f"{ack.ident} was acknowledged by {ack.instance} of epoch {ack.epoch} after {newest.ident} by "
                f"{newest.instance} of epoch {newest.epoch}: two mains"
            )
        self.probes["late-ack-of-an-old-main"] += 1

    def _notes_at(self, since: float) -> int:
        times = self._note_times
        while len(times) < len(self.fleet.notes):
            times.append(trio.current_time())
        index = len(times)
        while index and times[index - 1] >= since:
            index -= 1
        return index
