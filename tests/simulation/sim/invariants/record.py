"""What the checks share: the world they look at, what has been published in it, and what was wrong.

The checks are a chain of dataclasses, a module each, with the state that it collects: a check reads what others have
collected, and as separate objects they would all have to know each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from controller.core.model import Found
from controller.core.parse import MARKER_LABEL
from sandbox.memgraph.core.instance import Role
from sidecar.contract.state import Document
from sim.apiserver import ApiServer
from sim.clients import Client
from sim.controllers import Controller
from sim.instances import Fleet
from sim.network import Network
from sim.pods import Pods
from sim.ports import STATE, stored
from sim.probes import Witness

CUT_SETTLE_S = 0.25
"""P-F5: sidecars get this long to close their connections to a live main."""


@dataclass
class Record:
    """The world, and what is asked of it again and again."""

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
    log: Callable[[str, str], None] = lambda _who, _what: None
    history: list[tuple[float, Document]] = field(default_factory=list)
    _promotions: list[tuple[float, str]] = field(default_factory=list)
    _witness: Witness = field(init=False)

    def __post_init__(self) -> None:
        self._witness = Witness(self.probes)

    def wrong(self, what: str) -> None:
        """An invariant does not hold."""
        self.violations.append(f"t={trio.current_time():.3f} {what}")
        self.log("!", f"VIOLATION {what}")

    def document(self) -> Document | None:
        """What is published now."""
        found = stored(self.api.objects.get(STATE))
        return found.document if isinstance(found, Found) else None

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

    def _readable(self, name: str) -> bool:
        return self.fleet.alive(name) and not self.fleet.frozen(name)

    def _mains(self) -> list[str]:
        instances = self.fleet.instances.items()
        return [n for n, i in instances if self.fleet.alive(n) and i.role is Role.MAIN and n[0] == "m"]
