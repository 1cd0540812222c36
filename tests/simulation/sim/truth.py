"""What is true of the world, whoever believes what: the invariants, and when the world has healed.

A violation is a sentence. What must hold at every step is in `invariants/`, an idea a module; here, what healing is.
"""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.contract.state import Document, Phase
from sim.invariants.commands import Commands


@dataclass
class Truth(Commands):
    """Collects what the world does; `violations` stays empty, or the product is wrong."""

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
        return diverged & self.left_alone()

    def left_alone(self) -> set[str]:
        """Who is left to a person, by the leader's own account (P-R2)."""
        leaders = [c.loop.status() for c in self.controllers.values() if c.leads and c.loop is not None]
        return {f"m-{i.ordinal}" for status in leaders for i in status.instances if i.left_alone is not None}
