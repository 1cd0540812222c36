"""A cluster that is there already: the tests use it, and leave nothing in it.

What only a control plane of the tests' own can do (its audit log, its etcd, its end) skips the test that asks for it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import kubeconfig
import pytest
from envtest import credentials
from envtest.audit import Event
from envtest.program import Running
from hook import Hook, configured
from plain_client import Answer, PlainClient

GONE_S = 120.0
"""A namespace is emptied by the controller-manager, some seconds each; a busy one takes a minute for all."""
FURNISHED_S = 30.0
"""It comes at once, but for a controller-manager that is busy."""
_NAMESPACES = "/api/v1/namespaces/"


def wanted() -> bool:
    """KUBECONFIG alone, which many people have set, says nothing about tests."""
    return os.environ.get("USE_EXISTING_CLUSTER") == "true"


def skip_without_own(what: str) -> NoReturn:
    """Also in CI: who asks for an existing cluster has chosen what it can't do."""
    pytest.skip(f"needs {what}, which an existing cluster does not give; next: run it without USE_EXISTING_CLUSTER")


@dataclass(frozen=True)
class TrackingClient(PlainClient):
    """Remembers the paths of what it made outside of namespaces, namespaces among them."""

    made_paths: list[str] = field(default_factory=list)

    def ask(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", **query: Any
    ) -> Answer:
        answer = PlainClient.ask(self, method, path, body, content_type=content_type, **query)
        name = answer.body.get("metadata", {}).get("name", "")
        if answer.code == 201 and name and "dryRun" not in query and not path.startswith(_NAMESPACES):
            self.made_paths.append(f"{path}/{name}" if method == "POST" else path)
        elif answer.code == 201 and method != "POST" and path.removeprefix(_NAMESPACES) == name:
            self.made_paths.append(path)
        return answer


class Existing:
    """Has what tests ask of a `ControlPlane`. Made by `existing`."""

    def __init__(self, folder: Path, access: kubeconfig.Access) -> None:
        self.folder = folder
        self.ca = folder / "ca.crt"
        credentials.private(self.ca, access.ca)
        certificate = folder / "client.pem" if access.certificate else None
        if certificate:
            credentials.private(certificate, access.certificate)
        self.address = access.host, access.port
        host = f"[{access.host}]" if ":" in access.host else access.host
        self.url = f"https://{host}:{access.port}"
        self.admin = TrackingClient(self.url, self.ca, access.token, certificate)

    @cached_property
    def version(self) -> str:
        """Without the v."""
        answer = self.admin.get("/version")
        if answer.code != 200:
            raise kubeconfig.Unusable(f"{self.url} answers {answer.code} {answer.body.get('message', '')!r} to "
                                      "GET /version; next: look whether kubectl version works")  # fmt: skip
        return str(answer.body["gitVersion"]).removeprefix("v")

    @property
    def port(self) -> int:
        """On the loopback, for what connects there."""
        host, port = self.address
        if host != "127.0.0.1":
            skip_without_own("an API server on 127.0.0.1")
        return port

    def kubeconfig_for(self, token: str, name: str, url: str = "") -> Path:
        """A kubeconfig for any other token; `url` may lead through a proxy on the loopback."""
        return credentials.kubeconfig(self.folder / f"kubeconfig-{name}", url or self.url, self.ca, token)

    def needs_calls(self) -> None:
        """Webhooks on this machine's loopback: the API server of a remote cluster, or in a container, can't call."""
        if not self._calls_us:
            skip_without_own("an API server that calls webhooks on this machine's 127.0.0.1")

    @cached_property
    def _calls_us(self) -> bool:
        name = f"test-probe-{os.urandom(4).hex()}"
        self.admin.made("/api/v1/namespaces", {"metadata": {"name": name}})
        body = {"metadata": {"name": "asked"}}
        with Hook().serving() as hook:
            rules = [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"]}]
            with configured(self.admin, hook, name, hook.entry(name, rules=rules)):
                self.admin.create(f"{_NAMESPACES}{name}/secrets", body)
            return bool(hook.asked)

    def needs_free(self, paths: Iterable[str]) -> None:
        """Somebody's own release would be overwritten, and removed at the end."""
        for path in paths:
            if self.admin.get(path).code != 404:
                skip_without_own(f"{path}, which is in use: by a release of somebody's, or by tests that run now")

    # ---- what only a control plane of the tests' own can do ----------------------------------------------------

    def audited(self, user: str = "") -> list[Event]:
        skip_without_own("the API server's audit log")

    def compact(self) -> int:
        skip_without_own("an etcd that may be compacted")

    def stop_api_server(self, *, kill: bool = False) -> None:
        skip_without_own("an API server that may be stopped")

    def start_api_server(self) -> None:
        skip_without_own("an API server that may be started")

    def process(self, name: str) -> Running:
        skip_without_own(f"{name} as a process that may be frozen")

    @property
    def kubeconfig(self) -> Path:
        skip_without_own("the administrator's kubeconfig as a file with a token")

    # ---- the end -----------------------------------------------------------------------------------------------

    def clean(self) -> None:
        """Remove what was made, and wait until it is gone."""
        # Namespaces last, and all at once: no webhook of ours may be asked any more when they are emptied.
        made = sorted(set(self.admin.made_paths), key=lambda path: path.startswith(_NAMESPACES))
        for path in made:
            answer = self.admin.delete(path, {"propagationPolicy": "Background"})
            assert answer.code in (200, 202, 404, 409), (path, answer.body)
        deadline, pause = time.monotonic() + GONE_S, threading.Event()
        while made := [path for path in made if self.admin.get(path).code != 404]:
            assert time.monotonic() < deadline, f"still there after {GONE_S} s; next: kubectl delete --raw {made}"
            pause.wait(0.5)


def wait_until_furnished(admin: PlainClient, namespace: str) -> None:
    """A controller-manager puts a ConfigMap into each namespace: later, a test's watch would see it come."""
    deadline, pause = time.monotonic() + FURNISHED_S, threading.Event()
    while admin.get(f"{_NAMESPACES}{namespace}/configmaps/kube-root-ca.crt").code != 200:
        assert time.monotonic() < deadline, (
            f"no kube-root-ca.crt in {namespace} after {FURNISHED_S} s; next: use a cluster with a controller-manager"
        )
        pause.wait(0.02)


@contextmanager
def existing(folder: Path) -> Iterator[Existing]:
    """The cluster that KUBECONFIG names. Raises kubeconfig.Unusable."""
    path = os.environ.get("KUBECONFIG", "")
    if not path or os.pathsep in path:
        raise kubeconfig.Unusable(
            f"USE_EXISTING_CLUSTER=true, but KUBECONFIG={path!r} is not one file; "
            "next: kubectl config view --flatten --minify >FILE, and KUBECONFIG=FILE"
        )
    cluster = Existing(folder, kubeconfig.read(Path(path)))
    assert cluster.version
    try:
        yield cluster
    finally:
        cluster.clean()
