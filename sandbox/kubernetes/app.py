"""The HTTP face of the API server stand-in: paths, bearer tokens, RBAC, query parameters, `Status` answers.

Without a token only the health paths and /version answer. `limit` is accepted and ignored (the API allows a server to
return everything); deletecollection and dry runs (but of a creation) are refused rather than misunderstood.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.kubernetes import discovery, proxy
from sandbox.kubernetes.core import access, problem, selectors
from sandbox.kubernetes.core.problem import Problem
from sandbox.kubernetes.core.resources import BY_PLURAL, Target, parse_path
from sandbox.kubernetes.core.store import DeleteOptions, Store
from sandbox.kubernetes.core.tokens import ANONYMOUS, Tokens, User
from sandbox.kubernetes.stream import Bell, Watch, events, wait_for_version
from sandbox.kubernetes.verbs import Verbs

BODY_BYTES_MAX: Final = 3 << 20
"""The real server's limit for one request."""
_OPEN_PATHS: Final = ("/livez", "/readyz", "/healthz", "/version")
_WATCH_S: Final = (1800.0, 3600.0)
"""A watch without timeoutSeconds ends after a random time between these, as with the real server."""
_VERBS: Final = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_TRUE: Final = ("1", "true", "True")


class ApiServer:
    """Turns requests into verbs."""

    def __init__(
        self, store: Store, bell: Bell, verbs: Verbs, tokens: Tokens, bookmark_interval_s: float = 60.0
    ) -> None:
        self._store = store
        self._bell = bell
        self._verbs = verbs
        self._tokens = tokens
        self._bookmark_interval_s = bookmark_interval_s

    def routes(self) -> Starlette:
        """The ASGI application."""
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)])

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._route(request)
        except Problem as refusal:
            seconds = (refusal.details or {}).get("retryAfterSeconds")
            return JSONResponse(refusal.status(), refusal.code, {"Retry-After": str(seconds)} if seconds else None)

    async def _route(self, request: Request) -> Response:
        path = request.url.path
        user = self._tokens.check(request.headers.get("authorization"), time.time())
        if user is None:
            raise problem.unauthorized()
        if path.startswith(_OPEN_PATHS):
            return JSONResponse(discovery.VERSION) if path == "/version" else PlainTextResponse("ok")
        if request.method == "POST" and path == "/sandbox/faults" and access.MASTERS in user.groups:
            return self._fault(await _body(request))
        if (
            user is not ANONYMOUS
            and request.method == "GET"
            and (found := discovery.document(path.rstrip("/"))) is not None
        ):
            return JSONResponse(found)
        passage = proxy.parse(path)
        target = passage.target if passage else parse_path(path)
        if target is None:
            raise problem.no_such_path()
        wish = _wish(request, target)
        if not access.allowed(user, wish, self._store):
            raise problem.forbidden(
                target.resource, user.name, wish.verb, wish.namespace, wish.name, target.subresource
            )
        if passage is not None:
            return await proxy.send_on(passage, request.method, self._store)
        if "dryRun" in request.query_params and request.method != "POST":
            raise problem.bad_request("the sandbox has dry runs of creations only")
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
        if query.get("watch") in _TRUE:
            seconds = _number(query.get("timeoutSeconds")) or random.uniform(*_WATCH_S)
            bookmarks = self._bookmark_interval_s if query.get("allowWatchBookmarks") in _TRUE else None
            watch = Watch(resource, target.namespace, matches, version, seconds, bookmarks)
            return StreamingResponse(events(self._store, self._bell, watch), media_type="application/json")
        if version is not None:
            await wait_for_version(self._store, self._bell, resource, version)
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
        dry_run = request.query_params.get("dryRun")
        if dry_run not in (None, "All"):
            kind, because = "CreateOptions.meta.k8s.io", f'Unsupported value: ["{dry_run}"]: supported values: "All"'
            raise problem.unprocessable(kind, "", "dryRun", because)
        created, warnings = await self._verbs.create(target, body, user, dry_run=dry_run is not None)
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
            case _:
                raise problem.bad_request("a fault is compact or hang-up")
        return JSONResponse({})


def _wish(request: Request, target: Target) -> access.Wish:
    """What is asked for, in RBAC's words: a list of one name (by its field selector) is about that name."""
    verb, name, query = _VERBS.get(request.method, ""), target.name, request.query_params
    if verb == "get" and not name:
        verb = "watch" if query.get("watch") in _TRUE else "list"
        name = selectors.only_name(query.get("fieldSelector"))
    # A namespace lies in itself: who may do something in it may be given rights on it there.
    namespace = target.name or None if target.resource is BY_PLURAL["namespaces"] else target.namespace
    return access.Wish(verb, target.resource, namespace, name, target.subresource)


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
