"""The webhook as a process on a real API server, by its own service account."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from plain_client import Object
from real_release import Release
from release import APPLY

from tests.integration.webhook.test_webhook_process import Webhook
from webhook import certs

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@contextmanager
def serving(release: Release, **settings: str) -> Iterator[Webhook]:
    """Started, listening, its caBundle in place; called by its address, since there is no Service network."""
    release.cluster.needs_calls()
    forget_bundles(release)
    with running(release, **settings) as webhook:
        call_by_url(release, webhook.port)
        yield webhook


@contextmanager
def running(release: Release, **settings: str) -> Iterator[Webhook]:
    """Started, listening, its caBundle in place. The configuration is as it was applied: nobody can call it."""
    environment = os.environ | {
        "MEMGRAPH_HA_RELEASE": release.name, "POD_NAMESPACE": release.namespace,
        "MEMGRAPH_HA_SIDECAR_IMAGE": "memgraph-ha-sidecar:test", "MEMGRAPH_HA_WEBHOOK_ADDRESS": "127.0.0.1",
        "MEMGRAPH_HA_WEBHOOK_PORT": "0", "KUBECONFIG": str(release.kubeconfig("webhook")), **settings,
    }  # fmt: skip
    command = [sys.executable, "-m", "webhook"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        webhook = Webhook(process)
        try:
            webhook.wait_for_all("Listening", "BundleInPlace", "NodesSeen")
            yield webhook
        finally:
            process.kill()


def call_by_url(release: Release, port: int) -> None:
    """Send the API server to an address instead of a Service; the rest of the configuration stays as shipped."""

    def change(config: Object) -> Object:
        bundle = {key: value for key, value in config.items() if key == "caBundle"}
        return {"url": f"https://127.0.0.1:{port}/inject", **bundle}

    _edit(release, change)


def forget_bundles(release: Release) -> None:
    """As after an installation. A replica that finds a former authority beside a new one would wait for a minute."""
    _edit(release, lambda config: {key: value for key, value in config.items() if key != "caBundle"})


def _edit(release: Release, change: Callable[[Object], Object]) -> None:
    path = f"{CONFIGURATIONS}/{release.name}"
    while True:
        live = release.admin.get(path).body
        for entry in live["webhooks"]:
            entry["clientConfig"] = change(entry["clientConfig"])
        answer = release.admin.replace(path, live)
        if answer.code != 409:  # the webhook itself wrote meanwhile
            assert answer.code == 200, answer.body
            return


def age_authority(release: Release, days: int = 250) -> bytes:
    """Store an authority of which more than two thirds are over; its certificate."""
    old = certs.new_authority(release.name, datetime.now(UTC) - timedelta(days=days))
    data = {"tls.crt": base64.b64encode(old.certificate).decode(), "tls.key": base64.b64encode(old.key).decode()}
    name = f"{release.name}-webhook-ca"
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls", "data": data}
    answer = release.admin.patch(release.path("secrets", name), body, APPLY, fieldManager="test", force="true")
    assert answer.code in (200, 201), answer.body
    return old.certificate
