"""What is true of the world, whoever believes what: the invariants, checked at every step, and the windows, counted.

A violation is a sentence. A window is a named way to lose an acknowledged write that the protocol cannot close
(docs/safety.md, section 3); a loss that no window explains is a violation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import trio

from controller.core.actions import Action, DeletePod, Outcome
from controller.core.model import Found
from controller.core.orders import from_data
from controller.core.parse import MARKER_LABEL
from controller.core.reasons import Reason
from sandbox.memgraph.core.instance import Instance, Role
from sidecar.contract.state import CutKind, Document, Phase
from sidecar.core.follow import State
from sidecar.core.route import tag
from sim import probes
from sim.apiserver import ApiServer, Object
from sim.clients import Ack, Client, Told
from sim.controllers import Controller
from sim.instances import Fleet
from sim.network import Network
from sim.pods import Pods
from sim.ports import ORDERS, STATE, stored
from sim.probes import Witness
from sim.sidecars import Sidecar

CUT_SETTLE_S = 0.25
"""P-F5: sidecars get this long to close their connections to a live main."""
FRESH_S = 1.5
"""How old an answer may be that a controller believes, and the time to act on it (P-F2)."""
FAILOVER_REASONS = frozenset(reason for reason in Reason if reason.name.startswith("MAIN_"))
"""P-F1's triggers."""
COMMAND_S = 1.5
"""P-W3: no command is begun with less than its timeout left on the lease."""
NOTICED_S = 20.0
"""P-S4 takes two polls; the rest is for a change of leader, and a controller that sleeps."""


class Window(StrEnum):
    """How an acknowledged write may be lost all the same."""

    LOST_FINALIZE = "LostFinalize"
    """The second phase never reached the partner, and the main was gone for good before P-S4 saw it."""
    STALE_SIDECAR = "StaleSidecar"
    """A sidecar cut off from the API server forwarded what a live main acknowledged during its failover: what was
    in flight when the next main was promoted, and nothing sent later."""
    STALE_READ_PORT = "StaleReadPort"
    """Written over the read port of a sidecar that had not seen the cut, to a candidate that vanished unpublished."""
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
class Kept:
    """An acknowledged write and what was true at that moment."""

    ack: Ack
    unfinalized: bool
    protected: bool
    stale: bool
    """The sidecar did not know that its connection's epoch had ended, and should have known for a while."""
    replicated: bool = True
    read_port: bool = False


@dataclass
class Truth:
    """Collects what the world does; `violations` stays empty, or the product is wrong."""

    fleet: Fleet
    pods: Pods
    api: ApiServer
    network: Network
    block: bool = False
    """onNoSyncReplica: block."""
    controllers: dict[str, Controller] = field(default_factory=dict)
    clients: list[Client] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    probes: Counter[str] = field(default_factory=Counter)
    windows: Counter[Window] = field(default_factory=Counter)
    log: Callable[[str, str], None] = lambda _who, _what: None
    heard: Callable[[str, str, str], None] = lambda _who, _name, _query: None
    """A scenario's ear: called at the moment a command arrives at an instance."""
    sending: Callable[[str, str, str], None] = lambda _who, _name, _query: None
    """Another: called before a command is sent."""
    failovers: int = 0
    switchovers: int = 0
    kept: dict[str, Kept] = field(default_factory=dict)
    wiped_at: dict[str, float] = field(default_factory=dict)
    unsynced_at: dict[str, float] = field(default_factory=dict)
    accepted_at: float = -1.0
    analytical_until: dict[str, float] = field(default_factory=dict)
    """When an instance became transactional again."""
    diverged: set[tuple[str, str]] = field(default_factory=set)
    """(instance, volume) that a REGISTER called diverged."""
    history: list[tuple[float, Document]] = field(default_factory=list)
    applied: list[tuple[float, str, int]] = field(default_factory=list)
    """(time, sidecar, epoch) of each document that a sidecar began to act on."""
    cut_at: float | None = None
    outages: list[float] = field(default_factory=list)
    _highest: Counter[str] = field(default_factory=Counter)
    _terms: Counter[str] = field(default_factory=Counter)
    _newest_ack: Ack | None = None
    _died: dict[str, tuple[float, Role]] = field(default_factory=dict)
    _witness: Witness = field(init=False)
    _promotions: list[tuple[float, str]] = field(default_factory=list)
    _failover_cuts: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    """Sidecar -> when it acted on the failover cut of which epoch, or on an epoch whose cut it never saw."""

    def __post_init__(self) -> None:
        self._witness = Witness(self.probes)

    def lost_answer(self, who: str) -> None:
        """The API server's answer to a publication of this controller never came."""
        self._witness.lost_answer(who)

    def wrong(self, what: str) -> None:
        """An invariant does not hold."""
        self.violations.append(f"t={trio.current_time():.3f} {what}")
        self.log("!", f"VIOLATION {what}")

    # The document

    def document(self) -> Document | None:
        """What is published now."""
        found = stored(self.api.objects.get(STATE))
        return found.document if isinstance(found, Found) else None

    def changed(self, name: str, before: Object | None, after: Object | None) -> None:
        """An object changed in the API server."""
        if name != STATE or after is None:
            return
        found, earlier = stored(after), stored(before)
        if not isinstance(found, Found):
            return
        document = found.document
        old = earlier.document if isinstance(earlier, Found) else None
        self.history.append((trio.current_time(), document))
        self._say(document)
        if not self.restoring:
            if document.epoch < self._highest[after.uid]:
                self.wrong(f"epoch went down to {document.epoch} within object {after.uid}")
            if document.term < self._terms[after.uid]:
                self.wrong(f"term went down to {document.term}")
        self._highest[after.uid] = document.epoch
        self._terms[after.uid] = document.term
        self.person_asked = False
        self._count(old, document)
        if not self.restoring:
            self._witness.published(old, document)
            if old is not None:
                self._check_cut(old, document)
                self._check_main(old, document)
        if document.sync is not None and (old is None or old.sync != document.sync) and not self.restoring:
            self._check_partner(document)
        if self.block and document.phase is Phase.SERVING and document.sync is None and not self.restoring:
            self.wrong(f"epoch {document.epoch} serves without a partner under `block` (P-S8)")

    restoring: bool = False
    """The change under way is a person's or a disk's, not the product's."""
    tampered: bool = False
    """There was such a change."""
    person_asked: bool = False
    """The last thing a controller told people is that they have to decide (P-B1)."""

    def wiped_by_order(self) -> None:
        """A person throws everything away: what was acknowledged is gone, and epochs begin anew."""
        self.accepted_at = trio.current_time()
        self._newest_ack = None

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

    def _readable(self, name: str) -> bool:
        return self.fleet.alive(name) and not self.fleet.frozen(name)

    def ids(self, name: str) -> set[str]:
        """Every write that this instance holds."""
        return set(self._writes(name))

    def marker(self, name: str) -> int:
        """The newest epoch marker on this instance; -1 without one."""
        labels = [label for label, _ in self.fleet.instances[name].graph.indexes if label.startswith(MARKER_LABEL)]
        return max((int(label.removeprefix(MARKER_LABEL)) for label in labels), default=-1)

    def _writes(self, name: str) -> Counter[str]:
        """Every write and how often it is there; read from the graph, since a query may have to wait for a commit."""
        nodes = self.fleet.instances[name].graph.nodes.values()
        return Counter(str(node.properties["id"]) for node in nodes if "W" in node.labels)

    # Decisions

    def event(self, who: str, reason: str, message: str) -> None:
        """A controller tells people something."""
        self.log(who, f"EVENT {reason}: {message}")
        self.person_asked = reason == Reason.REBUILD_AMBIGUOUS
        situation = probes.of_event(reason)
        if situation is not None:
            self.probes[situation] += 1

    # Sidecars

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

    # Commands

    def died(self, name: str) -> None:
        """A process ended."""
        self._died[name] = (trio.current_time(), self.fleet.instances[name].role)

    def _could_take_over(self, name: str) -> bool:
        """P-F2: it answered `replica` within a probe interval, as far as anybody could know."""
        at, role = self._died.get(name, (-100.0, Role.MAIN))
        if role is Role.REPLICA and trio.current_time() - at < FRESH_S:
            return True
        if trio.current_time() - self.fleet.frozen_at.get(name, trio.current_time()) > FRESH_S:
            return False
        return self.fleet.alive(name) and self.fleet.instances[name].role is Role.REPLICA

    def _check_cut(self, old: Document, new: Document) -> None:
        """P-F2: no unplanned cut without a candidate."""
        if new.reason not in FAILOVER_REASONS or (old.phase, new.phase) != (Phase.SERVING, Phase.CUT):
            return
        named = [new.master_index, *([new.sync.ordinal] if new.sync else [])]
        if not any(self._could_take_over(f"m-{ordinal}") for ordinal in named):
            self.wrong(f"epoch {new.epoch} cuts the clients, and none of {named} can take over (P-F2)")

    def _check_main(self, old: Document, new: Document) -> None:
        """P-F6: who is published was promoted, this very process, unless it ended a moment ago."""
        name = f"m-{new.master_index}"
        if (old.phase, new.phase) != (Phase.CUT, Phase.SERVING) or name not in self.fleet.opened:
            return
        ended, _ = self._died.get(name, (-100.0, Role.MAIN))
        if self.fleet.instances[name].role is not Role.MAIN and trio.current_time() - ended > FRESH_S:
            self.wrong(f"epoch {new.epoch} publishes {name}, which is a replica (P-F6)")

    def sent(self, who: str, name: str, query: str) -> None:
        """A controller is about to send a command: it must have a term and a lease (P-W2, P-W3)."""
        controller = self.controllers[who]
        leadership, memory = controller.leadership, controller.memory
        if leadership is None or memory is None:
            return
        if query.startswith("MATCH") and "count(" in query:
            return
        self.log(who, f"-> {name or 'nobody'}: {query}")
        if name in self.fleet.foreign and "TO REPLICA" not in query:
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

    def acted(self, who: str, action: Action, outcome: Outcome) -> None:
        """A controller's action ended."""
        self._witness.acted(who, action, outcome)
        self.probes[f"{type(action).__name__}:{outcome.value}"] += 1
        if outcome is Outcome.DIVERGED:
            replica = action.replica.pod  # type: ignore[union-attr]  # only a Register diverges
            self.diverged.add((replica.name, replica.volume))
        if isinstance(action, DeletePod):
            self.log(who, f"deleted {action.pod.name}")

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

    # Writes

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
        document = self.document()
        known = document is not None and document.epoch > ack.epoch and self.network.connects(ack.sidecar, "api")
        if known and ack.instance in self.fleet.foreign:
            self.wrong(f"{ack.sidecar} led {ack.ident} to {ack.instance}, which is another cluster's (P-C4)")

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

    def _stale(self, ack: Ack) -> bool:
        """Within `cutSettle` nobody was promoted, and a sidecar that has seen the cut knows better (P-C1, P-F5)."""
        ended = next((at for at, d in self.history if d.epoch > ack.epoch and at >= self.accepted_at), None)
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

    _note_times: list[float] = field(default_factory=list)

    def read_port_wrote(self, ack: Ack) -> None:
        """A write over the read port succeeded: never by a sidecar that acts on what is published (P-F4).

        One that has not seen the cut may still lead to the candidate, which is main by then and keeps the write; it is
        lost only if that main vanishes before it is published.
        """
        newest = max((d.epoch for at, d in self.history if at >= self.accepted_at), default=-1)
        if self.document() is not None and ack.epoch >= newest:
            self.wrong(f"{ack.ident} was written over the read port by {ack.instance} in epoch {ack.epoch} (P-F4)")
        self.probes["late write over the read port"] += 1
        self.kept[ack.ident] = Kept(ack, unfinalized=False, protected=False, stale=False, read_port=True)

    # The end

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
        if kept.read_port:
            return Window.STALE_READ_PORT
        if self.accepted_at >= ack.at:
            return Window.ACCEPTED
        if ack.instance in self.fleet.foreign:
            return Window.FOREIGN
        if not kept.replicated:
            return Window.ANALYTICAL
        if kept.stale and ack.sent_at <= self._next_promotion(ack):
            return Window.STALE_SIDECAR
        if kept.unfinalized and self._next_failover(ack) - ack.at <= NOTICED_S:
            return Window.LOST_FINALIZE
        if not kept.protected and self.wiped_at.get(ack.instance, -1.0) >= ack.at:
            return Window.UNPROTECTED
        if max(self.unsynced_at.values(), default=-1.0) >= ack.at:
            return Window.UNSYNCED
        return None

    def _next_failover(self, ack: Ack) -> float:
        """When a failover followed this write; never, if none did."""
        cuts = (at for at, d in self.history if at >= ack.at and d.cut_kind is CutKind.FAILOVER)
        return next(cuts, float("inf"))

    def _next_promotion(self, ack: Ack) -> float:
        """When another one was promoted after the epoch of this write: from then on its main is fenced (F5, N1)."""
        ended = next((at for at, d in self.history if d.epoch > ack.epoch), float("inf"))
        return next((at for at, name in self._promotions if at >= ended and name != ack.instance), -1.0)

    def told(self, told: Told) -> int:
        """How many writes ended like this."""
        return sum(t is told for client in self.clients for t in client.told.values())

    # Healing

    def unsettled(self, since: float, without: frozenset[str] = frozenset()) -> str | None:
        """Why the world is not healed yet, or None. `since`: the last fault's end. `without`: who may be missing."""
        document = self.document()
        if document is None:
            return "there is no document"
        if document.phase is not Phase.SERVING:
            if self._waits_for_a_person(document):
                return None
            return f"the document says {document.phase}: {document.reason}"
        main = f"m-{document.master_index}"
        mains = self._mains()
        if mains != [main]:
            return f"{mains or 'nobody'} is main, {main} is published"
        unfit = self._unfit() | (without - {main})
        healthy = self.pods.wanted - 1 - len({name for name in unfit if name[0] == "m"})
        if healthy > 0 and document.sync is None:
            return "nobody is the partner"
        rows = self.fleet.instances[main].replicas.values()
        ready = {r.address.rpartition(":")[0] for r in rows if not r.ghost and r.status.value == "ready"}
        missing = {f"m-{o}" for o in range(self.pods.wanted)} - ready - unfit - {main}
        if missing:
            return f"{sorted(missing)} not registered and ready"
        for client in self.clients:
            state = client.sidecar.state
            if client.name in without:
                continue
            if state is None or state.document.epoch != document.epoch:
                return f"{client.name} acts on epoch {state.document.epoch if state else None}"
            if client.last_ack_at <= since and not client.resting:
                return f"{client.name} writes nothing"
        return None

    def _mains(self) -> list[str]:
        instances = self.fleet.instances.items()
        return [n for n, i in instances if self.fleet.alive(n) and i.role is Role.MAIN and n[0] == "m"]

    def _waits_for_a_person(self, document: Document) -> bool:
        """With `block`, everybody but the new main diverged, and the planner left each of them to a person (P-R1)."""
        everybody = {f"m-{ordinal}" for ordinal in range(self.pods.wanted)}
        mains, left = set(self._mains()), self._unfit()
        self.probes["cut-left-to-a-person"] += bool(left)
        return len(mains) == 1 and bool(left) and everybody - mains == left

    def _unfit(self) -> set[str]:
        """Who diverged, and is not re-seeded without a person's word by the leader's own account (P-R2)."""
        volumes = {slot.name: slot.volume for slot in self.pods.slots.values()}
        diverged = {name for name, volume in self.diverged if volumes.get(name) == volume}
        leaders = [c.loop.status() for c in self.controllers.values() if c.leads and c.loop is not None]
        left = {f"m-{i.ordinal}" for status in leaders for i in status.instances if i.left_alone is not None}
        return diverged & left
