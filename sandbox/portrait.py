"""What world.json says, from the pods that run and the Lease: a pure function, and the memory it needs for `leader`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import manifests
from sandbox.kubelet.core.containers import Place, Role
from sandbox.kubelet.core.status import State
from sidecar.contract import names

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """One pod: where it lives and its containers' states."""

    namespace: str
    name: str
    component: str
    place: Place
    states: tuple[State, ...]

    def pid(self, container: str | None = None) -> int | None:
        """The process of a container (default: the first main one), while it runs."""
        for state in self.states:
            if state.name == container or (container is None and state.role is Role.MAIN):
                return state.pid
        return None

    def has(self, container: str) -> bool:
        return any(state.name == container for state in self.states)


class Leadership:
    """Who renewed the Lease last, by pod and process: a restarted controller has its predecessor's name, but does not
    lead before it has renewed the Lease itself."""

    def __init__(self) -> None:
        self._spec: Object = {}
        self._leader: tuple[str, int | None] = ("", None)

    def observe(self, lease: Object | None, pids: Mapping[str, int | None]) -> tuple[str, int | None]:
        """The leading pod and its process."""
        spec = (lease or {}).get("spec") or {}
        if spec != self._spec:
            self._spec = spec
            holder = (spec.get("holderIdentity") or "").partition("_")[0]  # the pod, then its process
            self._leader = (holder, pids.get(holder))
        return self._leader


def portrait(kubeconfig: Path, runner_pid: int, pods: Iterable[Seen], leader: tuple[str, int | None]) -> Object:
    """The content of world.json. A process that isn't there right now has the pid null."""
    by_component: dict[str, list[Seen]] = {"memgraph": [], "controller": [], "webhook": []}
    apps: list[Seen] = []
    for pod in sorted(pods, key=lambda item: item.name):
        if pod.namespace == manifests.RELEASE:
            by_component.setdefault(pod.component, []).append(pod)
        else:
            apps.append(pod)
    return {
        "runner": {"pid": runner_pid},
        "kubeconfig": str(kubeconfig),
        "namespace": manifests.RELEASE,
        "configMap": names.state_config_map(manifests.RELEASE),
        "memgraphs": [_memgraph(pod) for pod in by_component["memgraph"]],
        "controllers": [
            {
                "pod": pod.name,
                "pid": pod.pid(),
                "leader": pod.pid() is not None and (pod.name, pod.pid()) == leader,
            }
            for pod in by_component["controller"]
        ],
        "webhook": next(map(_webhook, by_component["webhook"]), {"pod": "", "pid": None, "url": ""}),
        "apps": [_app(pod) for pod in apps],
    }


def _memgraph(pod: Seen) -> Object:
    return {
        "pod": pod.name,
        "ordinal": int(pod.name.rpartition("-")[2]),
        "pid": pod.pid(),
        "bolt": _address(pod, names.READ_WRITE_PORT),
        "replication": _address(pod, names.REPLICATION_PORT),
        "admin": _address(pod, manifests.SIM_ADMIN_PORT),
    }


def _webhook(pod: Seen) -> Object:
    return {"pod": pod.name, "pid": pod.pid(), "url": f"https://{_address(pod, manifests.WEBHOOK_PORT)}/inject"}


def _app(pod: Seen) -> Object:
    injected = pod.has(names.SIDECAR_CONTAINER)
    return {
        "pod": pod.name,
        "namespace": pod.namespace,
        "pid": pod.pid(),
        "uri": f"bolt://{_address(pod, names.READ_WRITE_PORT)}" if injected else None,
        "readUri": f"bolt://{_address(pod, names.READ_PORT)}" if injected else None,
        "sidecarPid": pod.pid(names.SIDECAR_CONTAINER) if injected else None,
        "metrics": f"http://{_address(pod, names.ADMIN_PORT)}/metrics" if injected else None,
    }


def _address(pod: Seen, port: int) -> str:
    return f"{pod.place.address}:{pod.place.port(port)}"
