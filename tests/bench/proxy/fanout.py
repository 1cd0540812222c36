"""From a write of the ConfigMap to the last of a thousand followers, on a real API server and etcd.

The followers are the sidecar's own (sidecar.kube, sidecar.core.follow), in a process a core: a thousand whole sidecars
would not fit this machine. All of them, the API server and etcd share its cores, which a cluster's would not.
"""

from __future__ import annotations

import json
import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from envtest import versions
from envtest.control_plane import ControlPlane, control_plane
from plain_client import PlainClient

from proxy.figures import percentile
from proxy.product import document
from proxy.running import DidNotStart, Running, cpu_s, end
from sidecar.contract import state

NAMESPACE: Final = "memgraph-ha"
NAME: Final = "memgraph-ha-state"
_FOLLOW_S: Final = 120.0
_ACT_S: Final = 30.0
_QUIET_S: Final = 5.0
"""How long the API server is watched doing nothing."""
_BETWEEN_S: Final = 0.2
"""From the last follower's word to the next write."""
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1/namespaces"


def measure(folder: Path, count: int, writes: int, say: Callable[[str], None]) -> dict[str, Any]:
    """The figures of `fanout`. Raises envtest's Unavailable and DidNotStart, and DidNotStart."""
    folder.mkdir()
    with control_plane(folder) as cluster, ExitStack() as stack:
        admin = PlainClient(cluster.url, cluster.ca, cluster.token)
        tokens = _access(admin, cluster, folder)
        _publish(admin, 1)
        server = Running(cluster.process(versions.API_SERVER).pid, cluster.port, 0.0)
        _pause(_QUIET_S)
        before = _resting(server)
        say(f"fanout: {count} followers are connecting to Kubernetes {cluster.version}")
        shares = [count // _cores() + (number < count % _cores()) for number in range(_cores())]
        fleets = [stack.enter_context(_fleet(cluster, tokens, share)) for share in shares]
        for fleet in fleets:
            fleet.hears("following", _FOLLOW_S)
        _pause(_QUIET_S)
        after = _resting(server)
        used, followers_used = server.cpu_s(), sum(cpu_s(fleet.pid) for fleet in fleets)
        lasts = [_write(admin, fleets, number + 2) for number in range(writes)]
        used, followers_used = server.cpu_s() - used, sum(cpu_s(fleet.pid) for fleet in fleets) - followers_used
    thousands = count / 1000
    return {
        "sidecars": count,
        "writes": writes,
        "p50_ms": round(percentile([one.last_ms for one in lasts], 0.5), 1),
        "p99_ms": round(percentile([one.last_ms for one in lasts], 0.99), 1),
        "middle_p50_ms": round(statistics.median(one.middle_ms for one in lasts), 1),
        "first_p50_ms": round(statistics.median(one.first_ms for one in lasts), 1),
        "follower_cpu_us_per_write": round(followers_used / writes / count * 1e6, 1),
        "problems": sum(len(fleet.problems) for fleet in fleets),
        "kubernetes": cluster.version,
        "api_server": {
            "rss_mib_without": round(before.rss_mib, 1),
            "rss_mib_per_1000": round((after.rss_mib - before.rss_mib) / thousands, 1),
            "idle_cpu_percent_without": round(before.cpu_percent, 2),
            "idle_cpu_percent_per_1000": round((after.cpu_percent - before.cpu_percent) / thousands, 2),
            "cpu_ms_per_write_per_1000": round(used / writes / thousands * 1000, 1),
        },
    }


@dataclass(frozen=True, slots=True)
class _Rest:
    """The API server while nothing happens."""

    rss_mib: float
    cpu_percent: float


@dataclass(frozen=True, slots=True)
class _Reached:
    """One write: when the first, the median and the last follower had acted, since just before the request."""

    first_ms: float
    middle_ms: float
    last_ms: float


class _Fleet:
    """A process of followers."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._rest = b""
        self.problems: list[str] = []
        """What followers complained of, and got over: an API server that a thousand ask at once is busy (429)."""

    def hears(self, key: str, seconds: float) -> dict[str, float]:
        """Its next line with this key. Raises DidNotStart."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        descriptor = self._process.stdout.fileno()
        while True:
            while b"\n" in self._rest:
                line, _, self._rest = self._rest.partition(b"\n")
                found: dict[str, Any] = json.loads(line)
                if key in found:
                    return found
                self.problems += [found["problem"]] if "problem" in found else []
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                last = f"; the last problem: {self.problems[-1]}" if self.problems else ""
                raise DidNotStart(f"not all followers said {key!r} within {seconds:g} s{last}")
            got = os.read(descriptor, 65536)
            if not got:
                raise DidNotStart("a process of followers has ended")
            self._rest += got


@contextmanager
def _fleet(cluster: ControlPlane, tokens: Path, count: int) -> Iterator[_Fleet]:
    host, port = cluster.address
    command = [sys.executable, "-m", "proxy.followers", host, str(port), NAMESPACE, NAME, str(tokens), str(count)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        yield _Fleet(process)
    finally:
        end(process)
        assert process.stdout is not None
        process.stdout.close()


def _access(admin: PlainClient, cluster: ControlPlane, folder: Path) -> Path:
    """The role that the chart makes, for one service account; the folder with its token."""
    admin.made("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    admin.made(accounts, {"metadata": {"name": "app"}})
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [NAME], "verbs": ["get", "watch"]}
    admin.made(f"{_RBAC}/{NAMESPACE}/roles", {"metadata": {"name": "sidecar"}, "rules": [rule]})
    admin.made(
        f"{_RBAC}/{NAMESPACE}/rolebindings",
        {
            "metadata": {"name": "sidecar"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "sidecar"},
            "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": NAMESPACE}],
        },
    )
    request = {"spec": {"expirationSeconds": 3600}}
    token = admin.made(f"{accounts}/app/token", request)["status"]["token"]
    tokens = folder / "account"
    tokens.mkdir()
    (tokens / "token").write_text(token)
    (tokens / "ca.crt").write_bytes(cluster.ca.read_bytes())
    return tokens


def _publish(admin: PlainClient, epoch: int) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    body = {"metadata": {"name": NAME}, "data": state.encode(document(f"10.0.0.{epoch % 250}:7687", epoch))}
    answer = admin.create(path, body) if epoch == 1 else admin.replace(f"{path}/{NAME}", body)
    if answer.code not in (200, 201):
        raise DidNotStart(f"the API server refused the document: {answer.body}")


def _write(admin: PlainClient, fleets: list[_Fleet], epoch: int) -> _Reached:
    _pause(_BETWEEN_S)
    began = time.monotonic()
    _publish(admin, epoch)
    heard = [fleet.hears("epoch", _ACT_S) for fleet in fleets]
    if any(one["epoch"] != epoch for one in heard):
        raise DidNotStart(f"epoch {epoch} was not the next one that the followers saw")

    def ms(at: float) -> float:
        return (at - began) * 1000

    middle = statistics.mean(one["middle"] for one in heard)
    return _Reached(ms(min(one["first"] for one in heard)), ms(middle), ms(max(one["last"] for one in heard)))


def _resting(server: Running) -> _Rest:
    used, began = server.cpu_s(), time.monotonic()
    _pause(_QUIET_S)
    share = (server.cpu_s() - used) / (time.monotonic() - began)
    return _Rest(server.rss_kib() / 1024, share * 100)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _pause(seconds: float) -> None:
    """Let time pass: it is part of what is measured."""
    select.poll().poll(seconds * 1000)
