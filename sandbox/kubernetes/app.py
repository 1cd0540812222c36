"""The HTTP face of the API server stand-in: paths, bearer tokens, query parameters, `Status` answers.

Without a token only the health paths and /version answer. Every known token may do everything: RBAC objects are
stored, not enforced. `limit` is accepted and ignored (the API allows a server to return everything); dry runs,
deletecollection and server-side apply are refused rather than misunderstood.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.kubernetes import discovery
from sandbox.kubernetes.core import problem, selectors
from sandbox.kubernetes.core.problem import Problem
from sandbox.kubernetes.core.resources import BY_PLURAL, Target, parse_path
from sandbox.kubernetes.core.store import DeleteOptions, Store
from sandbox.kubernetes.core.tokens import Tokens, User
from sandbox.kubernetes.stream import Bell, Watch, events, wait_for_version
from sandbox.kubernetes.verbs import Verbs

BODY_BYTES_MAX: Final = 3 << 20
"""The real server's limit for one request."""
_OPEN_PATHS: Final = ("/livez", "/readyz", "/healthz", "/version")
_WATCH_S: Final = (1800.0, 3600.0)
"""A watch without timeoutSeconds ends after a random time between these, as with the real server."""
_TRUE: Final = ("1", "true", "True")


class ApiServer:
    """Turns requests into verbs. `gone` says how a watch that asks for too old a version is told: as an ERROR event
    inside a 200 stream (the watch cache's way) or as HTTP status 410; clients must understand both."""

    def __init__(
        self, store: Store, bell: Bell, verbs: Verbs, tokens: Tokens, bookmark_interval_s: float = 60.0
    ) -> None:
        self._store = store
        self._bell = bell
        self._verbs = verbs
        self._tokens = tokens
        self._bookmark_interval_s = bookmark_interval_s
        self.gone: Literal["event", "status"] = "event"

    def routes(self) -> Starlette:
        """The ASGI application."""
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)])

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._route(request)
        except Problem as refusal:
            return JSONResponse(refusal.status(), refusal.code)

    async def _route(self, request: Request) -> Response:
        path = request.url.path
        if path.startswith(_OPEN_PATHS):
            return JSONResponse(discovery.VERSION) if path == "/version" else PlainTextResponse("ok")
        user = self._tokens.check(request.headers.get("authorization"), time.time())
        if user is None:
            raise problem.unauthorized()
        if request.method == "POST" and path == "/sandbox/faults":
            return self._fault(await _body(request))
        if request.method == "GET" and (found := discovery.document(path.rstrip("/"))) is not None:
            return JSONResponse(found)
        target = parse_path(path)
        if target is None:
            raise problem.no_such_path()
        if "dryRun" in request.query_params:
            raise problem.bad_request("dry runs are not supported by the sandbox")
        handler: Callable[[Request, Target, User], Awaitable[Response]] | None = {
            "GET": self._get, "POST": self._post, "PUT": self._put, "PATCH": self._patch, "DELETE": self._delete,
        }.get(request.method)  # fmt: skip
        if handler is None:
            raise problem.not_allowed()
        return await handler(request, target, user)

    async def _get(self, request: Request, target: Target, _: User) -> Response:
        if target.name:
            if target.subresource not in ("", "status"):
                raise problem.no_such_path()
            return JSONResponse(self._store.get(target.resource, target.namespace, target.name))
        query = request.query_params
        resource = target.resource
        matches = selectors.parse(resource, query.get("labelSelector"), query.get("fieldSelector"))
        version = _version(query.get("resourceVersion"))
        if version is not None:
            await wait_for_version(self._store, self._bell, resource, version)
        if query.get("watch") in _TRUE:
            seconds = _number(query.get("timeoutSeconds")) or random.uniform(*_WATCH_S)
            bookmarks = self._bookmark_interval_s if query.get("allowWatchBookmarks") in _TRUE else None
            watch = Watch(resource, target.namespace, matches, version, seconds, bookmarks)
            if version is not None and self.gone == "status":
                self._store.since(resource, version)
            return StreamingResponse(events(self._store, self._bell, watch), media_type="application/json")
        items = self._store.select(resource, target.namespace, matches)
        return JSONResponse(
            {
                "kind": f"{resource.kind}List",
                "apiVersion": resource.api_version,
                "metadata": {"resourceVersion": str(self._store.version)},
                "items": items,
            }
        )

    async def _post(self, request: Request, target: Target, user: User) -> Response:
        body = await _body(request)
        if target.resource is BY_PLURAL["serviceaccounts"] and target.subresource == "token":
            return JSONResponse(self._verbs.issue_token(target.namespace or "", target.name, body), 201)
        if target.name or (target.resource.namespaced and target.namespace is None):
            raise problem.not_allowed()
        created, warnings = await self._verbs.create(target, body, user)
        response = JSONResponse(created, 201)
        for text in warnings:
            quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
            response.headers.append("Warning", f'299 - "{quoted}"')
        return response

    async def _put(self, request: Request, target: Target, _: User) -> Response:
        return JSONResponse(self._verbs.update(_named(target), await _body(request)))

    async def _patch(self, request: Request, target: Target, _: User) -> Response:
        content_type = request.headers.get("content-type", "")
        return JSONResponse(self._verbs.patch(_named(target), await _decoded(request), content_type))

    async def _delete(self, request: Request, target: Target, _: User) -> Response:
        body = await _decoded(request)
        body = body if isinstance(body, dict) else {}
        grace = body.get("gracePeriodSeconds", _number(request.query_params.get("gracePeriodSeconds")))
        conditions = body.get("preconditions") or {}
        options = DeleteOptions(
            grace_s=None if grace is None else int(grace),
            uid=conditions.get("uid"),
            version=conditions.get("resourceVersion"),
        )
        return JSONResponse(self._verbs.delete(_named(target), options))

    def _fault(self, body: dict[str, Any]) -> Response:
        """Knobs for whoever wants to see how clients cope; no part of any Kubernetes."""
        match body:
            case {"fault": "compact"}:
                self._store.compact()
            case {"fault": "hang-up"}:
                self._bell.hang_up()
            case {"fault": "gone", "as": "event" | "status" as gone}:
                self.gone = gone
            case _:
                raise problem.bad_request("a fault is compact, hang-up, or gone with `as` event or status")
        return JSONResponse({})


def _named(target: Target) -> Target:
    if not target.name:
        raise problem.not_allowed()
    if target.subresource not in ("", "status"):
        raise problem.no_such_path()
    return target


async def _decoded(request: Request) -> Any:
    if int(request.headers.get("content-length") or 0) > BODY_BYTES_MAX:
        raise Problem(413, "RequestEntityTooLarge", f"Request entity too large: limit is {BODY_BYTES_MAX}")
    data = await request.body()
    try:
        return json.loads(data) if data else None
    except ValueError as error:
        raise problem.bad_request(f"the body is no JSON: {error}") from None


async def _body(request: Request) -> dict[str, Any]:
    body = await _decoded(request)
    if not isinstance(body, dict):
        raise problem.bad_request("the body must be a JSON object")
    return body


def _version(text: str | None) -> int | None:
    """None for "any", which is also what "0" may mean."""
    return _number(text) or None


def _number(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise problem.bad_request(f"invalid number: {text!r}")
    return int(text)
