"""Where the main and the leader are, and getting them to where a test wants them."""

from __future__ import annotations

from e2e.cluster import kubectl
from e2e.scene import Scene
from e2e.waiting import until

_SPREAD_S = 120.0


def node_of_main(scene: Scene) -> str:
    """Its name."""
    return str(scene.installation.main()["spec"]["nodeName"])


def spread(scene: Scene) -> None:
    """One instance a node, as they were at first: drains leave two on one, and losing both is another test."""
    for _ in range(3):
        pods = scene.installation.pods("memgraph")
        nodes = [pod["spec"]["nodeName"] for pod in pods]
        main = scene.installation.document().main_pod
        crowded = [p["metadata"]["name"] for p in pods if nodes.count(p["spec"]["nodeName"]) > 1]
        movable = [name for name in crowded if name != main]
        if not movable:
            return
        # The scheduler prefers a node without one.
        scene.installation.kubectl("delete", "pod", movable[0])
        scene.installation.settle()
    raise AssertionError("the scheduler puts two instances on one node, again and again")


def main_with_leader(scene: Scene, *, together: bool) -> str:
    """Switch over until the main is on the leader's node, or is not; that node."""
    spread(scene)
    pods = {int(p["metadata"]["name"].rpartition("-")[2]): p for p in scene.installation.pods("memgraph")}
    leaders = scene.installation.leader()["spec"]["nodeName"]
    document = scene.installation.document()
    fitting = [n for n, pod in pods.items() if (pod["spec"]["nodeName"] == leaders) is together]
    if not fitting:
        raise AssertionError(f"no instance is {'on' if together else 'off'} the leader's node {leaders}")
    if document.master_index not in fitting:
        main_is(scene, fitting[0])
    return node_of_main(scene)


def main_is(scene: Scene, ordinal: int) -> None:
    """Switch over, if need be, until this instance is the main and all is well again."""
    if scene.installation.document().master_index == ordinal:
        return
    scene.installation.ask("switchover", "--to", str(ordinal))
    until(
        lambda: "" if scene.installation.document().master_index == ordinal else "another main is published",
        _SPREAD_S, f"instance {ordinal} is the main",
    )  # fmt: skip
    scene.calm()


def schedulable(scene: Scene) -> list[str]:
    """Nodes that take pods."""
    nodes = scene.cluster.items("/api/v1/nodes")
    return [
        node["metadata"]["name"]
        for node in nodes
        if not node["spec"].get("unschedulable") and not any(
            taint["effect"] in ("NoSchedule", "NoExecute") for taint in node["spec"].get("taints", [])
        )
    ]  # fmt: skip


def node_is(scene: Scene, name: str, wanted: str) -> None:
    """Wait until the node's Ready condition says so."""

    def other() -> str:
        conditions = scene.cluster.read(f"/api/v1/nodes/{name}")["status"]["conditions"]
        said = next(c["status"] for c in conditions if c["type"] == "Ready")
        return "" if said == wanted else said

    until(other, 180.0, f"node {name} is Ready={wanted}")


def drain(node: str) -> None:
    """As an operator does it, and then lets pods in again."""
    try:
        kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s")
    finally:
        kubectl("uncordon", node)
