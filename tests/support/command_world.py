"""A Kubernetes with a release in it, for tests of the command: the chart's own objects on the stand-in API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import yaml
from helm_python import Chart

from memgraph_ha.cli import main
from memgraph_ha.core import paths
from memgraph_ha.kube import Api, connect
from sidecar.contract import names
from webhook.core.model import Release

CHART: Final = Path(__file__).parents[2] / "charts" / "memgraph-ha"
GRAPH: Final = Release("graph", "database", "graph", True, "memgraph-ha-sidecar:0.1.0")
_COLLECTIONS: Final = {
    "Deployment": "/apis/apps/v1/namespaces/database/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/database/statefulsets",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/database/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/database/rolebindings",
    "MutatingWebhookConfiguration": paths.ADMISSION,
}


@dataclass
class World:
    """What tests do in it."""

    kubeconfig: Path
    api: Api

    async def type(self, *words: str) -> int:
        """The command; its exit code."""
        return await anyio.to_thread.run_sync(main, [*words, "--kubeconfig", str(self.kubeconfig)])

    async def namespace(self, name: str, **labels: str) -> None:
        """Make one; an injected one by `inject="enabled"`."""
        spelled = {names.PREFIX + key: value for key, value in labels.items()}
        await self.api.create(paths.NAMESPACES, {"metadata": {"name": name, "labels": spelled}})

    async def put(self, collection: str, body: Any) -> Any:
        """Create an object."""
        return (await self.api.create(collection, body)).body

    async def pod(self, body: Any) -> Any:
        """Create a pod with its status, as a kubelet would write it."""
        where = paths.inside(body["metadata"]["namespace"], "pods")
        made = await self.put(where, body)
        status = [{"op": "add", "path": "/status", "value": body["status"]}]
        return await self.api.patch(f"{where}/{made['metadata']['name']}/status", status)


@asynccontextmanager
async def world(kubeconfig: Path, name: str = "graph", values: Any = None) -> AsyncIterator[World]:
    """On this API server, with the chart's objects in namespace `database`."""
    async with connect(str(kubeconfig), None) as (client, _):
        made = World(kubeconfig, Api(client))
        await made.namespace("database")
        with Chart.load(CHART) as chart:
            files = chart.render(values or {}, name=name, namespace="database")
        for path, text in files.items():
            for obj in yaml.safe_load_all(text) if path.endswith(".yaml") else ():
                if obj and obj["kind"] in _COLLECTIONS:
                    await made.put(_COLLECTIONS[obj["kind"]], obj)
        yield made
