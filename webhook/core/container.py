"""The sidecar as it is written into a pod: one native sidecar container and its token volume."""

from __future__ import annotations

from typing import Final

from sidecar.contract import env, names
from webhook.core import resources, security
from webhook.core.model import Json, Namespace, Release
from webhook.core.options import Options

TOKEN_LIFETIME_S: Final = 3600
"""Kubernetes' own default; the kubelet renews it at 80 %, the sidecar reads the file again."""
CLUSTER_CA_CONFIG_MAP: Final = "kube-root-ca.crt"
"""Kubernetes puts it into every namespace."""


def container(pod: Json, namespace: Namespace, release: Release, options: Options) -> dict[str, Json]:
    """The container for `pod`. Raises resources.DoesNotFit."""
    found = {
        "name": names.SIDECAR_CONTAINER,
        "image": release.sidecar_image,
        "imagePullPolicy": "IfNotPresent",
        # What makes an init container a native sidecar (KEP-753): later ones wait for its startup probe only, and it
        # is stopped after the app.
        "restartPolicy": "Always",
        "env": [{"name": name, "value": value} for name, value in _variables(release, options).items()],
        "ports": [{"name": "memgraph-ha", "containerPort": options.ports[2], "protocol": "TCP"}],
        "startupProbe": _startup_probe(),
        "resources": resources.of_sidecar(pod, options.resources, namespace.limit_ranges),
        "securityContext": security.context(pod),
        # `kubectl describe` then shows the sidecar's last line, which names the bad setting.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": names.TOKEN_VOLUME, "mountPath": names.TOKEN_MOUNT_PATH, "readOnly": True}],
    }
    return found if options.startup_probe else {key: value for key, value in found.items() if key != "startupProbe"}


def volume() -> dict[str, Json]:
    """A token of the pod's own service account for the sidecar alone, whatever the pod says about automounting."""
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_LIFETIME_S}}
    authority = {"configMap": {"name": CLUSTER_CA_CONFIG_MAP, "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    return {"name": names.TOKEN_VOLUME, "projected": {"sources": [token, authority]}}


def _variables(release: Release, options: Options) -> dict[str, str]:
    # The ports are spelled out, because Kubernetes writes `MEMGRAPH_HA_PORT=tcp://...` into every pod of a namespace
    # that has a Service called memgraph-ha, unless the container has a value of its own.
    ports = dict(zip((env.PORT, env.READ_PORT, env.ADMIN_PORT), map(str, options.ports), strict=True))
    return env.render(release.namespace, names.state_config_map(release.name)) | ports | dict(options.variables)


def _startup_probe() -> dict[str, Json]:
    # It asks whether the sidecar listens, not whether the database is up: an outage must not keep apps from starting.
    # Two minutes, then the kubelet restarts the sidecar; five seconds a try, because it starts a Python.
    return {
        "exec": {"command": ["python", "-m", "sidecar", "probe"]},
        "periodSeconds": 1,
        "timeoutSeconds": 5,
        "failureThreshold": 120,
    }
