"""Health, metrics and the status API, read-only. Not leading is healthy: a standby is ready to take over."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from controller import api
from controller.core.status import Status
from controller.metrics import Metrics
from controller.settings import Settings
from sidecar.contract.env import BadSettings


def application(metrics: Metrics, ready: Callable[[], bool], status: Callable[[], Status]) -> FastAPI:
    """The HTTP face. `ready` says whether the Lease and the pods were read at least once."""
    # Its pages for people would load scripts from elsewhere.
    app = FastAPI(title="memgraph-ha controller", version="v1", docs_url=None, redoc_url=None)

    @app.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        if ready():
            return Response("ok\n", media_type="text/plain")
        return Response("the API server was not read yet\n", status_code=503, media_type="text/plain")

    @app.get("/metrics", include_in_schema=False)
    async def exposition() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/api/v1/status", summary="What this controller knows")
    async def v1_status() -> api.Status:
        return api.Status.model_validate(status())

    return app


class _Server(uvicorn.Server):
    """Signals belong to the program, not to this part of it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(settings: Settings) -> socket.socket:
    """The listening socket. Raises BadSettings if the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.http_address else socket.AF_INET
    try:
        return socket.create_server((settings.http_address, settings.http_port), family=family)
    except OSError as error:
        where = f"{settings.http_address}:{settings.http_port}"
        raise BadSettings(
            (f"cannot listen on {where} ({error.strerror}): set MEMGRAPH_HA_HTTP_PORT to a free port",)
        ) from error


async def serve(app: FastAPI, sock: socket.socket) -> None:
    """Serve on this socket until cancelled."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    with sock:
        await _Server(config).serve(sockets=[sock])
