"""A StatefulSet that somebody has, with a main and data, becomes one that fails over: the way of installation.md."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from plain_client import Object

from e2e import workloads
from e2e.cluster import CHART, Cluster, Failed, apply, kubectl
from e2e.database import Instance, instances
from e2e.forms import long
from e2e.installation import image, ready
from e2e.lane import lane
from e2e.scene import Scene
from e2e.verdict import sound
from e2e.waiting import until

pytestmark = pytest.mark.timeout(1200)
_NAME, _THEIRS = "adopted", "memgraph"
_STARTS_S = 120.0
_OLDER = 1000
"""Vertices from before there was a controller."""
_PLAIN_ARGS = ["--data-directory=/var/lib/memgraph/mg_data", "--storage-wal-enabled=true", "--log-file="]


def example() -> tuple[Object, Object]:
    """Service and StatefulSet of examples/existing-statefulset.yaml, in our namespace and with our image."""
    text = (CHART / "examples" / "existing-statefulset.yaml").read_text()
    text = text.replace("namespace: memgraph-ha", f"namespace: {_NAME}").replace(
        "name: memgraph-ha-", f"name: {_NAME}-"
    )
    service, stateful = yaml.safe_load_all(text)
    spec = stateful["spec"]["template"]["spec"]
    spec["securityContext"] |= {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for container in (*spec["initContainers"], *spec["containers"]):
        container |= {
            "image": image("memgraph"), "imagePullPolicy": "IfNotPresent",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        }  # fmt: skip
    return service, stateful


def plain(whole: Object) -> Object:
    """As somebody has it who knew nothing of failover."""
    found: dict[str, Any] = copy.deepcopy(whole)
    found["spec"]["podManagementPolicy"] = "OrderedReady"
    template = found["spec"]["template"]
    template["metadata"]["labels"] = {"app": _THEIRS}
    (container,) = template["spec"]["containers"]
    mounts = [mount for mount in container["volumeMounts"] if mount["name"] == "data"]
    container |= {"args": _PLAIN_ARGS, "volumeMounts": mounts}
    del container["lifecycle"]
    # No readiness gate, and nobody who moves data aside.
    template["spec"] = {key: template["spec"][key] for key in ("containers", "securityContext")}
    return found


def _pod_names() -> list[str]:
    return [f"{_THEIRS}-{ordinal}" for ordinal in range(3)]


def _replicate_by_hand(cluster: Cluster) -> None:
    """Instance 0 is the main, as its owner typed it once, and has data."""

    def unready() -> str:
        pods = cluster.pods(_NAME, f"app={_THEIRS}")
        return "" if len(pods) == 3 and ready(pods) else f"{[p['metadata']['name'] for p in pods]}"

    until(unready, _STARTS_S, "three plain instances are Ready")
    with instances(_NAME, _pod_names()) as every:
        main, *others = every
        for other in others:
            other.ask("SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
            main.ask(f"REGISTER REPLICA theirs_{other.pod[-1]} SYNC TO '{other.pod}.{_THEIRS}-nodes:10000'")
        main.ask("UNWIND range(1, $many) AS n CREATE (:Older {n: n})", many=_OLDER)


def _older(found: Instance) -> int:
    return int(found.ask("MATCH (o:Older) RETURN count(o) AS n")[0]["n"])


@pytest.fixture
def adopted(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A release around a StatefulSet that replicates, and apps that write."""
    service, whole = example()
    apply([workloads.namespace(_NAME), service, plain(whole)])
    existing = {"statefulSet": _THEIRS, "service": f"{_THEIRS}-nodes", "podLabels": {"app": _THEIRS}}
    memgraph = {"existing": existing}
    folder = tmp_path_factory.mktemp(_NAME)
    try:
        _replicate_by_hand(cluster)
        with lane(cluster, _NAME, folder, 1, adopted=_THEIRS, memgraph=memgraph, webhook={"replicas": 1}) as scene:
            yield scene
    finally:
        kubectl("delete", "namespace", _NAME, "--ignore-not-found")


@long
def test_a_stateful_set_with_data_is_adopted_and_made_anew_under_load(adopted: Scene) -> None:
    release = adopted.installation
    began = time.time()
    assert release.document().main_pod == f"{_THEIRS}-0", "the main stays who it was"
    with pytest.raises(Failed, match="podManagementPolicy is not Parallel"):
        release.ask("doctor")

    service, whole = example()
    release.kubectl("delete", "statefulset", _THEIRS, "--cascade=orphan")
    apply([service, whole])
    release.kubectl("rollout", "status", f"statefulset/{_THEIRS}", "--timeout=400s")
    sound(adopted, began)

    assert not _findings(release.ask("doctor"))
    with instances(release.namespace, _pod_names()) as every:
        assert {one.pod: _older(one) for one in every} == dict.fromkeys(_pod_names(), _OLDER)


def _findings(said: str) -> str:
    """Of doctor, about the StatefulSet and what belongs to it."""
    about = ("StatefulSet", "Memgraph flags", "readiness gates")
    lines = [line for line in said.splitlines() if line.startswith(("error", "warning"))]
    return "\n".join(line for line in lines if any(word in line for word in about))
