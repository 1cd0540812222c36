"""Why a pod, or the pods of a workload, carry the sidecar or don't, and what to type next. Pure, on raw JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.core.fleet.injection import Today, today
from controller.core.fleet.model import Health, Owner
from controller.core.fleet.owners import commands
from controller.core.fleet.pods import look_at, sidecar_of, without_sidecar
from memgraph_ha.core.manifests import template_of
from memgraph_ha.core.mistakes import Situation, mistakes
from webhook.core import pods as raw_pods
from webhook.core.model import Namespace, Reason, Release

_TELLING: Final = (Reason.OTHER_CLUSTER, Reason.NOT_ENABLED)
"""Of several releases, the one that says anything else knows more."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`verdict`: one sentence. `well`: whether it is as whoever labelled it wants it."""

    target: str
    namespace: str
    well: bool
    verdict: str
    notes: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    """Commands."""


def explain(
    target: str, obj: Any, namespace: Namespace, releases: Sequence[Release], pods: Sequence[Any] = ()
) -> Explanation:
    """`obj`: a pod or a workload; `pods`: the workload's live pods."""
    if obj.get("kind") == "Pod":
        found = _pod(target, obj, namespace, releases)
    else:
        found = _workload(target, obj, namespace, releases, pods)
    hints = mistakes(Situation(obj, template_of(obj), namespace, tuple(r.cluster for r in releases)))
    if found.well:
        return found
    messages = (*found.notes, *(hint.message for hint in hints))
    # The mistake comes first: without it mended, a restart changes nothing.
    steps = tuple(dict.fromkeys((*(hint.command for hint in hints), *found.next)))
    return Explanation(found.target, found.namespace, False, found.verdict, messages, steps)


def _pod(target: str, pod: Any, namespace: Namespace, releases: Sequence[Release]) -> Explanation:
    def says(well: bool, verdict: str, *notes: str, next: tuple[str, ...] = ()) -> Explanation:
        return Explanation(target, namespace.name, well, verdict, notes, next)

    for release in releases:
        facts = look_at(pod, namespace, release)
        if facts is None:
            continue
        fix = commands(namespace.name, facts.owner, facts.health)
        if facts.health is Health.MISSING:
            why = "it is older than the label, or the webhook did not answer when it was made"
            return says(False, f"lacks the sidecar of release {release.name}", why, next=fix)
        trouble = _trouble(pod)
        sidecar = sidecar_of(pod) or {}
        verdict = f"carries the sidecar of release {release.name} ({sidecar.get('image')})"
        if facts.health is Health.CURRENT:
            logs = f"kubectl -n {namespace.name} logs {facts.name} -c {sidecar.get('name')}"
            return says(not trouble, verdict, *trouble, next=(logs,) if trouble else ())
        return says(False, f"{verdict}, but {facts.why}", *trouble, next=fix)
    if not releases:
        return says(False, "no release of memgraph-ha is installed")
    if raw_pods.problem(pod) is None and sidecar_of(pod) is not None:
        return says(False, "carries a sidecar of a release that is not installed here, or has ended")
    return says(False, f"does not get the sidecar: {_reason(pod, namespace, releases)}")


def _workload(
    target: str, obj: Any, namespace: Namespace, releases: Sequence[Release], pods: Sequence[Any]
) -> Explanation:
    template = template_of(obj)
    template = template if isinstance(template, dict) else {}
    pod = {**template, "metadata": template.get("metadata") or {}}
    chosen = next((r for r in releases if _verdict(pod, namespace, r).pod is not None), None)
    if chosen is None:
        why = _reason(pod, namespace, releases) if releases else "no release of memgraph-ha is installed"
        return Explanation(target, namespace.name, False, f"its new pods do not get the sidecar: {why}")
    verdict = f"its new pods get the sidecar of release {chosen.name}"
    looks = [(p, look_at(p, namespace, chosen)) for p in pods]
    wrong = [(p["metadata"]["name"], f) for p, f in looks if f is not None and f.health is not Health.CURRENT]
    if not wrong:
        return Explanation(target, namespace.name, True, verdict, (_well(len(looks)),))
    notes = tuple(f"pod {name}: {facts.why}" for name, facts in wrong)
    owner = Owner(str(obj.get("kind")), obj["metadata"]["name"])
    return Explanation(
        target, namespace.name, False, verdict, notes, commands(namespace.name, owner, wrong[0][1].health)
    )


def _verdict(pod: Any, namespace: Namespace, release: Release) -> Today:
    shape = raw_pods.problem(pod)
    return Today(None, Reason.MALFORMED_POD, shape) if shape else today(without_sidecar(pod), namespace, release)


def _reason(pod: Any, namespace: Namespace, releases: Sequence[Release]) -> str:
    """The most telling refusal."""
    refusals = [found for release in releases if (found := _verdict(pod, namespace, release)).pod is None]
    refusals.sort(key=lambda found: found.reason in _TELLING)
    return refusals[0].message if refusals else "its pod has ended"


def _trouble(pod: Any) -> tuple[str, ...]:
    """What the kubelet says of the sidecar, if it does not run."""
    name = (sidecar_of(pod) or {}).get("name")
    status: Mapping[str, Any] = pod.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if container.get("name") != name:
            continue
        waiting = (container.get("state") or {}).get("waiting")
        if waiting:
            return (f"the sidecar does not run: {waiting.get('reason', '?')} {waiting.get('message', '')}".rstrip(),)
        if container.get("restartCount", 0) > 0 and not container.get("ready"):
            return (f"the sidecar was restarted {container['restartCount']} times and is not ready",)
    return ()


def _well(pods: int) -> str:
    return f"{pods} live pod{'' if pods == 1 else 's'}, all as they should be" if pods else "it has no pods now"
