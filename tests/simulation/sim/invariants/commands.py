"""What a controller may do to an instance, and when (P-F3..P-F5, P-F9, P-S3, P-W2, P-W3); who may begin anew (P-R1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from controller.core.actions import Action, DeletePod, Outcome
from controller.core.orders import from_data
from sandbox.memgraph.core.instance import Role
from sidecar.contract.state import CutKind, Document, Phase
from sim.invariants.publications import Publications
from sim.invariants.record import CUT_SETTLE_S
from sim.ports import ORDERS

COMMAND_S = 1.5
"""P-W3: no command is begun with less than its timeout left on the lease."""


@dataclass
class Commands(Publications):
    """What controllers do, step by step."""

    heard: Callable[[str, str, str], None] = lambda _who, _name, _query: None
    """A scenario's ear: called at the moment a command arrives at an instance."""
    sending: Callable[[str, str, str], None] = lambda _who, _name, _query: None
    """Another: called before a command is sent."""
    diverged: set[tuple[str, str]] = field(default_factory=set)
    """(instance, volume) that a REGISTER called diverged."""

    def sent(self, who: str, name: str, query: str) -> None:
        """A controller is about to send a command: it must have a term and a lease (P-W2, P-W3)."""
        controller = self.controllers[who]
        leadership, memory = controller.leadership, controller.memory
        if leadership is None or memory is None:
            return
        if query.startswith("MATCH") and "count(" in query:
            return
        self.log(who, f"-> {name or 'nobody'}: {query}")
        if name in self.fleet.foreign:
            self.wrong(f"{who} sent {query!r} to {name}, which is another cluster's (P-F9)")
        if memory.term is None:
            self.wrong(f"{who} sent {query!r} to {name} without a term (P-W2)")
        if leadership.remaining() < COMMAND_S:
            self.wrong(f"{who} sent {query!r} to {name} with {leadership.remaining():.2f} s of lease left (P-W3)")
        self.sending(who, name, query)
        if query.startswith("SET REPLICATION ROLE TO MAIN"):
            published = self.document()
            mine = published is not None and published.term == memory.term
            self._check_candidate(who, name, published if mine else memory.document)
            if mine and published is not None:
                self._check_settled(who, name, published)

    def arrived(self, who: str, name: str, query: str) -> None:
        """A command reached an instance."""
        document = self.document()
        serving = document is not None and document.phase is Phase.SERVING and f"m-{document.master_index}" == name
        if serving and document and document.sync and query == f"DROP REPLICA {document.sync.registration};":
            self.wrong(f"{who} drops the registration of the recorded partner on {name} (P-S3)")
        self._witness.arrived(name, query)
        self.heard(who, name, query)
        if query.startswith("SET REPLICATION ROLE TO MAIN"):
            self._promotions.append((trio.current_time(), name))
            memory = self.controllers[who].memory
            if document and memory and memory.term is not None and memory.term < document.term:
                self.promoted_late_at[name] = trio.current_time()

    def acted(self, who: str, action: Action, outcome: Outcome) -> None:
        """A controller's action ended."""
        self._witness.acted(who, action, outcome)
        self.probes[f"{type(action).__name__}:{outcome.value}"] += 1
        if outcome is Outcome.DIVERGED:
            replica = action.replica.pod  # type: ignore[union-attr]  # only a Register diverges
            self.diverged.add((replica.name, replica.volume))
        if isinstance(action, DeletePod):
            self.log(who, f"deleted {action.pod.name}")

    def _check_candidate(self, who: str, name: str, document: Document | None) -> None:
        """P-F3, P-F4: only who it names, and only while the clients are cut."""
        if document is None:
            return self.wrong(f"{who} promotes {name} without a document")
        if document.phase is not Phase.CUT:
            self.wrong(f"{who} promotes {name} while epoch {document.epoch} is serving (P-F4)")
        last = f"m-{document.master_index}"
        alive = self.fleet.alive(last) and self.fleet.instances[last].role is Role.MAIN
        if document.cut_kind is CutKind.PLANNED and name != last and alive:
            self.wrong(f"{who} promotes {name} while {last} is main and may answer commits (P-P)")
        pod = next((p for p in self.pods.picture().values() if p.name == name), None)
        volume = pod.volume if pod else ""
        named = {(f"m-{document.master_index}", document.main_volume)}
        if document.sync is not None:
            named.add((f"m-{document.sync.ordinal}", document.sync.volume))
        if (name, volume) not in named:
            self.wrong(f"{who} promotes {name} on {volume}, which is not in {sorted(named)} (P-F3)")

    def _check_settled(self, who: str, name: str, document: Document) -> None:
        """P-F5: a live main's clients had time to be cut before another one takes over."""
        main = f"m-{document.master_index}"
        pod = self.pods.picture().get(document.master_index)
        alive = pod is not None and pod.uid == document.main_uid and self.fleet.alive(main)
        if name == main or document.cut_kind is not CutKind.FAILOVER or not alive:
            return
        since = next(at for at, published in self.history if published.epoch == document.epoch)
        waited = trio.current_time() - since
        if self.fleet.instances[main].role is Role.MAIN and waited < CUT_SETTLE_S - 0.001:
            self.wrong(f"{who} promotes {name} {waited:.3f} s after the cut, and {main} is a live main (P-F5)")

    def reseed_ordered(self, ordinal: int, former: str) -> bool:
        """What the init container finds: an order for the successor of that pod, of the published epoch (P-R1)."""
        item, document = self.api.objects.get(ORDERS), self.document()
        order = from_data(item.data) if item else None
        if order is None or document is None:
            return False
        return (order.ordinal, order.pod_uid, order.epoch) == (ordinal, former, document.epoch)

    def moved_aside(self, name: str) -> None:
        """An instance begins anew: never main or partner, and not while it alone holds an acknowledged write (P-R1)."""
        self.probes["reseed"] += 1
        self.log(name, "begins anew, its data moved aside")
        document = self.document()
        assert document is not None, "an order is of the published epoch"
        main, partner = f"m-{document.master_index}", f"m-{document.sync.ordinal}" if document.sync else ""
        successor = self._successor(document)
        if successor is not None:
            main = successor
        elif name in (main, partner):
            self.wrong(f"{name} begins anew, and is published as main or partner (P-R1)")
        if self._readable(main):
            alone = {i for i, kept in self.kept.items() if self._window(kept) is None} & self.ids(name) - self.ids(main)
            if alone:
                self.wrong(f"{name} begins anew, and {main} lacks {len(alone)} of its writes (P-R1)")

    def _successor(self, document: Document) -> str | None:
        """With `block`: who is MAIN and marked within a cut, and waits for nothing but a partner."""
        mains = self._mains()
        if not self.block or document.phase is Phase.SERVING or len(mains) != 1:
            return None
        return mains[0] if self.marker(mains[0]) == document.epoch + 1 else None
