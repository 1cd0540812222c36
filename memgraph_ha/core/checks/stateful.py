"""What the StatefulSet of the Memgraph pods has to have: the chart's has it, one of somebody else's is asked here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from memgraph_ha.core.checks.facts import Facts, Finding, Level, Stateful, Unknown, unknown
from sidecar.contract import names

RESEED: Final = "reseed"
"""The init container that moves a diverged replica's data aside."""
_PAGE: Final = "docs/installation.md#a-statefulset-of-yours"
Lack = tuple[Level, str]
_FLUSH: Final = "--storage-wal-file-flush-every-n-tx"


@dataclass(frozen=True, slots=True)
class _Template:
    """The pod template, and its container of Memgraph: the one with a port called bolt, else the first."""

    labels: Mapping[str, str]
    spec: Any
    container: Any

    @property
    def flags(self) -> dict[str, str]:
        """Name -> value, with Memgraph's two spellings made one."""
        found, last = {}, ""
        for word in map(str, [*(self.container.get("command") or ()), *(self.container.get("args") or ())]):
            name, equals, value = word.partition("=")
            if word.startswith("--"):
                last = "" if equals else name.replace("_", "-")
                found[name.replace("_", "-")] = value
            elif last:
                found[last], last = word, ""  # the value as a word of its own
        return found


def stateful(facts: Facts) -> Iterator[Finding]:
    """One finding for each thing it lacks."""
    known = facts.stateful
    if isinstance(known, Unknown):
        yield unknown("the StatefulSet", known)
        return
    if known.found is None:
        yield Finding(Level.ERROR, f"there is no StatefulSet {known.name}: the controller has nothing to look after",
                      "memgraph.existing.statefulSet names it; without that, helm upgrade makes it")  # fmt: skip
        return
    for level, message in shortcomings(known):
        yield Finding(level, f"StatefulSet {known.name}: {message}", _PAGE)


def shortcomings(known: Stateful) -> Iterator[Lack]:
    """How grave each is, and what it leads to; the StatefulSet is there."""
    yield from _shape(known)
    yield from _pods(known)
    yield from _service(known)


def _template(known: Stateful) -> _Template:
    template = known.found["spec"]["template"]
    spec = template["spec"]
    containers = spec["containers"]
    named = (c for c in containers if any(p.get("name") == names.BOLT_PORT_NAME for p in c.get("ports") or ()))
    labels = (template.get("metadata") or {}).get("labels") or {}
    return _Template(labels, spec, next(named, containers[0]))


def _shape(known: Stateful) -> Iterator[Lack]:
    spec = known.found["spec"]
    if spec.get("podManagementPolicy") != "Parallel":
        yield _error(
            "podManagementPolicy is not Parallel: after a full stop its pods would wait for one another, for ever"
        )
    if not spec.get("volumeClaimTemplates"):
        yield _error("it has no volumeClaimTemplates: an instance's data is gone with its pod")
    given = spec.get("serviceName")
    if given != known.service_name:
        yield _error(
            f"its serviceName is {given}, and the controller was told {known.service_name}: "
            "replicas would be registered by names that nobody knows"
        )


def _pods(known: Stateful) -> Iterator[Lack]:
    template = _template(known)
    flags, spec = template.flags, template.spec
    if template.labels.get(names.COMPONENT_LABEL) != "memgraph":
        yield _error(
            f"its pods lack the label {names.COMPONENT_LABEL}=memgraph: they could be given sidecars, "
            "and status and doctor don't see them"
        )
    if "--init-file" not in flags:
        yield _error("Memgraph has no --init-file: an instance that starts again would be a second main")
    flush = flags.get(_FLUSH, "not given (100000)")
    if flush != known.wal_flush:
        yield _error(
            f"{_FLUSH} is {flush}, and the controller was told {known.wal_flush} "
            "(memgraph.walFlushEveryTransactions): after a crash it would trust the wrong instance"
        )
    gates = [gate.get("conditionType") for gate in spec.get("readinessGates") or ()]
    if names.IN_SYNC_CONDITION not in gates:
        yield _warning(f"no readiness gate {names.IN_SYNC_CONDITION}: a roll-out may take the last copy")
    if not (template.container.get("lifecycle") or {}).get("preStop"):
        yield _warning("no preStop sleep: a main that is deleted fails over instead of switching over")
    inits = [container.get("name") for container in spec.get("initContainers") or ()]
    if known.on_diverged == "reseed" and RESEED not in inits:
        yield _warning(f"controller.onDiverged is reseed, and no init container {RESEED} does it: set it to manual")


def _service(known: Stateful) -> Iterator[Lack]:
    name = known.service_name
    if known.service is None:
        yield _error(f"there is no Service {name}")
        return
    spec = known.service["spec"]
    if spec.get("clusterIP") != "None" or not spec.get("publishNotReadyAddresses"):
        yield _error(
            f"Service {name} is not headless with publishNotReadyAddresses: "
            "the main could not reach a replica that has just started"
        )


def _error(text: str) -> Lack:
    return Level.ERROR, text


def _warning(text: str) -> Lack:
    return Level.WARNING, text
