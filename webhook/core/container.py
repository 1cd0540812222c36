"""The sidecar as it is written into a pod: one native sidecar container and its token volume.

Valid under the restricted Pod Security Standard in any pod, and small: a memory limit and both requests are always
there, because a ResourceQuota refuses pods that lack them.
"""

from __future__ import annotations

from typing import Final

from sidecar.contract import env, names
from webhook.core.model import Json, Release

IMAGE_USER: Final = 65532
"""The user of the sidecar's image (Dockerfile.sidecar)."""
TOKEN_LIFETIME_S: Final = 3600
"""Kubernetes' own default; the kubelet renews it at 80 %, the sidecar reads the file again."""
CLUSTER_CA_CONFIG_MAP: Final = "kube-root-ca.crt"
"""Kubernetes puts it into every namespace."""

_PORTS: Final = {
    env.PORT: str(names.READ_WRITE_PORT),
    env.READ_PORT: str(names.READ_PORT),
    env.ADMIN_PORT: str(names.ADMIN_PORT),
}
"""Spelled out, because Kubernetes writes `MEMGRAPH_HA_PORT=tcp://...` into every pod of a namespace that has a Service
called memgraph-ha, unless the container has a value of its own."""


def container(pod: Json, release: Release) -> dict[str, Json]:
    """The container for `pod`, to be the first of its init containers."""
    variables = env.render(release.namespace, names.state_config_map(release.name)) | _PORTS
    return {
        "name": names.SIDECAR_CONTAINER,
        "image": release.sidecar_image,
        "imagePullPolicy": "IfNotPresent",
        # What makes an init container a native sidecar (KEP-753): later ones wait for its startup probe only, and it
        # is stopped after the app.
        "restartPolicy": "Always",
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "ports": [{"name": "memgraph-ha", "containerPort": names.ADMIN_PORT, "protocol": "TCP"}],
        "startupProbe": _startup_probe(),
        "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "96Mi"}},
        "securityContext": _security_context(pod),
        # `kubectl describe` then shows the sidecar's last line, which names the bad setting.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": names.TOKEN_VOLUME, "mountPath": names.TOKEN_MOUNT_PATH, "readOnly": True}],
    }


def volume() -> dict[str, Json]:
    """A token of the pod's own service account for the sidecar alone, whatever the pod says about automounting."""
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_LIFETIME_S}}
    authority = {"configMap": {"name": CLUSTER_CA_CONFIG_MAP, "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    return {"name": names.TOKEN_VOLUME, "projected": {"sources": [token, authority]}}


def _startup_probe() -> dict[str, Json]:
    # It asks whether the sidecar listens, not whether the database is up: an outage must not keep apps from starting.
    # Two minutes, then the kubelet restarts the sidecar; five seconds a try, because it starts a Python.
    return {
        "exec": {"command": ["python", "-m", "sidecar", "probe"]},
        "periodSeconds": 1,
        "timeoutSeconds": 5,
        "failureThreshold": 120,
    }


def _security_context(pod: Json) -> dict[str, Json]:
    context: dict[str, Json] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    inherited = pod["spec"].get("securityContext")
    if isinstance(inherited, dict) and inherited.get("runAsUser") == 0:
        # A pod that runs as root would hand uid 0 to this container too, and runAsNonRoot would keep it from starting.
        # Otherwise no user is set: the pod's, OpenShift's or the image's own applies.
        context["runAsUser"] = IMAGE_USER
    return context
