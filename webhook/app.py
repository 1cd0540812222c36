"""The HTTP face: POST /inject for the API server; /livez, /readyz and /metrics for the cluster.

The only file that imports `fastapi`. It reads a bounded body, looks the namespace up, and lets the core decide.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from sidecar.contract.logs import emit
from webhook.core import review
from webhook.core.model import Decision, Release
from webhook.metrics import CONTENT_TYPE, Metrics
from webhook.namespaces import Namespaces

BODY_MAX: Final = 8 * 1024 * 1024
"""Bytes. The API server accepts objects of 3 MB, and a review may carry one twice."""

_log = logging.getLogger(__name__)


def create(release: Release, namespaces: Namespaces, metrics: Metrics, problem: Callable[[], str | None]) -> FastAPI:
    """The application. `problem()` says why the API server can't call it yet, or None."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.post("/inject")
    async def inject(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse(f"the review is larger than {BODY_MAX} bytes\n", status_code=413)
        started = time.perf_counter()
        try:
            asked = review.parse(body)
        except review.MalformedReview as error:
            emit(_log, "ReviewMalformed", logging.WARNING, message=str(error))
            return PlainTextResponse(f"{error}\n", status_code=400)
        decision = review.judge(asked, await namespaces.get(asked.namespace), release)
        seconds = time.perf_counter() - started
        metrics.reviewed(decision, seconds)
        _report(asked, decision, seconds)
        return JSONResponse(review.respond(asked.uid, decision))

    @app.get("/livez")
    async def livez() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    async def readyz() -> Response:
        reason = problem()
        return PlainTextResponse(f"{reason or 'ok'}\n", status_code=503 if reason else 200)

    @app.get("/metrics")
    async def exposition() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return app


async def _body(request: Request) -> bytes | None:
    """The whole body, or None as soon as it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            return None
    return bytes(body)


def _report(asked: review.Request, decision: Decision, seconds: float) -> None:
    level = logging.ERROR if decision.decision == "error" else logging.INFO
    emit(
        _log, "Reviewed", level,
        decision=decision.decision, reason=decision.reason.value, message=decision.message, namespace=asked.namespace,
        pod=asked.pod_name, uid=asked.uid, dry_run=asked.dry_run, duration_ms=round(seconds * 1000, 2),
    )  # fmt: skip
