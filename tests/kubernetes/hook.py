"""A mutating webhook that answers as a test says, over TLS, and keeps what it was asked."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme
from plain_client import Object, PlainClient

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_PROBE = "probe.hook.example"


def patch(*operations: Object, **more: Any) -> Object:
    """A response that allows and patches."""
    encoded = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded, **more}


class Hook:
    """One webhook. `answer` maps the request of a review to the response."""

    def __init__(self) -> None:
        self.asked: list[Object] = []
        self.answer: Callable[[Object], Object] = lambda _: {"allowed": True}
        authority = trustme.CA()
        self.bundle = base64.b64encode(authority.cert_pem.bytes()).decode()
        self.url = ""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "hook.ns.svc").configure_cert(self._tls)

    @contextmanager
    def serving(self) -> Iterator[Hook]:
        """Serve on a free port."""
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.close_connection = True  # each review has a connection of its own: nothing is left at the end
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                response = {"uid": review["request"]["uid"], **hook._respond(review)}
                body = json.dumps(
                    {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
                )
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a server that gave up on us, which is what some tests want

        with Server(("127.0.0.1", 0), Handler) as server:
            server.socket = self._tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = f"https://127.0.0.1:{server.server_address[1]}/inject"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def _respond(self, review: Object) -> Object:
        if review["request"]["resource"]["resource"] == "configmaps":
            return {"allowed": False, "status": {"message": "the configuration is active"}}
        self.asked.append(review)
        return self.answer(review["request"])

    def entry(self, namespace: str, **changes: Any) -> Object:
        """Its part of a configuration, for pods of one namespace."""
        return {
            "name": "pod.hook.example", "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 5,
            "clientConfig": {"url": self.url, "caBundle": self.bundle},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "objectSelector": {"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]},
            **changes,
        }  # fmt: skip


@contextmanager
def configured(admin: PlainClient, probe: Hook, namespace: str, *entries: Object, name: str = "") -> Iterator[None]:
    """A configuration, from when the API server acts on it; `probe` is a hook that serves, to find that out.

    It is called like the namespace; another name decides in which order it is asked.
    """
    name = name or namespace
    watcher = probe.entry(
        namespace, name=_PROBE, objectSelector={"matchLabels": {"probe": "yes"}},
        rules=[{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
    )  # fmt: skip
    body = {"metadata": {"name": name}, "webhooks": [*entries, watcher]}
    admin.made(CONFIGURATIONS, body)
    try:
        wait_until_active(admin, namespace)
        yield
    finally:
        assert admin.delete(f"{CONFIGURATIONS}/{name}").code == 200


def wait_until_active(admin: PlainClient, namespace: str) -> None:
    """An API server learns of a configuration by a watch of its own."""
    body = {"metadata": {"name": "probe", "labels": {"probe": "yes"}}}
    for _ in range(500):
        tried = admin.create(f"/api/v1/namespaces/{namespace}/configmaps", body)
        if _PROBE in tried.body.get("message", ""):
            return
        admin.delete(f"/api/v1/namespaces/{namespace}/configmaps/probe")
    raise AssertionError(f"the configuration did not become active: {tried.body}")
