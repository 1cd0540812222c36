"""The controller's HTTP face: health, and the status API with its types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from toy_cluster import serving

from controller.core.reasons import Reason
from controller.core.status import Decision, Status, status_of
from controller.http import application
from controller.metrics import Metrics

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def status() -> Status:
    obs = serving().observation()
    return status_of(obs, "c-0", leading=True, decision=Decision(Reason.STEADY, "m", "t"), answer=None)


async def get(path: str, *, ready: bool = True) -> tuple[int, bytes]:
    """GET by ASGI itself."""
    metrics = Metrics()
    metrics.paused(True)
    app, sent = application(metrics, lambda: ready, status), []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "path": path,
        "raw_path": path.encode(), "query_string": b"", "headers": [], "scheme": "http", "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], body


async def test_the_status_is_json_by_its_own_schema() -> None:
    """Every field of the answer is described, and every described one is in it."""
    code, body = await get("/api/v1/status")
    assert code == 200
    told = json.loads(body)
    assert (told["main"], told["decision"]["reason"]) == ("m-0", "Steady")
    assert told["instances"][1]["registration_mode"] == "strict_sync"
    code, body = await get("/openapi.json")
    assert code == 200
    schemas = json.loads(body)["components"]["schemas"]
    assert told.keys() == schemas["Status"]["properties"].keys()
    assert told["instances"][0].keys() == schemas["Instance"]["properties"].keys()
    assert schemas["Status"]["properties"]["sync_replica"]["description"]


async def test_only_the_status_is_an_api() -> None:
    """And there are no pages that load scripts from elsewhere."""
    _, body = await get("/openapi.json")
    assert list(json.loads(body)["paths"]) == ["/api/v1/status"]
    for path in ("/docs", "/redoc"):
        assert (await get(path))[0] == 404


async def test_ready_does_not_mean_leading() -> None:
    assert (await get("/livez", ready=False))[0] == 200
    assert (await get("/readyz", ready=False))[0] == 503
    assert (await get("/readyz"))[0] == 200


async def test_a_pause_is_a_metric() -> None:
    _, body = await get("/metrics")
    assert b"memgraph_ha_controller_paused 1.0\n" in body
