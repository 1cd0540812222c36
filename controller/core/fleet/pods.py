"""One pod, as the API server has it -> what there is to say about its sidecar. Total over any JSON.

It asks the webhook's own core what the pod would get today, after taking the sidecar out of it.
"""

from __future__ import annotations

from typing import Final

from controller.core.fleet.model import Health, PodFacts
from controller.core.fleet.owners import owner_of
from sidecar.contract import env, names
from webhook.core import decide, patch
from webhook.core import pods as raw
from webhook.core.model import Inject, Json, Namespace, Reason, Release, Skip

_OVER: Final = ("Succeeded", "Failed")
_FOR_ANOTHER_DAY: Final = (Reason.NAMESPACE_UNKNOWN, Reason.INTERNAL_ERROR)
"""Nothing is known, so nothing is wrong."""


def look_at(pod: Json, namespace: Namespace, release: Release) -> PodFacts | None:
    """None if the pod is not ours to care for, has ended, or is none."""
    if raw.problem(pod) is not None or _phase(pod) in _OVER:
        return None
    sidecar = sidecar_of(pod)
    carries = sidecar is not None and follows(sidecar) == (release.namespace, names.state_config_map(release.name))
    bare = without_sidecar(pod)
    verdict = decide.decide(bare, namespace, release)
    if not carries and not isinstance(verdict, Inject):
        return None
    health, why = _judge(bare, sidecar, verdict, release, carries)
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
    """The pod as it was before it was injected, in all that the injection reads."""
    metadata, spec = dict(pod["metadata"]), dict(pod["spec"])
    for key in ("initContainers", "containers"):
        if spec.get(key):
            spec[key] = [c for c in spec[key] if c.get("name") != names.SIDECAR_CONTAINER]
    if spec.get("volumes"):
        spec["volumes"] = [v for v in spec["volumes"] if v.get("name") != names.TOKEN_VOLUME]
    if metadata.get("annotations"):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != names.STATUS_ANNOTATION}
    return {**pod, "metadata": metadata, "spec": spec}


def _judge(
    bare: Json, sidecar: dict[str, Json] | None, verdict: Inject | Skip, release: Release, carries: bool
) -> tuple[Health, str]:
    if isinstance(verdict, Skip):
        if verdict.reason in _FOR_ANOTHER_DAY:
            return Health.CURRENT, ""
        return Health.STALE, f"it would not get this sidecar today ({verdict.message})"
    if sidecar is None:
        return Health.MISSING, "it lacks the sidecar that it would get today"
    if not carries:
        where = "/".join(follows(sidecar))
        return Health.STALE, f"its sidecar follows {where}, today it would follow release {release.name}"
    if _differs(bare, sidecar, release):
        return Health.STALE, "its sidecar has other settings than it would get today"
    if not same_image(str(sidecar.get("image")), release.sidecar_image):
        return Health.OUTDATED, f"its sidecar runs {sidecar.get('image')}, the release has {release.sidecar_image}"
    return Health.CURRENT, ""


def _differs(bare: Json, sidecar: dict[str, Json], release: Release) -> bool:
    """Whether a setting differs. Others may have added some: those are theirs."""
    given = _environment(sidecar)
    return any(given.get(name) != value for name, value in _today(bare, release).items())


def _today(bare: Json, release: Release) -> dict[str, str]:
    """The settings it would get; none if it can't be told."""
    try:
        patched = patch.apply(bare, patch.build(bare, release))
    except patch.BadPatch:
        return {}
    sidecar = sidecar_of(patched)
    return _environment(sidecar) if sidecar else {}


def _environment(container: dict[str, Json]) -> dict[str, str]:
    listed = container.get("env")
    entries = [e for e in listed if isinstance(e, dict) and "name" in e] if isinstance(listed, list) else []
    return {str(e["name"]): str(e["value"]) for e in entries if "value" in e}


def _phase(pod: Json) -> Json:
    status = pod.get("status")
    return status.get("phase") if isinstance(status, dict) else None
