"""The sidecar's security context: valid under the restricted Pod Security Standard, and as whom it runs.

| the pod | the sidecar |
|---|---|
| runs as 0 | 65532: `runAsNonRoot` would keep an inherited 0 from starting |
| runs as some user | the same one, inherited |
| says nothing, but all of its containers run as one user | that user, too |
| says nothing | says nothing: OpenShift's own number applies, or the image's |

The third row is about the app's own token: the kubelet gives that file to the one user of all containers (mode 0600),
and makes it readable to everybody (0644) when there are two.
"""

from __future__ import annotations

from typing import Final

from webhook.core import pods
from webhook.core.model import Json

IMAGE_USER: Final = 65532
"""The user of the sidecar's image (Dockerfile.sidecar)."""


def context(pod: Json) -> dict[str, Json]:
    """The securityContext of the container."""
    found: dict[str, Json] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    user = _user(pod)
    return found if user is None else found | {"runAsUser": user}


def _user(pod: Json) -> int | None:
    inherited = _run_as(pod["spec"])
    users = {_run_as(container, inherited) for container in pods.containers(pod) if not pods.is_sidecar(container)}
    common = users.pop() if len(users) == 1 else None
    if common not in (None, 0, inherited):
        return common
    return IMAGE_USER if inherited == 0 or common == 0 else None


def _run_as(owner: Json, otherwise: int | None = None) -> int | None:
    context = owner.get("securityContext")
    user = context.get("runAsUser") if isinstance(context, dict) else None
    return user if isinstance(user, int) and not isinstance(user, bool) else otherwise
