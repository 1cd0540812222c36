"""One pod, as the API server has it -> what there is to say about its sidecar. Total over any JSON.

It asks the webhook's own core what the pod would get today, after taking the sidecar out of it.
"""

from __future__ import annotations

from typing import Final

from controller.core.fleet.injection import Today, today
from controller.core.fleet.model import Health, PodFacts
from controller.core.fleet.owners import owner_of
from sidecar.contract import env, names
from webhook.core import pods as raw
from webhook.core.model import Json, Namespace, Reason, Release

_OVER: Final = ("Succeeded", "Failed")
_FOR_ANOTHER_DAY: Final = (Reason.NAMESPACE_UNKNOWN, Reason.INTERNAL_ERROR)
"""Nothing is known, so nothing is wrong."""
_OF_THE_PLACE: Final = (Reason.LIMIT_RANGE, Reason.NODE_TOO_OLD)
"""Its namespace or the nodes keep a new pod from having one. A sidecar that runs is none the worse for that, and a
restart, which mends what is stale, would take it away."""


def look_at(pod: Json, namespace: Namespace, release: Release) -> PodFacts | None:
    """None if the pod is not ours to care for, has ended, or is none."""
    if raw.problem(pod) is not None or _phase(pod) in _OVER:
        return None
    sidecar = sidecar_of(pod)
    carries = sidecar is not None and follows(sidecar) == (release.namespace, names.state_config_map(release.name))
    verdict = today(_unscheduled(without_sidecar(pod)), namespace, release)
    fails = verdict.reason is Reason.INTERNAL_ERROR and sidecar is None
    if not carries and verdict.pod is None and not fails:
        return None
    health, why = _judge(sidecar, verdict, release, carries)
    metadata = pod["metadata"]
    return PodFacts(
        namespace=namespace.name,
        name=str(metadata.get("name", "")),
        owner=owner_of(pod),
        carries=carries,
        health=health,
        why=why,
        going=bool(metadata.get("deletionTimestamp")),
    )


def sidecar_of(pod: Json) -> dict[str, Json] | None:
    """The sidecar's container, wherever it is: a native one is an init container."""
    return next((c for c in raw.containers(pod) if c.get("name") == names.SIDECAR_CONTAINER), None)


def follows(sidecar: dict[str, Json]) -> tuple[str, str]:
    """Namespace and name of the document this sidecar reads."""
    given = _environment(sidecar)
    return given.get(env.NAMESPACE, ""), given.get(env.CONFIG_MAP, "")


def same_image(one: str, other: str) -> bool:
    """But for the registry and the folders: a cluster may pull everything through a mirror."""
    return one.rpartition("/")[2] == other.rpartition("/")[2]


def without_sidecar(pod: Json) -> Json:
    """The pod as it was before it was injected, in all that the injection reads. The rest would only be copied."""
    metadata = {key: value for key, value in pod["metadata"].items() if key != "managedFields"}
    spec = dict(pod["spec"])
    for key in ("initContainers", "containers"):
        if spec.get(key):
            spec[key] = [c for c in spec[key] if c.get("name") != names.SIDECAR_CONTAINER]
    if spec.get("volumes"):
        spec["volumes"] = [v for v in spec["volumes"] if v.get("name") != names.TOKEN_VOLUME]
    if metadata.get("annotations"):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != names.STATUS_ANNOTATION}
    return {"metadata": metadata, "spec": spec}


def _judge(sidecar: dict[str, Json] | None, verdict: Today, release: Release, carries: bool) -> tuple[Health, str]:
    if verdict.reason is Reason.INTERNAL_ERROR and sidecar is None:
        return Health.MISSING, f"the webhook fails on it, which is a mistake of ours ({verdict.message}): report it"
    if verdict.pod is None and verdict.reason in _OF_THE_PLACE and sidecar is not None:
        return _by_image(sidecar, release)
    if verdict.pod is None:
        if verdict.reason in _FOR_ANOTHER_DAY:
            return Health.CURRENT, ""
        return Health.STALE, f"it would not get this sidecar today ({verdict.message})"
    if sidecar is None:
        return Health.MISSING, "it lacks the sidecar that it would get today"
    if not carries:
        where = "/".join(follows(sidecar))
        return Health.STALE, f"its sidecar follows {where}, today it would follow release {release.name}"
    if _differs(sidecar, verdict.pod):
        return Health.STALE, "its sidecar has other settings than it would get today"
    return _by_image(sidecar, release)


def _by_image(sidecar: dict[str, Json], release: Release) -> tuple[Health, str]:
    if same_image(str(sidecar.get("image")), release.sidecar_image):
        return Health.CURRENT, ""
    return Health.OUTDATED, f"its sidecar runs {sidecar.get('image')}, the release has {release.sidecar_image}"


def _unscheduled(pod: Json) -> Json:
    """As its workload would make it anew: the scheduler's choice of a node is not the new pod's."""
    if not pod["metadata"].get("ownerReferences"):
        return pod  # nobody makes it anew but a person, who may have chosen the node
    return {**pod, "spec": {key: value for key, value in pod["spec"].items() if key != "nodeName"}}


def _differs(sidecar: dict[str, Json], wanted: Json) -> bool:
    """Whether a setting differs from the pod's as it would be. Others may have added some: those are theirs."""
    given, fresh = _environment(sidecar), sidecar_of(wanted) or {}
    return any(given.get(name) != value for name, value in _environment(fresh).items())


def _environment(container: dict[str, Json]) -> dict[str, str]:
    listed = container.get("env")
    entries = [e for e in listed if isinstance(e, dict) and "name" in e] if isinstance(listed, list) else []
    return {str(e["name"]): str(e["value"]) for e in entries if "value" in e}


def _phase(pod: Json) -> Json:
    status = pod.get("status")
    return status.get("phase") if isinstance(status, dict) else None
