"""Reads what status and doctor both need of a release."""

from __future__ import annotations

import re
from typing import Any, Final

from memgraph_ha.core import paths
from memgraph_ha.kube import Absent, Api, Problem
from sidecar.contract import names

CONTROLLER_PORT: Final = 8080
"""The chart's."""
_LEASES: Final = "/apis/coordination.k8s.io/v1"


async def maybe(api: Api, path: str) -> Any:
    """The object, or None if there is none. Raises Problem."""
    try:
        return await api.get(path)
    except Absent:
        return None


async def state(api: Api, namespace: str, release: str) -> Any:
    """The document's ConfigMap."""
    return await maybe(api, paths.inside(namespace, "configmaps", names.state_config_map(release)))


async def requests(api: Api, namespace: str, release: str) -> Any:
    """The ConfigMap with people's requests."""
    return await maybe(api, paths.inside(namespace, "configmaps", names.requests_config_map(release)))


async def lease(api: Api, namespace: str, release: str) -> Any:
    """The controllers' Lease."""
    return await maybe(api, paths.inside(namespace, "leases", names.lease(release), _LEASES))


async def instances(api: Api, namespace: str, release: str, state: Any) -> list[Any]:
    """The Memgraph pods. An existing StatefulSet's have another instance label: the document names one of them."""
    found = await api.all(paths.inside(namespace, "pods"), labelSelector=f"{names.COMPONENT_LABEL}=memgraph")
    main = ((state or {}).get("data") or {}).get("mainPod", "")
    adopted = re.compile(re.escape(main.rpartition("-")[0]) + r"-\d+")
    return [
        pod
        for pod in found
        if (pod["metadata"].get("labels") or {}).get(names.INSTANCE_LABEL) == release
        or (main and adopted.fullmatch(pod["metadata"]["name"]))
    ]


async def ask_leader(api: Api, namespace: str, pod: str) -> tuple[Any, str]:
    """The leader's status, through the API server (right: get pods/proxy); or None, and why."""
    if not pod:
        return None, "no controller leads"
    where = paths.inside(namespace, "pods", f"{pod}:{CONTROLLER_PORT}/proxy/api/v1/status")
    try:
        return await api.get(where), ""
    except (Problem, ValueError) as problem:
        return None, str(problem)
