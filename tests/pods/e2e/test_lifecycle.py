"""What the kubelet does with our pods: Jobs, preStop, readiness gates, restarts in place, nodes that are lost."""

from __future__ import annotations

import contextlib
import signal
import time

import pytest
from plain_client import Object
from pods.faults import Faults

from e2e import placing, workloads
from e2e.catalogue import MEMGRAPH
from e2e.cluster import Failed, alive, apply, condition, container_status, kubectl
from e2e.database import instances
from e2e.forms import long
from e2e.installation import image
from e2e.scene import Scene, has_sidecar
from e2e.verdict import sound
from e2e.waiting import until
from sandbox.demo.history import Kind, Record
from sidecar.contract import names
from sidecar.contract.state import CutKind, Phase

pytestmark = pytest.mark.timeout(1200)
_WRITES = 20
"""Of each of the program's five workers."""
_STRANGER = 1000710000
_STARTS_S = 120.0
_CROSSING_S = 0.05
"""Sidecars and whoever watches beside them hear of a cut within some milliseconds of each other."""
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


def ready_pod(pod: Object) -> bool:
    """By the kubelet's word, which counts our readiness gate; and not about to end."""
    return alive(pod) and condition(pod, "Ready") == "True"


def test_a_job_ends_although_its_sidecar_lives(scene: Scene) -> None:
    scene.calm()
    began = time.time()
    apply([workloads.job(scene.apps, "batch", image("controller"), COUNT=str(_WRITES), AUTO_EVERY_S="0.1")])
    try:
        kubectl("-n", scene.apps, "wait", "--for=condition=complete", "job/batch", "--timeout=180s")
        (pod,) = scene.cluster.pods(scene.apps, f"{workloads.LABEL}=batch")
    finally:
        kubectl("-n", scene.apps, "delete", "job", "batch", "--wait=false")

    assert pod["status"]["phase"] == "Succeeded"
    assert container_status(pod, workloads.CONTAINER)["state"]["terminated"]["exitCode"] == 0
    assert "terminated" in container_status(pod, names.SIDECAR_CONTAINER)["state"]
    (book,) = [book for book in scene.ledgers.books() if book.uid == pod["metadata"]["uid"]]
    assert sum(record.kind is Kind.OK for record in book.records) == 5 * _WRITES
    sound(scene, began)


@long
def test_a_user_that_no_image_knows_runs_app_and_sidecar(scene: Scene) -> None:
    """As OpenShift gives each namespace one: any number, in group 0."""
    scene.calm()
    began = time.time()
    job = workloads.job(scene.apps, "stranger", image("controller"), COUNT=str(_WRITES), AUTO_EVERY_S="0.1")
    job["spec"]["template"]["spec"]["securityContext"] = {"runAsUser": _STRANGER, "runAsGroup": 0, "fsGroup": _STRANGER}
    apply([job])
    try:
        kubectl("-n", scene.apps, "wait", "--for=condition=complete", "job/stranger", "--timeout=180s")
        (pod,) = scene.cluster.pods(scene.apps, f"{workloads.LABEL}=stranger")
    finally:
        kubectl("-n", scene.apps, "delete", "job", "stranger", "--wait=false")

    (sidecar,) = [one for one in pod["spec"]["initContainers"] if one["name"] == names.SIDECAR_CONTAINER]
    assert sidecar["securityContext"].get("runAsUser", _STRANGER) == _STRANGER
    (book,) = [book for book in scene.ledgers.books() if book.uid == pod["metadata"]["uid"]]
    assert sum(record.kind is Kind.OK for record in book.records) == 5 * _WRITES
    sound(scene, began)


def test_the_pre_stop_sleep_gives_a_planned_switchover_its_time(scene: Scene) -> None:
    before = scene.calm()
    began = time.time()
    scene.installation.kubectl("delete", "pod", before.main_pod)
    sound(scene, began)

    cuts = [one for one in scene.publications.since(began) if one.document.phase is Phase.CUT]
    assert {cut.document.cut_kind for cut in cuts} == {CutKind.PLANNED}, cuts
    assert scene.installation.document().master_index != before.master_index
    heard = cuts[0].ts

    def crossed(record: Record) -> bool:
        """A query that nobody repeats was sent while its idle connection's FIN was on the way: it got nowhere."""
        return ".auto-" in record.id and record.ts - record.duration_s > heard - _CROSSING_S

    unknown = [r for book in scene.ledgers.books() for r in book.records if r.ts > began and r.kind is Kind.INFO]
    failed = [record for record in unknown if not crossed(record)]
    assert failed == [], "a planned switchover lets commits under way finish"


@long
def test_after_a_full_stop_it_starts_by_itself(scene: Scene) -> None:
    scene.calm()
    began = time.time()
    release = scene.installation
    release.kubectl("scale", f"statefulset/{release.name}", "--replicas=0")
    until(
        lambda: f"{len(pods)} pods" if (pods := release.pods("memgraph")) else "", _STARTS_S, "every instance is gone"
    )
    release.kubectl("scale", f"statefulset/{release.name}", "--replicas=3")
    sound(scene, began)


@long
def test_when_every_pod_of_the_release_is_deleted_at_once_it_starts_by_itself(scene: Scene) -> None:
    scene.calm()
    began = time.time()
    scene.installation.kubectl("delete", "pods", "--all")
    sound(scene, began)


@long
def test_a_roll_out_waits_for_each_instance_to_be_in_sync(scene: Scene) -> None:
    """At any time one instance at most is away: going, missing, starting, or without what the main holds."""
    scene.calm()
    began = time.time()
    release = scene.installation
    path = f"/apis/apps/v1/namespaces/{release.namespace}/statefulsets/{release.name}"
    release.kubectl("rollout", "restart", f"statefulset/{release.name}")
    seen: dict[str, list[str]] = {}

    def unfinished() -> str:
        pods = release.pods("memgraph")
        away = [pod["metadata"]["name"] for pod in pods if not _there(pod)] + ["missing"] * (3 - len(pods))
        seen[" ".join(away)] = away
        stateful = scene.cluster.read(path)
        status = stateful["status"]
        begun = status.get("observedGeneration", 0) >= stateful["metadata"]["generation"]
        done = begun and status["updateRevision"] == status["currentRevision"] and status.get("readyReplicas") == 3
        return "" if done and not away else f"away: {away}; {status}"

    until(unfinished, 400.0, "the roll-out ends")
    assert max(len(away) for away in seen.values()) == 1, seen
    sound(scene, began)


def _there(pod: Object) -> bool:
    conditions: dict[str, Object] = {c["type"]: c for c in pod["status"].get("conditions", [])}
    gate = conditions.get(names.IN_SYNC_CONDITION, {})
    # While the clients are cut, for a moment, nobody is said to be in sync: nothing is known of the next main yet.
    in_sync = gate.get("status") == "True" or gate.get("reason") == "ClientsCut"
    return alive(pod) and condition(pod, "ContainersReady") == "True" and in_sync


@long
def test_an_ex_main_killed_in_place_comes_back_as_a_replica(scene: Scene, faults: Faults) -> None:
    """Nobody but the controller makes a main, and it is paused: whoever starts again is a replica (P-N1)."""
    before = scene.calm()
    began = time.time()
    release = scene.installation
    restarts = container_status(release.main(), MEMGRAPH)["restartCount"]
    release.ask("pause", "--why", "a test")
    try:
        faults.signal(release.namespace, before.main_pod, MEMGRAPH, signal.SIGKILL)

        def same() -> str:
            found = container_status(release.pod(before.main_pod), MEMGRAPH)
            return "" if found["restartCount"] > restarts and "running" in found["state"] else str(found)

        until(same, _STARTS_S, "the kubelet started the container again")

        def role() -> str:
            with instances(release.namespace, [before.main_pod]) as (only,):
                return "" if (said := only.role()) == "replica" else f"it says {said}"

        until(role, _STARTS_S, f"{before.main_pod} is a replica")
        assert release.document().epoch == before.epoch, "a paused controller publishes nothing"
    finally:
        release.ask("resume")
    sound(scene, began)


@long
def test_a_lost_nodes_pods_are_freed_by_the_out_of_service_taint(scene: Scene, faults: Faults) -> None:
    """A replica's: a main that hangs has its pod deleted for it, whatever its kubelet says (P-F7).

    Not on the leader's node: the next leader would not know that it was a replica, and delete its pod, too.
    """
    placing.main_with_leader(scene, together=True)
    scene.calm()
    release = scene.installation
    lost = next(pod for pod in release.pods("memgraph") if pod["metadata"]["labels"][names.ROLE_LABEL] == "replica")
    name, uid, node = lost["metadata"]["name"], lost["metadata"]["uid"], lost["spec"]["nodeName"]
    began = time.time()
    faults.lose(node)
    try:
        placing.node_is(scene, node, "Unknown")
        release.kubectl("delete", "pod", name, "--wait=false")
        stuck = release.pod(name)["metadata"]
        assert stuck["uid"] == uid
        assert "deletionTimestamp" in stuck
        kubectl("taint", "node", node, f"{OUT_OF_SERVICE}=nodeshutdown:NoExecute")

        def elsewhere() -> str:
            pod = release.pod(name)
            where = pod["spec"].get("nodeName", "")
            moved = pod["metadata"]["uid"] != uid and where not in ("", node) and ready_pod(pod)
            return "" if moved else f"{pod['metadata']['uid']} on {where or 'no node'}, {pod['status'].get('phase')}"

        until(elsewhere, 240.0, f"{name} is Ready on another node")
        release.settle()
    finally:
        faults.restore(node)
        with contextlib.suppress(Failed):  # the test failed before it was tainted
            kubectl("taint", "node", node, f"{OUT_OF_SERVICE}-")
        placing.node_is(scene, node, "True")
    sound(scene, began)


def test_every_app_pod_carries_a_native_sidecar(scene: Scene) -> None:
    for pod in scene.app_pods():
        assert has_sidecar(pod)
        (sidecar,) = [one for one in pod["spec"]["initContainers"] if one["name"] == names.SIDECAR_CONTAINER]
        assert sidecar["restartPolicy"] == "Always"
