"""What happens to the cluster in TestE2E_FailoverReliability: each fault, and how it is mended.

`strike` returns when it happened: wall-clock time, taken just before the command left.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import CalledProcessError
from typing import Final

from pods.faults import Faults

from e2e import placing
from e2e.scene import Scene
from e2e.waiting import until
from sidecar.contract.state import Document, Phase

PUBLISHED_S: Final = 60.0
"""The slowest waits for a Lease, then for a main that does not answer; on a busy machine."""
MEMGRAPH: Final = "memgraph"
RAPID: Final = 10


@dataclass(frozen=True, slots=True)
class Struck:
    """When, the epoch that was published then, and the node whose own apps are cut off ("": none)."""

    at: float
    epoch: int
    node: str = ""


def _nothing(scene: Scene, struck: Struck) -> None:
    return


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail. `once`: another main is published, once, and the stages of that are measured."""

    name: str
    what: str
    strike: Callable[[Scene], Struck]
    mend: Callable[[Scene, Struck], None] = _nothing
    once: bool = False
    local: bool = False
    """Only the cluster of `pods` can do it."""
    short: bool = False
    """Also in the short form."""


def local(scene: Scene) -> Faults:
    """Tests that need it are skipped where there is none."""
    assert scene.local is not None
    return scene.local


def _now(scene: Scene, node: str = "") -> Struck:
    """Asked last before the command leaves: getting the main to where it is wanted may have changed the epoch."""
    epoch = scene.installation.document().epoch
    return Struck(time.time(), epoch, node)


def published(scene: Scene, after: int) -> Document:
    """Wait until a main is published in a later epoch."""

    def not_yet() -> str:
        document = scene.installation.document()
        serving = document.phase is Phase.SERVING and document.epoch > after
        return "" if serving else f"epoch {document.epoch} {document.phase}, {document.reason}: {document.message}"

    until(not_yet, PUBLISHED_S, f"a main is published after epoch {after}")
    return scene.installation.document()


def _signal_main(scene: Scene, number: int) -> Struck:
    main = scene.installation.document().main_pod
    struck = _now(scene)
    local(scene).signal(scene.installation.namespace, main, MEMGRAPH, number)
    return struck


def _delete_main(scene: Scene) -> Struck:
    path = scene.installation.path("pods", scene.installation.document().main_pod)
    struck = _now(scene)
    assert scene.cluster.delete(path).code in (200, 202)
    return struck


def _hang_main(scene: Scene) -> Struck:
    placing.spread(scene)
    return _signal_main(scene, signal.SIGSTOP)


def _wake(scene: Scene, struck: Struck) -> None:
    for pod in scene.installation.pods("memgraph"):
        # The one that hung may be deleted for it (P-F7), and its successor may have no container yet.
        with contextlib.suppress(CalledProcessError, StopIteration):
            local(scene).signal(scene.installation.namespace, pod["metadata"]["name"], MEMGRAPH, signal.SIGCONT)


def _cut_node(scene: Scene) -> Struck:
    node = placing.main_with_leader(scene, together=False)
    struck = _now(scene, node)
    local(scene).cut_off(node)
    return struck


def _reconnect(scene: Scene, struck: Struck) -> None:
    local(scene).reconnect(struck.node)
    placing.node_is(scene, struck.node, "True")


def _partition_replica(scene: Scene) -> Struck:
    document = scene.installation.document()
    assert document.sync is not None
    partner = document.sync
    replica = scene.installation.pod(f"{scene.installation.name}-{partner.ordinal}")
    struck = _now(scene)
    local(scene).partition(document.main_address.rpartition(":")[0], replica["status"]["podIP"])

    def still() -> str:
        now = scene.installation.document()
        return f"it is still {partner.ordinal}" if now.sync == partner else ""

    until(still, PUBLISHED_S, "another replica holds every write")
    return struck


def _partition_leader(scene: Scene) -> Struck:
    main, leader = scene.installation.document().main_address.rpartition(":")[0], scene.installation.leader()
    struck = _now(scene)
    local(scene).partition(main, leader["status"]["podIP"])
    return struck


def _heal(scene: Scene, struck: Struck) -> None:
    local(scene).heal()


def _lose_both(scene: Scene) -> Struck:
    node = placing.main_with_leader(scene, together=True)
    struck = _now(scene, node)
    local(scene).lose(node)
    return struck


def _restore(scene: Scene, struck: Struck) -> None:
    local(scene).restore(struck.node)
    placing.node_is(scene, struck.node, "True")


def _rollout(target: str) -> Callable[[Scene], Struck]:
    def strike(scene: Scene) -> Struck:
        struck = _now(scene)
        found = target.format(scene.installation.name)
        scene.installation.roll_out(found, 400)
        return struck

    return strike


def _restart_apps(scene: Scene) -> Struck:
    struck = _now(scene)
    scene.restart_apps()
    return struck


def _drain(scene: Scene) -> Struck:
    struck = _now(scene)
    for node in placing.schedulable(scene):
        placing.drain(node)
    return struck


def _upgrade(scene: Scene) -> Struck:
    struck = _now(scene)
    # A label on every pod of the release: all of them are made anew at once.
    scene.values = {**scene.values, "extraLabels": {"e2e.memgraph-ha.io/upgraded": str(int(struck.at))}}
    scene.installation.upgrade(scene.values)
    return struck


def _rapid(scene: Scene) -> Struck:
    """By turns killed in place and deleted without its preStop: a container killed again and again is held back."""
    struck = _now(scene)
    for number in range(RAPID):
        document = scene.installation.document()
        if number % 2 and scene.local is not None:
            _signal_main(scene, signal.SIGKILL)
        else:
            path = scene.installation.path("pods", document.main_pod)
            scene.cluster.delete(path, {"gracePeriodSeconds": 0})
        published(scene, document.epoch)
        until(lambda: "" if scene.installation.document().sync else "no replica holds every write", PUBLISHED_S,
              f"protected after failover {number + 1} of {RAPID}")  # fmt: skip
    return struck


FAULTS: Final = (
    Fault("kill", "SIGKILL to the main's process", lambda scene: _signal_main(scene, signal.SIGKILL),
          once=True, local=True, short=True),
    Fault("delete", "`kubectl delete pod` of the main", _delete_main, once=True, short=True),
    Fault("hang", "SIGSTOP to the main's process", _hang_main, _wake, once=True, local=True),
    Fault("cut-off", "the cable of the main's node is pulled", _cut_node, _reconnect,
          once=True, local=True, short=True),
    Fault("partition-replica", "main and sync replica no longer hear each other", _partition_replica, _heal,
          local=True),
    Fault("partition-leader", "main and leader no longer hear each other", _partition_leader, _heal,
          once=True, local=True),
    Fault("node-lost", "power failure of the node with both main and leader", _lose_both, _restore,
          once=True, local=True),
    Fault("rollout-memgraph", "`kubectl rollout restart` of the StatefulSet", _rollout("statefulset/{}"), short=True),
    Fault("rollout-controller", "the same of the controllers", _rollout("deployment/{}-controller")),
    Fault("rollout-webhook", "the same of the webhooks", _rollout("deployment/{}-webhook")),
    Fault("rollout-apps", "the same of the apps", _restart_apps),
    Fault("drain", "`kubectl drain` of every node in turn", _drain),
    Fault("helm-upgrade", "`helm upgrade` that makes every pod of the release anew", _upgrade),
    Fault("rapid", f"{RAPID} failovers, one right after the other", _rapid),
)  # fmt: skip
