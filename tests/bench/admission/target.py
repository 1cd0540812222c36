"""The webhook process under measurement, and the stand-in API server it talks to."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api_server import api_server
from plain_client import PlainClient

HOOKS = ("inject.memgraph-ha.io", "pod.inject.memgraph-ha.io")
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@dataclass(frozen=True, slots=True)
class Target:
    """Where it listens, what to trust, and which process it is."""

    port: int
    bundle: str
    pid: int

    def rss_mib(self) -> float:
        """Its resident memory now."""
        (line,) = (one for one in Path(f"/proc/{self.pid}/status").read_text().splitlines() if "VmRSS" in one)
        return int(line.split()[1]) / 1024


@contextmanager
def webhook(folder: Path) -> Iterator[Target]:
    """Started, on the first core, its caBundle in place."""
    with api_server(folder) as kubeconfig:
        config = json.loads(kubeconfig.read_text())
        user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
        admin = PlainClient(cluster["server"], kubeconfig.parent / "ca.crt", user["token"])
        for name, labels in (("memgraph-ha", {}), ("apps", {"memgraph-ha.io/inject": "enabled"})):
            admin.made("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        admin.made(CONFIGURATIONS, {"metadata": {"name": "memgraph-ha"}, "webhooks": [_entry(name) for name in HOOKS]})
        with _process(kubeconfig) as (process, port):
            live: dict[str, Any] = admin.get(f"{CONFIGURATIONS}/memgraph-ha").body
            bundle = base64.b64decode(live["webhooks"][0]["clientConfig"]["caBundle"]).decode()
            yield Target(port, bundle, process.pid)


def _entry(name: str) -> dict[str, Any]:
    service = {"service": {"name": "memgraph-ha-webhook", "namespace": "memgraph-ha", "path": "/inject"}}
    return {"name": name, "clientConfig": service, "sideEffects": "None", "admissionReviewVersions": ["v1"]}


@contextmanager
def _process(kubeconfig: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    environment = os.environ | {
        "MEMGRAPH_HA_RELEASE": "memgraph-ha", "POD_NAMESPACE": "memgraph-ha", "MEMGRAPH_HA_WEBHOOK_PORT": "0",
        "MEMGRAPH_HA_SIDECAR_IMAGE": "memgraph-ha-sidecar:bench", "MEMGRAPH_HA_WEBHOOK_ADDRESS": "127.0.0.1",
        "KUBECONFIG": str(kubeconfig),
    }  # fmt: skip
    log = kubeconfig.parent / "webhook.log"
    with log.open("w") as stderr:
        process = subprocess.Popen([sys.executable, "-m", "webhook"], env=environment, stderr=stderr, text=True)
        try:
            os.sched_setaffinity(process.pid, {0})
            yield process, _listening(process, log)
        finally:
            process.terminate()
            process.wait(20)


def _listening(process: subprocess.Popen[str], log: Path) -> int:
    """Its port, once it listens and is trusted."""
    port = 0
    with log.open() as lines:
        while process.poll() is None:
            record = json.loads(lines.readline() or "{}")
            port = int(record.get("port", port))
            if record.get("event") == "BundleInPlace" and port:
                return port
            if not record:
                os.sched_yield()
    raise SystemExit(f"the webhook ended: {log.read_text()}")
