"""A Kubernetes pod -> the model's Pod. Pure, but for the client's types."""

from __future__ import annotations

from kubernetes.aio import client

from controller.core.model import Pod, Shown
from controller.kube.client import meta
from controller.settings import Settings
from sidecar.contract import names


def to_pod(raw: client.V1Pod, volume: str, settings: Settings) -> Pod:
    """What the planner needs to know of this pod."""
    status, name = raw.status, meta(raw).name or ""
    ip = (status.pod_ip if status else None) or ""
    ports = {p.name: p.container_port for c in containers_of(raw) for p in c.ports or [] if p.name}
    replication_port = ports.get(names.REPLICATION_PORT_NAME, names.REPLICATION_PORT)
    by_name = f"{name}.{settings.service}.{settings.namespace}.svc.{settings.cluster_domain}"
    memgraph = _memgraph_status(raw)
    state = memgraph.state if memgraph else None
    return Pod(
        name=name,
        uid=meta(raw).uid or "",
        ip=ip,
        bolt_port=ports.get(names.BOLT_PORT_NAME, names.READ_WRITE_PORT),
        replication_port=replication_port,
        replication_address=f"{ip if settings.register_by == 'ip' else by_name}:{replication_port}",
        volume=volume,
        container_id=(memgraph.container_id if memgraph else None) or "",
        running=bool(state and state.running),
        terminated=bool(state and state.terminated) or _waits_after_death(memgraph),
        deleting=meta(raw).deletion_timestamp is not None,
        shown=_shown(raw),
    )


def _shown(raw: client.V1Pod) -> Shown:
    role = (meta(raw).labels or {}).get(names.ROLE_LABEL, "")
    conditions = (raw.status.conditions if raw.status else None) or []
    found = next((c for c in conditions if c.type == names.IN_SYNC_CONDITION), None)
    if found is None:
        return Shown(role)
    return Shown(role, found.status == "True", found.reason or "", found.message or "")


def is_ready(raw: client.V1Pod) -> bool:
    """Whether the API server says that the pod is ready."""
    conditions = (raw.status.conditions if raw.status else None) or []
    return any(c.type == "Ready" and c.status == "True" for c in conditions)


def containers_of(raw: client.V1Pod) -> list[client.V1Container]:
    """The pod's containers."""
    return list(raw.spec.containers) if raw.spec else []


def _memgraph_status(raw: client.V1Pod) -> client.V1ContainerStatus | None:
    """The status of the container that has the Bolt port; the first one if none names it."""
    owner = next(
        (c.name for c in containers_of(raw) if any(p.name == names.BOLT_PORT_NAME for p in c.ports or [])),
        containers_of(raw)[0].name,
    )
    statuses = (raw.status.container_statuses if raw.status else None) or []
    return next((s for s in statuses if s.name == owner), None)


def _waits_after_death(status: client.V1ContainerStatus | None) -> bool:
    """Between a crash and its restart the state is `waiting`, and the death is in `lastState`."""
    if status is None or status.state is None or status.state.waiting is None:
        return False
    return bool(status.last_state and status.last_state.terminated)
