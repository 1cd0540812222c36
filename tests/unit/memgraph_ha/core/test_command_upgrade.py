"""Which sidecars are upgraded, in which order, and when one runs again."""

from __future__ import annotations

from typing import Any

import pytest
from fleet_pods import OURS, changed, injected, pod

from memgraph_ha.core.upgrade import Done, Outcome, runs, steps, summary
from sidecar.contract import names
from webhook.core.model import Namespace

NAMESPACES = {name: Namespace(name, {names.INJECT_LABEL: "enabled"}) for name in ("apps", "b")}
OLD = "example/sidecar:1"


def old(name: str, owner: str = "web", namespace: str = "apps") -> Any:
    return injected(given=pod(namespace, name, ("StatefulSet", owner)), image=OLD)


def test_pods_of_one_owner_are_far_apart() -> None:
    """A bad image then stops at one pod of one workload, not at all of the first."""
    found = steps([old("a-1", "a"), old("a-2", "a"), old("b-1", "b"), old("c-1", "c", "b")], NAMESPACES, [OURS])
    assert [step.pod for step in found] == ["a-1", "b-1", "c-1", "a-2"]
    assert (found[0].old, found[0].new) == (OLD, OURS.sidecar_image)
    assert found[0].operations[-1] == {
        "op": "replace", "path": "/spec/initContainers/0/image", "value": "example/sidecar:2",
    }  # fmt: skip


def test_its_place_among_the_init_containers_is_found() -> None:
    """Other injectors put theirs first; and the patch tests that it is still there."""
    moved = old("a")
    moved["spec"]["initContainers"].insert(0, {"name": "other"})
    (step,) = steps([moved], NAMESPACES, [OURS])
    assert step.operations[0] == {"op": "test", "path": "/spec/initContainers/1/name", "value": names.SIDECAR_CONTAINER}


def going() -> Any:
    found = old("a")
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return found


@pytest.mark.parametrize(
    "left",
    [
        injected(), pod(), going(), changed(old("a"), phase="Succeeded"), injected(image="mirror/sidecar:2"),
        old("a", namespace="unknown"),
    ],
    ids=["current", "without", "going", "ended", "mirrored", "not asked for"],
)  # fmt: skip
def test_the_others_are_left_alone(left: Any) -> None:
    assert steps([left], NAMESPACES, [OURS]) == []


def status(image: str = "example/sidecar:2", **more: Any) -> Any:
    found = {"name": names.SIDECAR_CONTAINER, "restartCount": 0, "containerID": "a", "state": {"running": {}}, **more}
    return changed(injected(image=image), phase="Running", initContainerStatuses=[found])


RUNS: dict[str, tuple[Any, bool | str]] = {
    "not yet restarted": (status(), False),
    "restarted": (status(restartCount=1, containerID="b", started=True), True),
    "restarted, its probe has not passed": (status(restartCount=1, containerID="b", started=False), False),
    "between two lives": (status(restartCount=1, state={"waiting": {"reason": "PodInitializing"}}), False),
    "cannot be pulled": (status(state={"waiting": {"reason": "ErrImagePull", "message": "no"}}), "ErrImagePull no"),
    "crashes": (status(restartCount=2, state={"waiting": {"reason": "CrashLoopBackOff"}}), "CrashLoopBackOff"),
    "somebody else changed it": (status("example/sidecar:3", restartCount=1, containerID="b"), False),
    "the app has ended": (changed(injected(), phase="Succeeded"), True),
}


@pytest.mark.parametrize(("now", "expected"), RUNS.values(), ids=RUNS)
def test_when_a_sidecar_runs_again(now: Any, expected: bool | str) -> None:
    assert runs(now, status(OLD), "example/sidecar:2") == expected


def test_the_summary_counts() -> None:
    done = [Done("a", "p", Outcome.UPGRADED), Done("a", "q", Outcome.UPGRADED), Done("a", "r", Outcome.FAILED, "x")]
    assert summary(done, 4) == "2 upgraded, 1 failed, 4 left as they were"
    assert summary([], 0) == "every sidecar runs its release's image"
