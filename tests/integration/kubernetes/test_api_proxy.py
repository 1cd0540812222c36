"""The stand-in's way to a pod's own port, which `memgraph-ha status` takes to the leader's status API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from api_server import api_server

from memgraph_ha.kube import Absent, Api, Problem, connect

pytestmark = pytest.mark.anyio
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    with api_server(tmp_path) as kubeconfig:
        async with connect(str(kubeconfig), None) as (client, _):
            made = Api(client)
            await made.create("/api/v1/namespaces", {"metadata": {"name": "default"}})
            yield made


async def pod_at(api: Api, name: str, address: str) -> None:
    """A pod that runs there."""
    await api.create(PODS, {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    status: list[dict[str, Any]] = [{"op": "add", "path": "/status/podIP", "value": address}]
    await api.patch(f"{PODS}/{name}/status", status)


async def test_a_get_is_sent_on_to_the_port_of_the_pod(api: Api) -> None:
    asked: list[bytes] = []

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            asked.append(await stream.receive())
            await stream.send(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{"leading": 1}')

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        await pod_at(api, "p", "127.0.0.1")
        assert await api.get(f"{PODS}/p:{port}/proxy/api/v1/status") == {"leading": 1}
        group.cancel_scope.cancel()
    assert asked[0].startswith(b"GET /api/v1/status HTTP/1.1\r\n")
    with pytest.raises(Problem, match="error trying to reach service"):
        await api.get(f"{PODS}/p:{port}/proxy/api/v1/status")


async def test_what_can_not_be_reached_is_said(api: Api) -> None:
    with pytest.raises(Absent):
        await api.get(f"{PODS}/nobody:80/proxy/")
    await api.create(PODS, {"metadata": {"name": "new"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    with pytest.raises(Problem, match="no address yet"):
        await api.get(f"{PODS}/new:80/proxy/")
    with pytest.raises(Problem, match="does not allow this method"):
        await api.create(f"{PODS}/new:80/proxy/x", {"a": 1})
