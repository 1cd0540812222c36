"""`python -m webhook` as a process: TLS by its own authority, reviews over HTTPS, bad settings, the end."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

POD = {"metadata": {"generateName": "app-"}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}


class Webhook:
    """A running webhook and the log lines it has written so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.port = 0
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        # A pipe that nobody empties stops who writes to it after 64 kB.
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError):  # closed at the end of the test
            for line in self.process.stderr:
                self._lines.put(line)
        self._lines.put("")

    def wait_for(self, event: str) -> dict[str, Any]:
        """Read the log until this event; the test's own timeout bounds it."""
        return self.wait_for_all(event)[event]

    def wait_for_all(self, *events: str) -> dict[str, dict[str, Any]]:
        """The first record of each of these events, in whatever order they come."""
        found: dict[str, dict[str, Any]] = {}
        while line := self._lines.get():
            record = json.loads(line)
            found.setdefault(record["event"], record)
            if record["event"] == "Listening":
                self.port = record["port"]
            if found.keys() >= set(events):
                return found
        raise AssertionError(f"the webhook ended without {events}; it said {found}")

    def request(self, method: str, path: str, ca: bytes, body: bytes = b"", host: str = "127.0.0.1") -> tuple[int, str]:
        context = ssl.create_default_context(cadata=ca.decode())
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        try:
            if host != "127.0.0.1":
                raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
                connection.sock = context.wrap_socket(raw, server_hostname=host)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


def environment(kubeconfig: Path, **more: str) -> dict[str, str]:
    return os.environ | {
        "MEMGRAPH_HA_RELEASE": "memgraph-ha",
        "POD_NAMESPACE": "memgraph-ha",
        "MEMGRAPH_HA_SIDECAR_IMAGE": "memgraph-ha-sidecar:test",
        "MEMGRAPH_HA_WEBHOOK_ADDRESS": "127.0.0.1",
        "MEMGRAPH_HA_WEBHOOK_PORT": "0",
        "POD_IP": "127.9.9.9",
        "KUBECONFIG": str(kubeconfig),
        **more,
    }


@contextmanager
def running(kubeconfig: Path) -> Iterator[Webhook]:
    command = [sys.executable, "-m", "webhook"]
    with subprocess.Popen(command, env=environment(kubeconfig), stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Webhook(process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def webhook(shared_kubeconfig: Path) -> Iterator[Webhook]:
    """A webhook that listens and has its caBundle in place."""
    with running(shared_kubeconfig) as started:
        started.wait_for_all("Listening", "BundleInPlace")
        yield started


def review(pod: Any = POD, namespace: str = "apps", **request: Any) -> bytes:
    body = {"uid": "u-1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE"}
    body |= {"namespace": namespace, "object": pod} | request
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": body}).encode()


def test_a_pod_in_a_labelled_namespace_is_injected_over_tls(shared_api: Any, webhook: Webhook) -> None:
    shared_api.namespaces["apps"] = {"memgraph-ha.io/inject": "enabled"}
    status, text = webhook.request("POST", "/inject", shared_api.bundles()[0], review())
    response = json.loads(text)["response"]
    assert (status, response["uid"], response["allowed"]) == (200, "u-1", True)
    patched = jsonpatch.apply_patch(POD, json.loads(base64.b64decode(response["patch"])))
    assert patched["spec"]["initContainers"][0]["image"] == "memgraph-ha-sidecar:test"


@pytest.mark.parametrize("host", ["memgraph-ha-webhook.memgraph-ha.svc", "localhost", "127.9.9.9"])
def test_the_certificate_has_every_name_the_api_server_may_use(shared_api: Any, webhook: Webhook, host: str) -> None:
    assert webhook.request("GET", "/livez", shared_api.bundles()[0], host=host) == (200, "ok\n")


def test_a_host_that_is_not_ours_is_not_in_the_certificate(shared_api: Any, webhook: Webhook) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        webhook.request("GET", "/livez", shared_api.bundles()[0], host="other.memgraph-ha.svc")


def test_metrics_count_the_reviews_by_decision_and_reason(shared_api: Any, webhook: Webhook) -> None:
    shared_api.namespaces["unlabelled"] = {}
    webhook.request("POST", "/inject", shared_api.bundles()[0], review(namespace="unlabelled"))
    _, text = webhook.request("GET", "/metrics", shared_api.bundles()[0])
    assert 'memgraph_ha_webhook_reviews_total{decision="skip",reason="NotEnabled"} 1.0' in text
    assert "memgraph_ha_webhook_review_duration_seconds_count" in text


def test_an_unreadable_namespace_leaves_the_pod_alone_and_warns(shared_api: Any, webhook: Webhook) -> None:
    _, text = webhook.request("POST", "/inject", shared_api.bundles()[0], review(namespace="gone"))
    response = json.loads(text)["response"]
    assert response["allowed"] is True
    assert "patch" not in response
    assert "could not read namespace gone" in response["warnings"][0]


@pytest.mark.parametrize(
    ("body", "status", "hint"),
    [
        (b"{", 400, "no JSON"),
        (b"[]", 400, "no AdmissionReview"),
        (b'{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}', 400, "no AdmissionReview"),
        (b" " * (8 * 1024 * 1024 + 1), 413, "larger than"),
    ],
)
def test_a_body_that_is_no_review_is_refused(
    shared_api: Any, webhook: Webhook, body: bytes, status: int, hint: str
) -> None:
    answered, text = webhook.request("POST", "/inject", shared_api.bundles()[0], body)
    assert answered == status
    assert hint in text


def test_a_review_of_seven_megabytes_is_answered(shared_api: Any, webhook: Webhook) -> None:
    shared_api.namespaces["apps"] = {"memgraph-ha.io/inject": "enabled"}
    large = {**POD, "metadata": {"annotations": {"filler": "x" * 7_000_000}}}
    status, text = webhook.request("POST", "/inject", shared_api.bundles()[0], review(large))
    assert status == 200
    assert "patch" in json.loads(text)["response"]


def test_it_is_ready_only_while_its_authority_is_in_the_live_configuration(api: Any, kubeconfig: Path) -> None:
    api.configuration = None
    with running(kubeconfig) as webhook:
        webhook.wait_for_all("Listening", "BundleMissing")
        ca = base64.b64decode(api.secrets["memgraph-ha-webhook-ca"]["data"]["tls.crt"])
        status, text = webhook.request("GET", "/readyz", ca)
        assert status == 503
        assert "could not read MutatingWebhookConfiguration memgraph-ha: 404" in text
        api.reset_configuration()
        webhook.wait_for("BundleInPlace")
        assert webhook.request("GET", "/readyz", ca) == (200, "ok\n")


def test_sigterm_ends_it_with_exit_code_0(kubeconfig: Path) -> None:
    with running(kubeconfig) as webhook:
        webhook.wait_for("Listening")
        webhook.process.send_signal(signal.SIGTERM)
        assert webhook.process.wait(20) == 0


def test_sigterm_ends_a_webhook_that_waits_for_the_api_server(dead_kubeconfig: Path) -> None:
    with running(dead_kubeconfig) as webhook:
        assert "is the API server reachable" in webhook.wait_for("AuthorityMissing")["message"]
        webhook.process.send_signal(signal.SIGTERM)
        assert webhook.process.wait(20) == 0


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        ({"MEMGRAPH_HA_RELEASE": ""}, "MEMGRAPH_HA_RELEASE is not set"),
        ({"KUBECONFIG": "/nowhere"}, "KUBECONFIG=/nowhere"),
        ({"MEMGRAPH_HA_WEBHOOK_ADDRESS": "192.0.2.1"}, "MEMGRAPH_HA_WEBHOOK_ADDRESS"),
    ],
)
def test_settings_that_can_not_work_end_it_with_exit_code_2(kubeconfig: Path, more: dict[str, str], hint: str) -> None:
    command = [sys.executable, "-m", "webhook"]
    ended = subprocess.run(command, env=environment(kubeconfig, **more), capture_output=True, text=True, timeout=30)
    assert ended.returncode == 2
    assert hint in ended.stderr


def test_a_port_that_is_taken_is_one_clear_error(kubeconfig: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "webhook"]
        env = environment(kubeconfig, MEMGRAPH_HA_WEBHOOK_PORT=port)
        ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"webhook: can't listen on 127.0.0.1 port {port}")
    assert "MEMGRAPH_HA_WEBHOOK_PORT" in ended.stderr
