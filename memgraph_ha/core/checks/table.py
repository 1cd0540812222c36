"""Every check by its name, and what a person is shown of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from memgraph_ha.core.checks import admission, clients, database, platform, rights, stateful
from memgraph_ha.core.checks.facts import Facts, Finding, Level

CHECKS: Final[dict[str, Callable[[Facts], Iterable[Finding]]]] = {
    "failover": database.failover,
    "webhook": admission.webhook_runs,
    "certificates": admission.certificates,
    "rights of the programs": rights.programs,
    "rights of sidecars": rights.sidecars,
    "a pod on trial": admission.trials,
    "quotas": clients.quotas,
    "limit ranges": clients.limit_ranges,
    "pull secrets": clients.pull_secrets,
    "image pulls": clients.images,
    "pods with sidecars": clients.fleet,
    "kubelets": platform.kubelets,
    "Memgraph versions": database.versions,
    "StatefulSet": stateful.stateful,
    "Memgraph flags": database.flags,
    "readiness gates": database.readiness,
    "users": database.users,
    "vm.max_map_count": platform.memory_maps,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """One check and what it found; nothing: all is well."""

    check: str
    level: Level
    findings: tuple[Finding, ...]


def examine(facts: Facts) -> tuple[Checked, ...]:
    """Every check, in the table's order."""
    order = list(Level)
    done = []
    for name, check in CHECKS.items():
        found = tuple(check(facts))
        done.append(Checked(name, min((f.level for f in found), key=order.index, default=Level.OK), found))
    return tuple(done)


def text(done: Iterable[Checked]) -> str:
    """What is wrong with its fix, the gravest first; then what is well, in one line."""
    checked = list(done)
    order = list(Level)
    lines = []
    for one in sorted(checked, key=lambda c: order.index(c.level)):
        for finding in sorted(one.findings, key=lambda f: order.index(f.level)):
            lines.append(f"{finding.level:<8} {one.check}: {finding.message}")
            if finding.fix:
                lines.append(f"{'':<8}   fix: {finding.fix}")
    well = [one.check for one in checked if one.level is Level.OK]
    if well:
        lines.append(f"{'ok':<8} {', '.join(well)}")
    return "\n".join(lines)
