"""The webhook as a process on a real API server, by its own service account."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from real_release import Release

from tests.integration.webhook.test_webhook_process import Webhook

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@contextmanager
def serving(release: Release) -> Iterator[Webhook]:
    """Started, listening, its caBundle in place; called by its address, since there is no Service network."""
    release.cluster.needs_calls()
    environment = os.environ | {
        "MEMGRAPH_HA_RELEASE": release.name, "POD_NAMESPACE": release.namespace,
        "MEMGRAPH_HA_SIDECAR_IMAGE": "memgraph-ha-sidecar:test", "MEMGRAPH_HA_WEBHOOK_ADDRESS": "127.0.0.1",
        "MEMGRAPH_HA_WEBHOOK_PORT": "0", "KUBECONFIG": str(release.kubeconfig("webhook")),
    }  # fmt: skip
    command = [sys.executable, "-m", "webhook"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        webhook = Webhook(process)
        try:
            webhook.wait_for_all("Listening", "BundleInPlace")
            call_by_url(release, webhook.port)
            yield webhook
        finally:
            process.kill()


def call_by_url(release: Release, port: int) -> None:
    """Send the API server to an address instead of a Service; the rest of the configuration stays as shipped."""
    path = f"{CONFIGURATIONS}/{release.name}"
    live = release.admin.get(path).body
    for entry in live["webhooks"]:
        bundle = {key: value for key, value in entry["clientConfig"].items() if key == "caBundle"}
        entry["clientConfig"] = {"url": f"https://127.0.0.1:{port}/inject", **bundle}
    answer = release.admin.replace(path, live)
    assert answer.code == 200, answer.body
