"""A pod whose sidecar has the shortest token that Kubernetes allows."""

from __future__ import annotations

import base64
import json

from plain_client import Object

from e2e import workloads
from e2e.cluster import apply, kubectl
from e2e.installation import image, ready
from e2e.scene import APPS_S, Scene
from e2e.waiting import until
from sidecar.contract import names

LIFETIME_S = 600
"""The kubelet renews at four fifths of it, when it looks at the pod's volumes next."""
NAME = "token"
_READ = f"print(open('{names.TOKEN_MOUNT_PATH}/token').read())"


def start(scene: Scene) -> dict[str, int]:
    """Its pod is Ready when this returns; the claims of its first token."""
    apply([_short_lived(scene)])
    until(lambda: "" if ready([pod(scene)]) else "it is not", APPS_S, f"pod {NAME} is Ready")
    return claims(scene)


def stop(scene: Scene) -> None:
    """The pod goes."""
    kubectl("-n", scene.apps, "delete", "pod", NAME, "--ignore-not-found")


def pod(scene: Scene) -> Object:
    """Raises Unanswered."""
    return scene.cluster.read(f"/api/v1/namespaces/{scene.apps}/pods/{NAME}")


def _short_lived(scene: Scene) -> Object:
    """What the webhook makes of a pod, with a shorter token: it is left alone then, by its label."""
    bare = workloads.pod(scene.apps, NAME, image("controller"))
    made: Object = json.loads(kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", given=bare))
    metadata = {"name": NAME, "namespace": scene.apps}
    labels = {**made["metadata"]["labels"], names.INJECT_LABEL: names.INJECT_DISABLED}
    volume = next(one for one in made["spec"]["volumes"] if one["name"] == names.TOKEN_VOLUME)
    token = next(s["serviceAccountToken"] for s in volume["projected"]["sources"] if "serviceAccountToken" in s)
    token["expirationSeconds"] = LIFETIME_S
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": labels}, "spec": made["spec"]}


def claims(scene: Scene) -> dict[str, int]:
    """Of the token that the sidecar has now."""
    found = kubectl("-n", scene.apps, "exec", NAME, "-c", names.SIDECAR_CONTAINER, "--", "python", "-c", _READ)
    middle = found.strip().split(".")[1]
    decoded: dict[str, int] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return decoded
