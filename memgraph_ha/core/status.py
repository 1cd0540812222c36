"""What `memgraph-ha status` shows: document, Lease and pods; more, where the leader can be asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from controller.core.election import pod_of
from controller.core.reasons import Reason
from memgraph_ha.core.document import read
from memgraph_ha.core.table import table
from sidecar.contract import names
from sidecar.contract.state import Document, Phase

_CLOCKS_S: Final = 2.0
"""The API server says its time to the second, and its clock may differ from the leader's by another."""


@dataclass(frozen=True, slots=True)
class PodRow:
    """One Memgraph pod."""

    pod: str
    role: str
    ready: bool
    in_sync: str
    """The condition's message."""
    restarts: int


@dataclass(frozen=True, slots=True)
class View:
    """Everything at once. `problems`: sentences; without any, all is well."""

    release: str
    namespace: str
    phase: str
    main: str
    sync: str
    epoch: str
    message: str
    leader: str
    paused: str
    pods: tuple[PodRow, ...]
    problems: tuple[str, ...]
    leader_says: Any
    """Its status API's answer, or None."""
    unasked: str
    """Why it could not be asked."""


def view(
    release: str, namespace: str, state: Any, lease: Any, requests: Any, pods: Sequence[Any], told: Any, unasked: str,
    now: float,
) -> View:  # fmt: skip
    """Raw objects, None where there is none; `told`: the leader's status; `now`: seconds since 1970."""
    document = read(state)
    said = document if isinstance(document, Document) else None
    rows = tuple(sorted((_row(pod) for pod in pods), key=lambda row: row.pod))
    leader = leader_of(lease, now)
    nobody = "" if leader else f"no controller leads{_last_leader(lease, now)}"
    paused = _notes(requests).get(names.PAUSED_ANNOTATION, "")
    return View(
        release, namespace, said.phase if said else "", said.main_pod if said else "",
        str(said.sync.ordinal) if said and said.sync else "", str(said.epoch) if said else "",
        said.message if said else "", leader, paused, rows,
        tuple(_problems(document, nobody, paused, rows, told)), told, unasked,
    )  # fmt: skip


def leader_of(lease: Any, now: float) -> str:
    """The pod that holds the Lease, or nothing if it has run out. `now`: by the API server's clock."""
    holder, over = _held(lease, now)
    return holder if over is not None and over <= _CLOCKS_S else ""


def _last_leader(lease: Any, now: float) -> str:
    holder, over = _held(lease, now)
    return f": the Lease of {holder} ran out {over:.0f} s ago" if holder and over is not None else ""


def _held(lease: Any, now: float) -> tuple[str, float | None]:
    """The pod whose Lease it is, and for how many seconds it has been over (negative: it still runs)."""
    spec = (lease or {}).get("spec") or {}
    holder, renewed = str(spec.get("holderIdentity") or ""), str(spec.get("renewTime") or "")
    if not holder or not renewed:
        return "", None
    over = now - datetime.fromisoformat(renewed).timestamp() - float(spec.get("leaseDurationSeconds") or 0)
    return pod_of(holder) or "", over


def text(shown: View) -> str:
    """For a terminal."""
    lines = [
        f"release {shown.release} in namespace {shown.namespace}: {shown.phase or '-'}, epoch {shown.epoch or '-'}",
        f"main {shown.main or '-'}, sync replica {shown.sync or '-'}, leader {shown.leader or '-'}",
        shown.message,
        *_thinks(shown),
        "",
        table(
            ("POD", "ROLE", "READY", "RESTARTS", "IN SYNC"),
            ((r.pod, r.role, "yes" if r.ready else "no", str(r.restarts), r.in_sync) for r in shown.pods),
        ),
    ]
    if shown.leader_says:
        lines += ["", *_told(shown.leader_says)]
    if shown.unasked:
        lines += ["", f"the leader was not asked for more: {shown.unasked}"]
    if shown.problems:
        lines += ["", *(f"! {problem}" for problem in shown.problems)]
    return "\n".join(lines)


def _thinks(shown: View) -> list[str]:
    """What keeps the leader from what it would do stands in no document: nothing has been published since."""
    decision = (shown.leader_says or {}).get("decision")
    if not decision or decision["reason"] == Reason.STEADY or decision["message"] == shown.message:
        return []
    return [f"the leader: {decision['message']} ({decision['reason']})"]


def _told(told: Any) -> list[str]:
    rows = [
        (str(i["pod"]), i["role"] or "", str(i["behind"] if i["behind"] is not None else ""), i["problem"] or "",
         i["left_alone"] or "")
        for i in told["instances"]
    ]  # fmt: skip
    lines = [table(("INSTANCE", "SAYS IT IS", "BEHIND", "PROBLEM", "LEFT TO A PERSON"), rows)]
    fleet = told.get("fleet")
    if fleet:
        if fleet["problem"] or not fleet["complete"]:
            lines += ["", f"the fleet was not seen in full: {fleet['problem'] or 'there is more than one look reads'}"]
        counted = ", ".join(f"{number} {health}" for health, number in fleet["pods"].items())
        lines += ["", f"fleet ({fleet['at']}): {counted}; namespaces: {', '.join(fleet['namespaces']) or 'none'}"]
        found = fleet["findings"]
        if found:
            rows = [
                (f["namespace"], f"{f['owner']['kind'].lower()}/{f['owner']['name']}", f["health"], str(len(f["pods"])),
                 f["commands"][0])
                for f in found
            ]  # fmt: skip
            lines += [table(("NAMESPACE", "OWNER", "SIDECAR", "PODS", "NEXT"), rows)]
    return lines


def _problems(document: Document | str, nobody: str, paused: str, rows: Sequence[PodRow], told: Any) -> list[str]:
    found = []
    if isinstance(document, str):
        found.append(document)
    elif document.phase is not Phase.SERVING:
        found.append("clients are cut: no main serves")
    elif document.sync is None:
        found.append("no replica is known to hold every write")
    if nobody:
        found.append(nobody)
    if paused:
        found.append(f"paused ({paused}): no failover until memgraph-ha resume")
    found += [f"{row.pod} is not ready: {row.in_sync or 'see kubectl describe pod'}" for row in rows if not row.ready]
    for command in (told or {}).get("commands") or ():
        found.append(f"a person has to decide; choose one: {command}")
    return found


def _row(pod: Any) -> PodRow:
    status = pod.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    gate = conditions.get(names.IN_SYNC_CONDITION) or {}
    return PodRow(
        pod["metadata"]["name"],
        (pod["metadata"].get("labels") or {}).get(names.ROLE_LABEL, ""),
        (conditions.get("Ready") or {}).get("status") == "True",
        str(gate.get("message") or ""),
        sum(c.get("restartCount", 0) for c in status.get("containerStatuses") or ()),
    )


def _notes(obj: Any) -> Mapping[str, str]:
    return ((obj or {}).get("metadata") or {}).get("annotations") or {}
