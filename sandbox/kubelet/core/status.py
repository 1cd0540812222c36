"""A pod's status from the states of its containers: a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sandbox.kubelet.core.containers import Place, Role

Object = dict[str, Any]
Gates = Mapping[str, bool]


@dataclass(slots=True)
class State:
    """What is known about one container. `waiting` and `exit_code` are None while it runs."""

    name: str
    role: Role
    image: str = ""
    pid: int | None = None
    container_id: str = ""
    started_at: str = ""
    finished_at: str = ""
    exit_code: int | None = None
    signal: int = 0
    waiting: str | None = "PodInitializing"
    message: str = ""
    restarts: int = 0
    started: bool = False
    ready: bool = False
    previous: Object | None = None

    def terminated(self) -> Object:
        """The `terminated` entry of its last end."""
        code = 0 if self.exit_code is None else self.exit_code
        ended: Object = {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
            "containerID": self.container_id,
        }
        return ended | ({"signal": self.signal} if self.signal else {})


def pod_status(
    states: list[State], place: Place, restart_policy: str, started_at: str, gates: Gates = MappingProxyType({})
) -> Object:
    """The status to report; its conditions are the kubelet's own, to be merged with those of others."""
    mains = [state for state in states if state.role is Role.MAIN]
    initialized = all(_initialized(state) for state in states if state.role is not Role.MAIN)
    ready = all(state.ready for state in states if state.role is not Role.INIT)
    closed = [gate for gate, true in gates.items() if not true]
    conditions = [_condition("PodScheduled", True), _condition("Initialized", initialized)]
    conditions += [_condition("ContainersReady", ready), _condition("Ready", ready and not closed)]
    if ready and closed:
        conditions[-1] |= {"reason": "ReadinessGatesNotReady", "message": f"not True: {', '.join(closed)}"}
    addresses = {"podIP": place.address, "podIPs": [{"ip": place.address}], "hostIP": "127.0.0.1"}
    return addresses | {
        "phase": _phase(mains, states, restart_policy),
        "startTime": started_at,
        "conditions": conditions,
        "initContainerStatuses": [_container(state) for state in states if state.role is not Role.MAIN],
        "containerStatuses": [_container(state) for state in mains],
    }


def gates_of(pod: Object) -> Gates:
    """The pod's readiness gates, and whether somebody has set the condition of each to True."""
    conditions = pod.get("status", {}).get("conditions") or ()
    true = {item["type"] for item in conditions if item["status"] == "True"}
    declared = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    return {gate: gate in true for gate in declared}


def _condition(kind: str, true: bool) -> Object:
    # Null takes away in a patch what an earlier report said.
    return {"type": kind, "status": "True" if true else "False", "reason": None, "message": None}


def _initialized(state: State) -> bool:
    return state.started if state.role is Role.SIDECAR else state.exit_code == 0


def _phase(mains: list[State], states: list[State], restart_policy: str) -> str:
    if restart_policy == "Never" and any(s.role is Role.INIT and s.exit_code not in (None, 0) for s in states):
        return "Failed"
    ended = [state for state in mains if state.exit_code is not None and state.waiting is None]
    if len(ended) == len(mains) and restart_policy != "Always":
        if all(state.exit_code == 0 for state in ended):
            return "Succeeded"
        if restart_policy == "Never":
            return "Failed"
    begun = any(state.pid is not None or state.restarts or state.exit_code is not None for state in mains)
    return "Running" if begun else "Pending"


def _container(state: State) -> Object:
    if state.waiting is not None:
        current: Object = {"waiting": {"reason": state.waiting, "message": state.message}}
    elif state.exit_code is not None:
        current = {"terminated": state.terminated()}
    else:
        current = {"running": {"startedAt": state.started_at}}
    return {
        "name": state.name,
        "image": state.image,
        "imageID": state.image,
        "containerID": state.container_id,
        "restartCount": state.restarts,
        "started": state.started,
        "ready": state.ready,
        "state": current,
        "lastState": {"terminated": state.previous} if state.previous else {},
    }
