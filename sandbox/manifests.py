"""The manifests of a sandbox: one release (three instances, two controllers, a webhook) and a namespace for apps.

The same objects as the chart's, reduced to what the stand-ins act on, with three differences: a kubeconfig instead of
the pod's service account (its path is fixed in client libraries), replicas registered by address (there is no DNS),
and `failurePolicy: Fail`, since an app without its sidecar would be a puzzle here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sidecar.contract import names

Object = dict[str, Any]
RELEASE: Final = "memgraph-ha"
APPS_NAMESPACE: Final = "apps"
SIM_ADMIN_PORT: Final = 17444
SIM_ADMIN_PORT_NAME: Final = "sim-admin"
HTTPS_PORT_NAME: Final = "https"
WEBHOOK_PORT: Final = 10250
CONTROLLER_PORT: Final = 8080
CONTROLLER_COMMAND: Final = ("python", "-m", "controller")
PRE_STOP_S: Final = 5
"""How long a deleted instance lives on, so that a switchover can come before its end: the chart's default."""
_CONTROLLER_IMAGE: Final = "memgraph-ha-controller:sandbox"
_SIDECAR_IMAGE: Final = "memgraph-ha-sidecar:sandbox"
_MEMGRAPH_IMAGE: Final = "memgraph/memgraph:sandbox"
_RESEED_SCRIPT: Final = Path(__file__).parents[1] / "charts" / "memgraph-ha" / "files" / "reseed.sh"
_APP: Final = "import signal; signal.pause()"


def _field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _labels(component: str) -> dict[str, str]:
    return {"app.kubernetes.io/instance": RELEASE, names.COMPONENT_LABEL: component}


def namespaces() -> list[Object]:
    """The release's own, and the apps', whose pods get sidecars."""
    return [
        {"metadata": {"name": RELEASE}},
        {"metadata": {"name": APPS_NAMESPACE, "labels": {names.INJECT_LABEL: names.INJECT_ENABLED}}},
    ]


def release(kubeconfig: str, controller_command: Sequence[str], memgraphs: int) -> list[tuple[str, Object]]:
    """Everything in the release's namespace and the webhook's configuration, as (plural, object)."""
    return [
        ("roles", _sidecar_role()),
        ("rolebindings", _sidecar_binding()),
        ("configmaps", _init_file()),
        ("statefulsets", _memgraphs(memgraphs)),
        ("deployments", _deployment("controller", 2, _controller(kubeconfig, controller_command))),
        ("services", _webhook_service()),
        ("deployments", _deployment("webhook", 1, _webhook(kubeconfig))),
    ]


def webhook_configuration() -> Object:
    """Which pods are admitted by whom."""
    enabled = {"key": names.INJECT_LABEL, "operator": "In", "values": [names.INJECT_ENABLED]}
    elsewhere = enabled | {"operator": "NotIn"}
    not_disabled = {"key": names.INJECT_LABEL, "operator": "NotIn", "values": [names.INJECT_DISABLED]}
    not_ours = {"key": names.COMPONENT_LABEL, "operator": "DoesNotExist"}
    common = {
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "service": {"name": f"{RELEASE}-webhook", "namespace": RELEASE, "path": "/inject", "port": 443}
        },
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "failurePolicy": "Fail",
        "timeoutSeconds": 5,
        "sideEffects": "None",
    }
    webhooks = [
        {
            "name": name,
            "namespaceSelector": {"matchExpressions": [namespace]},
            "objectSelector": {"matchExpressions": [pod, not_ours]},
            **common,
        }
        for name, namespace, pod in (
            (names.WEBHOOK_NAME, enabled, not_disabled),
            (f"pod.{names.WEBHOOK_NAME}", elsewhere, enabled),
        )
    ]
    return {"metadata": {"name": RELEASE}, "webhooks": webhooks}


def waiting_app(number: int) -> Object:
    """An app pod that does nothing: its sidecar is for programs outside."""
    container = {
        "name": "app",
        "image": "app:sandbox",
        "command": ["python", "-c", _APP],
        "env": [{"name": "MEMGRAPH_URI", "value": f"bolt://localhost:{names.READ_WRITE_PORT}"}],
    }
    return {"metadata": {"name": f"app-{number}"}, "spec": {"containers": [container]}}


def _init_file() -> Object:
    line = f"SET REPLICATION ROLE TO REPLICA WITH PORT {names.REPLICATION_PORT};\n"
    # Twice: Memgraph only logs a line that fails (P-N1).
    data = {"init.cypherl": line * 2, "reseed.sh": _RESEED_SCRIPT.read_text()}
    return {"metadata": {"name": f"{RELEASE}-init"}, "data": data}


def _sidecar_role() -> Object:
    state = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [names.state_config_map(RELEASE)]}
    return {"metadata": {"name": f"{RELEASE}-sidecar"}, "rules": [{**state, "verbs": ["get", "watch"]}]}


def _sidecar_binding() -> Object:
    group = "rbac.authorization.k8s.io"
    return {
        "metadata": {"name": f"{RELEASE}-sidecar"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": f"{RELEASE}-sidecar"},
        "subjects": [{"apiGroup": group, "kind": "Group", "name": "system:serviceaccounts"}],
    }


def _memgraphs(replicas: int) -> Object:
    container = {
        "name": "memgraph",
        "image": _MEMGRAPH_IMAGE,
        "args": [
            "--bolt-address=$(POD_IP)",
            f"--bolt-port={names.READ_WRITE_PORT}",
            "--data-directory=/var/lib/memgraph/mg_data",
            "--init-file=/etc/memgraph-ha/init.cypherl",
            "--replication-restore-state-on-startup=false",  # P-N2
            "--storage-wal-enabled=true",
            "--storage-wal-file-flush-every-n-tx=1",  # P-N3
            "--log-level=INFO",
            f"--sim-admin-port={SIM_ADMIN_PORT}",
        ],
        "env": [_field("POD_IP", "status.podIP")],
        "ports": [
            {"name": names.BOLT_PORT_NAME, "containerPort": names.READ_WRITE_PORT},
            {"name": names.REPLICATION_PORT_NAME, "containerPort": names.REPLICATION_PORT},
            {"name": SIM_ADMIN_PORT_NAME, "containerPort": SIM_ADMIN_PORT},
        ],
        "readinessProbe": {"tcpSocket": {"port": names.BOLT_PORT_NAME}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_S}}},
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/memgraph"},
            {"name": "init", "mountPath": "/etc/memgraph-ha", "readOnly": True},
        ],
    }
    spec = {
        "terminationGracePeriodSeconds": 10,
        "readinessGates": [{"conditionType": names.IN_SYNC_CONDITION}],
        "initContainers": [_reseed()],
        "containers": [container],
        "volumes": [
            {"name": "init", "configMap": {"name": f"{RELEASE}-init"}},
            {"name": "orders", "configMap": {"name": names.reseed_config_map(RELEASE), "optional": True}},
            {"name": "state", "configMap": {"name": names.state_config_map(RELEASE), "optional": True}},
        ],
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return {
        "metadata": {"name": RELEASE, "labels": _labels("memgraph")},
        "spec": {
            "serviceName": f"{RELEASE}-nodes",
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": _labels("memgraph")},
            "template": {"metadata": {"labels": _labels("memgraph")}, "spec": spec},
            "volumeClaimTemplates": [claim],
        },
    }


def _reseed() -> Object:
    return {
        "name": "reseed",
        "image": _MEMGRAPH_IMAGE,
        "command": ["/bin/sh", "/etc/memgraph-ha/reseed.sh"],
        "args": ["/var/lib/memgraph", "/etc/memgraph-ha-orders", "/etc/memgraph-ha-state"],
        "env": [_field("POD_NAME", "metadata.name"), _field("POD_UID", "metadata.uid")],
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/memgraph"},
            {"name": "init", "mountPath": "/etc/memgraph-ha", "readOnly": True},
            {"name": "orders", "mountPath": "/etc/memgraph-ha-orders", "readOnly": True},
            {"name": "state", "mountPath": "/etc/memgraph-ha-state", "readOnly": True},
        ],
    }


def _deployment(component: str, replicas: int, container: Object) -> Object:
    spec = {"terminationGracePeriodSeconds": 10, "containers": [container]}
    return {
        "metadata": {"name": f"{RELEASE}-{component}", "labels": _labels(component)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": _labels(component)},
            "template": {"metadata": {"labels": _labels(component)}, "spec": spec},
        },
    }


def _controller(kubeconfig: str, command: Sequence[str]) -> Object:
    return {
        "name": "controller",
        "image": _CONTROLLER_IMAGE,
        "command": list(command),
        "env": [
            _field("POD_NAME", "metadata.name"),
            _field("POD_NAMESPACE", "metadata.namespace"),
            _field("MEMGRAPH_HA_HTTP_ADDRESS", "status.podIP"),
            {"name": "MEMGRAPH_HA_HTTP_PORT", "value": str(CONTROLLER_PORT)},
            {"name": "MEMGRAPH_HA_RELEASE", "value": RELEASE},
            {"name": "MEMGRAPH_HA_REGISTER_BY", "value": "ip"},
            {"name": "MEMGRAPH_HA_SIDECAR_IMAGE", "value": _SIDECAR_IMAGE},
            {"name": "KUBECONFIG", "value": kubeconfig},
        ],
        "ports": [{"name": "http", "containerPort": CONTROLLER_PORT}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
    }


def _webhook(kubeconfig: str) -> Object:
    return {
        "name": "webhook",
        "image": _CONTROLLER_IMAGE,
        "command": ["python", "-m", "webhook"],
        "env": [
            _field("POD_NAMESPACE", "metadata.namespace"),
            _field("POD_IP", "status.podIP"),
            _field("MEMGRAPH_HA_WEBHOOK_ADDRESS", "status.podIP"),
            {"name": "MEMGRAPH_HA_WEBHOOK_PORT", "value": str(WEBHOOK_PORT)},
            {"name": "MEMGRAPH_HA_RELEASE", "value": RELEASE},
            {"name": "MEMGRAPH_HA_SIDECAR_IMAGE", "value": _SIDECAR_IMAGE},
            {"name": "KUBECONFIG", "value": kubeconfig},
        ],
        "ports": [{"name": HTTPS_PORT_NAME, "containerPort": WEBHOOK_PORT}],
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": HTTPS_PORT_NAME, "scheme": "HTTPS"},
            "periodSeconds": 1,
        },
    }


def _webhook_service() -> Object:
    return {
        "metadata": {"name": f"{RELEASE}-webhook"},
        "spec": {
            "selector": _labels("webhook"),
            "ports": [{"name": HTTPS_PORT_NAME, "port": 443, "targetPort": HTTPS_PORT_NAME}],
        },
    }
