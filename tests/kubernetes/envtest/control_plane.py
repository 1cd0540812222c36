"""A control plane on the loopback: etcd and an API server, on request controller-manager and scheduler.

Guarantees: an API server of the version asked for, with RBAC, admission and an audit log as in a cluster; its own
authority, ports and folder, so that any number run side by side; nothing is left behind, whatever ends the test run
(the folder's files aside). Nothing here is for production: etcd does not sync to disk, and listens without TLS.
"""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from envtest import binaries, credentials, versions
from envtest.audit import Event, read_events, write_policy
from envtest.credentials import Credentials
from envtest.failure import DidNotStart
from envtest.program import Running

ADVERTISED = "198.18.0.1"
"""API servers from 1.37 on refuse to advertise a loopback address. Nobody is told of this one."""
FIRST_SERVICE = "198.19.0.1"
"""What pods call the API server by."""
START_S = 120.0
"""Some 4 s on idle cores."""
_ATTEMPTS = 3
"""A port that was free a moment ago may be taken by the time a program binds it."""


class ControlPlane:
    """A running control plane. Made by `control_plane`."""

    def __init__(self, folder: Path, version: str, flags: Sequence[str], users: Mapping[str, tuple[str, str]]) -> None:
        self.folder = folder
        self.version = version
        self._flags = list(flags)
        self._credentials: Credentials = credentials.make(
            folder, ["127.0.0.1", "localhost", "kubernetes.default.svc", ADVERTISED, FIRST_SERVICE], users
        )
        self._binaries = {name: binaries.find(name, version) for name in ("etcd", versions.API_SERVER)}
        self._running: list[Running] = []
        self.audit_log = folder / "audit.jsonl"
        write_policy(folder / "audit-policy.json")
        self.etcd_url = self._peer_url = ""
        self.port = 0

    # ---- for clients -------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The API server's."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def address(self) -> tuple[str, int]:
        """Its host and port."""
        return "127.0.0.1", self.port

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self._credentials.ca

    @property
    def token(self) -> str:
        """The administrator's."""
        return self._credentials.tokens[credentials.ADMIN]

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "kubeconfig"

    def token_of(self, user: str) -> str:
        """The token of one of the `users` it was made with."""
        return self._credentials.tokens[user]

    def kubeconfig_for(self, token: str, name: str, url: str = "") -> Path:
        """A kubeconfig for any other token; `url` may lead through a proxy on the loopback."""
        path = self.folder / f"kubeconfig-{name}"
        return credentials.kubeconfig(path, url or self.url, self.ca, token)

    def needs_calls(self) -> None:
        """It does call webhooks on this machine's loopback."""

    def audited(self, user: str = "") -> list[Event]:
        """What the API server was asked so far (by this user), the oldest first."""
        return read_events(self.audit_log, user)

    # ---- for tests that break things ---------------------------------------------------------------------------

    def compact(self) -> int:
        """Make etcd forget every version before the current one, which is returned."""
        status = self._etcd("maintenance/status", {})
        revision = int(status["header"]["revision"])
        self._etcd("kv/compaction", {"revision": revision, "physical": True})
        return revision

    def stop_api_server(self, *, kill: bool = False) -> None:
        """End the API server; etcd keeps what it knew."""
        server = self.process(versions.API_SERVER)
        if kill:
            server.kill()
        else:
            server.stop()
        self._running.remove(server)

    def start_api_server(self) -> None:
        """Start it again, on the port it had."""
        self._start(versions.API_SERVER, self._api_server_flags(), self._ready)

    def save_etcd(self) -> None:
        """Keep what etcd holds now, for `restore_etcd`."""
        self._without_etcd(lambda: shutil.copytree(self.folder / "etcd", self.folder / "saved"))

    def restore_etcd(self) -> None:
        """Go back to what was saved: to lower versions, too. The API server is started anew."""

        def restore() -> None:
            shutil.rmtree(self.folder / "etcd")
            shutil.copytree(self.folder / "saved", self.folder / "etcd")

        self._without_etcd(restore)

    def _without_etcd(self, act: Callable[[], object]) -> None:
        self.stop_api_server(kill=True)
        etcd = self.process("etcd")
        etcd.stop()
        self._running.remove(etcd)
        act()
        self._start("etcd", self._etcd_flags(), self._etcd_ready)
        self.start_api_server()

    def start_controller_manager(self, controllers: str = "*") -> None:
        """Deployments, StatefulSets, garbage collection, service accounts and the rest (or those named)."""
        name = versions.CONTROLLER_MANAGER
        key = self._credentials.accounts_key
        self._add(name, ["--use-service-account-credentials", f"--controllers={controllers}",
                         f"--root-ca-file={self.ca}", f"--service-account-private-key-file={key}"])  # fmt: skip

    def start_scheduler(self) -> None:
        """Without nodes, pods stay Pending."""
        self._add(versions.SCHEDULER, [])

    def process(self, name: str) -> Running:
        """A program that runs now: it can be frozen and thawed."""
        return next(one for one in self._running if one.name == name or one.log.stem == name)

    # ---- starting and stopping ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Start etcd and the API server."""
        for attempt in range(_ATTEMPTS):
            client, peer, self.port = _free_ports(3)
            self.etcd_url, self._peer_url = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
            try:
                self._start("etcd", self._etcd_flags(), self._etcd_ready)
                self.start_api_server()
                break
            except DidNotStart as error:
                self.stop()
                if attempt == _ATTEMPTS - 1 or "address already in use" not in str(error):
                    raise
        credentials.kubeconfig(self.kubeconfig, self.url, self.ca, self.token)

    def stop(self) -> None:
        """End everything at once: nothing of it is needed again."""
        while self._running:
            self._running.pop().kill()

    def _add(self, name: str, flags: list[str]) -> None:
        self._binaries[name] = binaries.find(name, self.version)
        kubeconfig = self.kubeconfig_for(self._credentials.tokens[name], name)
        (port,) = _free_ports(1)
        common = [f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--bind-address=127.0.0.1"]
        self._start(name, [*common, f"--secure-port={port}", *flags], lambda: self._healthy(port))

    def _start(self, name: str, flags: list[str], ready: Callable[[], bool]) -> None:
        running = Running(self._binaries[name], flags, self.folder / f"{name}.log")
        self._running.append(running)
        running.wait_until(ready, START_S)

    def _etcd_flags(self) -> list[str]:
        peer_url = self._peer_url
        return [
            f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
            f"--listen-client-urls={self.etcd_url}", f"--advertise-client-urls={self.etcd_url}",
            f"--listen-peer-urls={peer_url}", f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
        ]  # fmt: skip

    def _api_server_flags(self) -> list[str]:
        files = self._credentials
        return [
            f"--etcd-servers={self.etcd_url}", "--bind-address=127.0.0.1", f"--secure-port={self.port}",
            f"--advertise-address={ADVERTISED}", "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=198.19.0.0/24", f"--tls-cert-file={files.server}",
            f"--tls-private-key-file={files.server}", f"--service-account-key-file={files.accounts_key}",
            f"--service-account-signing-key-file={files.accounts_key}", f"--token-auth-file={files.tokens_file}",
            "--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=Node,RBAC",
            f"--audit-policy-file={self.folder / 'audit-policy.json'}", f"--audit-log-path={self.audit_log}",
            "--audit-log-mode=blocking", *self._flags,
        ]  # fmt: skip

    # ---- asking ------------------------------------------------------------------------------------------------

    def _ready(self) -> bool:
        return self._healthy(self.port, "/readyz")

    def _healthy(self, port: int, path: str = "/healthz") -> bool:
        # The other programs make themselves certificates that nobody signed; only their health is asked.
        context = ssl.create_default_context(cafile=str(self.ca)) if port == self.port else _trusting()
        return _answers(f"https://127.0.0.1:{port}{path}", context)

    def _etcd_ready(self) -> bool:
        return _answers(f"{self.etcd_url}/health", None)

    def _etcd(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.etcd_url}/v3/{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


@contextmanager
def control_plane(
    folder: Path, *, version: str = "", flags: Sequence[str] = (), controller_manager: bool = False,
    scheduler: bool = False, users: Mapping[str, tuple[str, str]] | None = None,
) -> Iterator[ControlPlane]:  # fmt: skip
    """A control plane in `folder` (empty), gone at the end. `flags` are added to the API server's (the last of a name
    counts); `users` are more users than the programs' own: name and group for each, whose token is `token_of` its key.

    Raises Unavailable (a program is not built; the text says how), DidNotStart.
    """
    cluster = ControlPlane(folder, version or versions.wanted(), flags, users or {})
    try:
        cluster.start()
        if controller_manager:
            cluster.start_controller_manager()
        if scheduler:
            cluster.start_scheduler()
        yield cluster
    finally:
        cluster.stop()


def _answers(url: str, context: ssl.SSLContext | None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as refusal:
        refusal.close()  # an answer, too: its socket is open
        return False
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    """Ports of the loopback that are free now; all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
