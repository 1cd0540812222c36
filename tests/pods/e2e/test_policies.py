"""NetworkPolicies that are enforced: ours around the release, and the example around apps that may dial nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from plain_client import Object
from pods.layout import CONTROL_PLANE
from pods.policies import enforced

from e2e import workloads
from e2e.catalogue import published
from e2e.cluster import CHART, Cluster, apply, kubectl
from e2e.forms import long
from e2e.lane import lane
from e2e.scene import Scene
from e2e.verdict import sound
from e2e.waiting import until

pytestmark = pytest.mark.timeout(1200)
_NAME = "fenced"
_BOLT, _REPLICATION = 7687, 10000
_COUNTS_S = 60.0
"""kube-router looks at everything at its start, and after each change."""
_CONNECT_S = 3


def _api_port(cluster: Cluster) -> int:
    (subset,) = cluster.read("/api/v1/namespaces/default/endpoints/kubernetes")["subsets"]
    assert [one["ip"] for one in subset["addresses"]] == [CONTROL_PLANE]
    return int(subset["ports"][0]["port"])


def _around_apps(port: int) -> list[Object]:
    """Nothing passes but what examples/client-networkpolicy.yaml lets pass; and who reads the apps' ledgers."""
    text = (CHART / "examples" / "client-networkpolicy.yaml").read_text()
    for before, after in (
        ("namespace: my-apps", f"namespace: {_NAME}-apps"), ("name: memgraph-ha}", f"name: {_NAME}}}"),
        ("instance: memgraph-ha,", f"instance: {_NAME},"), ("6443", str(port)),
    ):  # fmt: skip
        assert before in text
        text = text.replace(before, after)
    ledgers = {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "ledgers", "namespace": f"{_NAME}-apps"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": workloads.PORT}]}]},
    }  # fmt: skip
    return [yaml.safe_load(text), ledgers]


@pytest.fixture
def fenced(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A release with its policies, which lets in one namespace only."""
    port = _api_port(cluster)
    clients = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": f"{_NAME}-apps"}}}]
    policy = {"enabled": True, "clients": clients, "apiServerPorts": [port]}
    folder = tmp_path_factory.mktemp(_NAME)
    with lane(cluster, _NAME, folder, 2, networkPolicy=policy, webhook={"replicas": 1}) as scene:
        apply(_around_apps(port))
        yield scene


def _dial(namespace: str, pod: str, host: str, port: int) -> str:
    """What an app's container gets when it dials: `open`, or why not."""
    code = (
        "import socket\n"
        f"try: socket.create_connection(({host!r}, {port}), {_CONNECT_S}).close()\n"
        "except OSError as error: print(type(error).__name__)\n"
        "else: print('open')"
    )
    return kubectl("-n", namespace, "exec", pod, "-c", workloads.CONTAINER, "--", "python", "-c", code).strip()


def _forbidden(scene: Scene, fenced: Scene) -> dict[str, str]:
    """What no policy lets pass, and how it goes."""
    stranger, friend = ((one.apps, str(one.app_pods()[0]["metadata"]["name"])) for one in (scene, fenced))
    document = fenced.installation.document()
    assert document.sync is not None
    partner = fenced.installation.pod(f"{_NAME}-{document.sync.ordinal}")["status"]["podIP"]
    return {
        "a stranger dials Bolt": _dial(*stranger, document.main_address.rpartition(":")[0], _BOLT),
        "a stranger dials replication": _dial(*stranger, partner, _REPLICATION),
        "an app dials replication": _dial(*friend, partner, _REPLICATION),
    }


def _but(found: dict[str, str], *, all_open: bool) -> str:
    other = {what: how for what, how in found.items() if (how == "open") is not all_open}
    return str(other or "")


@long
def test_with_policies_enforced_apps_outlive_their_main_and_strangers_stay_out(
    scene: Scene, fenced: Scene, local_folder: Path
) -> None:
    scene.calm()
    fenced.calm()
    release = fenced.installation
    assert not _but(_forbidden(scene, fenced), all_open=True), "nobody enforces anything yet"
    with enforced(local_folder):
        until(lambda: _but(_forbidden(scene, fenced), all_open=False), _COUNTS_S, "what no policy lets pass stays out")
        for options in ({}, {"gracePeriodSeconds": 0}):
            began = time.time()
            document = release.document()
            fenced.cluster.delete(release.path("pods", document.main_pod), options)
            published(fenced, document.epoch)
            sound(fenced, began)
        # New pods of everybody: the webhook is called, instances find each other, controllers the API server.
        began = time.time()
        for kind, name in (("statefulset", ""), ("deployment", "-controller"), ("deployment", "-webhook")):
            release.roll_out(f"{kind}/{release.name}{name}", 300)
        fenced.restart_apps()
        sound(fenced, began)
        assert not _but(_forbidden(scene, fenced), all_open=False), "new pods are kept out, too"
    until(lambda: _but(_forbidden(scene, fenced), all_open=True), _COUNTS_S, "nothing is left of the packet filters")
