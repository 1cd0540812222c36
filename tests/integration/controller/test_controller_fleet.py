"""A whole controller looks after the fleet: what it writes, and what its status says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import anyio
import pytest
from cell import NAMESPACE, cell
from fleet_pods import injected, pod
from kubernetes.aio import client
from ports import free_port

from controller.kube.client import connect
from sidecar.contract import names
from webhook.core.model import Release

pytestmark = pytest.mark.anyio
OURS = Release("r", NAMESPACE, "r", True, "example/sidecar:2")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_labelled_namespaces_are_bound_and_the_status_tells_of_their_pods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMGRAPH_HA_SIDECAR_IMAGE", OURS.sidecar_image)
    monkeypatch.setenv("MEMGRAPH_HA_CLIENT_ACCESS", "perNamespace")
    async with cell(tmp_path) as running, connect(str(running.kubeconfig)) as api:
        core, rbac = client.CoreV1Api(api), client.RbacAuthorizationV1Api(api)
        metadata = client.V1ObjectMeta(name=names.sidecar_role("r"))
        await rbac.create_namespaced_role(NAMESPACE, client.V1Role(metadata=metadata, rules=[]))
        labels = {names.INJECT_LABEL: names.INJECT_ENABLED}
        apps = client.V1Namespace(metadata=client.V1ObjectMeta(name="apps", labels=labels))
        await core.create_namespace(apps)
        await core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="tight", labels=labels)))
        edge = client.V1LimitRangeItem(type="Container", max={"memory": "32Mi"})
        small = client.V1LimitRange(
            metadata=client.V1ObjectMeta(name="small"), spec=client.V1LimitRangeSpec(limits=[edge])
        )
        await core.create_namespaced_limit_range("tight", small)
        await core.create_namespaced_pod("tight", pod("tight", "can-t-have-it"))
        for body in (pod(name="lacks"), injected(OURS, given=pod(name="old"), image="example/sidecar:1")):
            await core.create_namespaced_pod("apps", body)
        port = free_port()
        running.start_controller("c-0", port)
        await running.settled()
        with anyio.fail_after(20):
            fleet = None
            while fleet is None:
                await anyio.sleep(0.1)
                fleet = await anyio.to_thread.run_sync(fleet_by, port)
        assert (fleet["namespaces"], fleet["pods"]) == (
            ["apps", "tight"], {"current": 0, "outdated": 1, "stale": 0, "missing": 1},
        )  # fmt: skip
        assert [f["pods"] for f in fleet["findings"]] == [["lacks"], ["old"]]
        assert fleet["problem"] is None
        found = await rbac.read_namespaced_role_binding("r-sidecar-apps", NAMESPACE)
        assert found.subjects is not None
        assert found.subjects[0].name == "system:serviceaccounts:apps"


def fleet_by(port: int) -> dict[str, Any] | None:
    """The status's part."""
    with urlopen(f"http://127.0.0.1:{port}/api/v1/status", timeout=5) as answer:
        found: dict[str, Any] | None = json.load(answer)["fleet"]
    return found
