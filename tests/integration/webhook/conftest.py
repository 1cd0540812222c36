"""A small API server with just the calls the webhook makes, and a webhook process that uses it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from webhook.serve import bind

HOOKS = ("inject.memgraph-ha.io", "pod.inject.memgraph-ha.io")


@dataclass
class ApiServer:
    """State of the stand-in. `refuse` maps (method, path prefix) to a status to answer instead."""

    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    configuration: dict[str, Any] | None = None
    refuse: dict[tuple[str, str], int] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    limit_ranges: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    url: str = ""
    _version: int = 0

    def reset_configuration(self) -> None:
        self.configuration = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "memgraph-ha", "resourceVersion": self._next_version()},
            "webhooks": [
                {"name": name, "clientConfig": {"service": {"name": "s", "namespace": "n"}}, "sideEffects": "None",
                 "admissionReviewVersions": ["v1"]}
                for name in HOOKS
            ],
        }  # fmt: skip

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def bundles(self) -> list[bytes]:
        webhooks = self.configuration["webhooks"] if self.configuration else []
        return [base64.b64decode(hook["clientConfig"].get("caBundle", "")) for hook in webhooks]

    def wait_for_bundles(self) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: bool(self.bundles()) and all(self.bundles()), timeout=20)

    async def handle(self, request: Request) -> Response:
        path = request.url.path
        self.calls.append((request.method, path))
        for (method, prefix), status in self.refuse.items():
            if request.method == method and path.startswith(prefix):
                return _status(status)
        with self.changed:
            response = self._answer(request.method, path.strip("/").split("/"), await request.body(), request)
            self.changed.notify_all()
        return response

    def _answer(self, method: str, path: list[str], body: bytes, request: Request) -> Response:
        match method, path:
            case "GET", ["api", "v1", "namespaces", _, "secrets", name]:
                return JSONResponse(self.secrets[name]) if name in self.secrets else _status(404)
            case "POST", ["api", "v1", "namespaces", _, "secrets"]:
                secret = json.loads(body)
                if secret["metadata"]["name"] in self.secrets:
                    return _status(409)
                return self._store(secret, 201)
            case "PUT", ["api", "v1", "namespaces", _, "secrets", name] if name in self.secrets:
                secret = json.loads(body)
                current = self.secrets[name]["metadata"]["resourceVersion"]
                return self._store(secret, 200) if secret["metadata"]["resourceVersion"] == current else _status(409)
            case "GET", ["api", "v1", "namespaces", name, "limitranges"]:
                items = [{"spec": {"limits": limits}} for limits in self.limit_ranges.get(name, [])]
                return JSONResponse({"kind": "LimitRangeList", "items": items})
            case "GET", ["api", "v1", "nodes"]:
                begin = int(request.query_params.get("continue", 0))
                end = begin + 1  # a page is one node here
                more = {"continue": str(end)} if end < len(self.nodes) else {}
                return JSONResponse({"kind": "NodeList", "metadata": more, "items": self.nodes[begin:end]})
            case "GET", ["api", "v1", "namespaces", name]:
                found = {"metadata": {"name": name, "labels": self.namespaces.get(name)}}
                return JSONResponse(found) if name in self.namespaces else _status(404)
            case "GET", [*_, "mutatingwebhookconfigurations", "memgraph-ha"] if self.configuration:
                return JSONResponse(self.configuration)
            case "PATCH", [*_, "mutatingwebhookconfigurations", "memgraph-ha"] if self.configuration:
                assert request.headers["content-type"] == "application/apply-patch+yaml"
                assert request.query_params["fieldManager"] == "memgraph-ha-webhook"
                return self._apply(json.loads(body))
        return _status(404)

    def _store(self, secret: dict[str, Any], code: int) -> Response:
        secret["metadata"]["resourceVersion"] = self._next_version()
        self.secrets[secret["metadata"]["name"]] = secret
        return JSONResponse(secret, status_code=code)

    def _apply(self, body: dict[str, Any]) -> Response:
        assert self.configuration is not None
        if body["metadata"]["resourceVersion"] != self.configuration["metadata"]["resourceVersion"]:
            return _status(409)
        for wanted in body["webhooks"]:
            assert wanted.keys() == {"name", "clientConfig"}
            (hook,) = (one for one in self.configuration["webhooks"] if one["name"] == wanted["name"])
            hook["clientConfig"] |= wanted["clientConfig"]
        self.configuration["metadata"]["resourceVersion"] = self._next_version()
        return JSONResponse(self.configuration)


def _status(code: int) -> JSONResponse:
    return JSONResponse({"kind": "Status", "status": "Failure", "code": code}, status_code=code)


class _Threaded(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def _serving(app: Starlette) -> Iterator[int]:
    with bind("127.0.0.1", 0) as listener:
        server = _Threaded(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def serving_api() -> Iterator[ApiServer]:
    """The stand-in, serving."""
    state = ApiServer()
    state.reset_configuration()
    methods = ["GET", "POST", "PUT", "PATCH"]
    with _serving(Starlette(routes=[Route("/{path:path}", state.handle, methods=methods)])) as port:
        state.url = f"http://127.0.0.1:{port}"
        yield state


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """A stand-in of the test's own."""
    with serving_api() as state:
        yield state


@pytest.fixture
def kubeconfig(api: ApiServer, tmp_path: Path) -> Path:
    """A kubeconfig for the stand-in."""
    return write_kubeconfig(tmp_path / "kubeconfig", api.url)


@pytest.fixture
def dead_kubeconfig(tmp_path: Path) -> Path:
    """A kubeconfig for an API server that is not there."""
    return write_kubeconfig(tmp_path / "dead", "http://127.0.0.1:1")


@pytest.fixture(scope="module")
def shared_api() -> Iterator[ApiServer]:
    """One stand-in for tests that only add namespaces: a webhook takes seconds to start."""
    with serving_api() as state:
        yield state


@pytest.fixture(scope="module")
def shared_kubeconfig(shared_api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig for the shared stand-in."""
    return write_kubeconfig(tmp_path_factory.mktemp("shared") / "kubeconfig", shared_api.url)


def write_kubeconfig(path: Path, url: str) -> Path:
    named = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path.write_text(json.dumps(named))
    return path
