"""Which running sidecars get another image, in which order, and how one knows that they run again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from controller.core.fleet.pods import look_at, same_image, sidecar_of
from sidecar.contract import names
from webhook.core.model import Namespace, Release


@dataclass(frozen=True, slots=True)
class Step:
    """One pod whose sidecar gets another image."""

    namespace: str
    pod: str
    owner: str
    index: int
    """Of the sidecar among the init containers."""
    old: str
    new: str

    @property
    def operations(self) -> list[dict[str, Any]]:
        """A JSON patch that applies only while the pod is as it was looked at."""
        path = f"/spec/initContainers/{self.index}"
        return [
            {"op": "test", "path": f"{path}/name", "value": names.SIDECAR_CONTAINER},
            {"op": "test", "path": f"{path}/image", "value": self.old},
            {"op": "replace", "path": f"{path}/image", "value": self.new},
        ]


class Outcome(StrEnum):
    """What became of one pod."""

    UPGRADED = "upgraded"
    PATCHED = "patched"
    """The pod has the image; whether it runs was not waited for."""
    GONE = "gone"
    """Another pod by now, which is as new as the webhook."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Done:
    """One pod, and what became of it."""

    namespace: str
    pod: str
    outcome: Outcome
    message: str = ""


def steps(pods: Iterable[Any], namespaces: Mapping[str, Namespace], releases: Sequence[Release]) -> list[Step]:
    """Outdated native sidecars that run. Pods of one owner are far apart: a bad image stops at the first of them."""
    found = [step for pod in pods if (step := _step(pod, namespaces, releases)) is not None]
    turns: dict[tuple[str, str], int] = {}
    order: list[tuple[int, str, str, Step]] = []
    for step in sorted(found, key=lambda s: (s.namespace, s.owner, s.pod)):
        turn = turns[step.namespace, step.owner] = turns.get((step.namespace, step.owner), -1) + 1
        order.append((turn, step.namespace, step.pod, step))
    return [step for *_, step in sorted(order, key=lambda entry: entry[:3])]


def _step(pod: Any, namespaces: Mapping[str, Namespace], releases: Sequence[Release]) -> Step | None:
    namespace = namespaces.get(str(pod["metadata"].get("namespace")))
    if namespace is None or (pod.get("status") or {}).get("phase") not in ("Running", "Pending"):
        return None
    for release in releases:
        facts = look_at(pod, namespace, release)
        # A stale one follows this release, too: its settings stay as they are, but the program can be newer.
        if facts is None or not facts.carries or facts.going:
            continue
        sidecar = sidecar_of(pod) or {}
        index = next((i for i, c in enumerate(pod["spec"].get("initContainers") or ()) if c is sidecar), None)
        native = index is not None and sidecar.get("restartPolicy") == "Always"
        image = str(sidecar.get("image"))
        if index is None or not native or same_image(image, release.sidecar_image):
            return None
        return Step(namespace.name, facts.name, str(facts.owner), index, image, release.sidecar_image)
    return None


def runs(pod: Any, before: Any, image: str) -> bool | str:
    """Whether the sidecar runs `image` now, started after `before`; a text: why it never will by itself."""
    now, then = _status(pod), _status(before)
    waiting = (now.get("state") or {}).get("waiting") or {}
    if waiting.get("reason") in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CrashLoopBackOff"):
        return f"{waiting['reason']} {waiting.get('message', '')}".rstrip()
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return True  # the app has ended meanwhile
    restarted = now.get("restartCount", 0) > then.get("restartCount", 0) or now.get("containerID") != then.get(
        "containerID"
    )
    running = "running" in (now.get("state") or {}) and now.get("started") is not False
    return bool(restarted and running and (sidecar_of(pod) or {}).get("image") == image)


def summary(done: Sequence[Done], left: int) -> str:
    """One line."""
    if not done and not left:
        return "every sidecar runs its release's image"
    counted = {outcome: sum(d.outcome is outcome for d in done) for outcome in Outcome}
    parts = [f"{number} {outcome}" for outcome, number in counted.items() if number]
    return ", ".join([*parts, *([f"{left} left as they were"] if left else [])])


def _status(pod: Any) -> Mapping[str, Any]:
    listed = (pod.get("status") or {}).get("initContainerStatuses") or ()
    return next((status for status in listed if status.get("name") == names.SIDECAR_CONTAINER), {})
