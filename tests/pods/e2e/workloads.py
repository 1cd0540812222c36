"""The apps of the tests: a Deployment, a StatefulSet and Jobs of one program, in a namespace that asks for sidecars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plain_client import Object

PROGRAM = Path(__file__).parent / "programs" / "app.py"
PORT = 8000
LABEL = "e2e.memgraph-ha.io/app"
"""On every pod that has a ledger."""
CONTAINER = "app"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
INJECTED = {"memgraph-ha.io/inject": "enabled"}


def namespace(name: str, **labels: str) -> Object:
    """Under the strictest Pod Security."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {**RESTRICTED, **labels}}}


def program(namespace_name: str) -> Object:
    """The ConfigMap that is mounted into the apps."""
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app", "namespace": namespace_name},
        "data": {"app.py": PROGRAM.read_text()},
    }  # fmt: skip


def deployment(namespace_name: str, name: str, image: str, replicas: int, **environment: str) -> Object:
    """Pods that write until they are told to end."""
    return _workload("Deployment", namespace_name, name, image, environment) | {
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {LABEL: name}},
            # One goes when its successor is there: the app as a whole never stops.
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": template(name, image, environment),
        }
    }


def stateful_set(namespace_name: str, name: str, image: str, replicas: int, **environment: str) -> Object:
    """The same, under names that stay."""
    return _workload("StatefulSet", namespace_name, name, image, environment) | {
        "spec": {
            "replicas": replicas, "serviceName": name, "selector": {"matchLabels": {LABEL: name}},
            "podManagementPolicy": "Parallel", "template": template(name, image, environment),
        }
    }  # fmt: skip


def job(namespace_name: str, name: str, image: str, **environment: str) -> Object:
    """Writes so often as COUNT says, and has to end then."""
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": namespace_name},
        "spec": {
            "backoffLimit": 0,
            "template": template(name, image, environment, restartPolicy="Never"),
        },
    }  # fmt: skip


def pod(namespace_name: str, name: str, image: str, labels: dict[str, str] | None = None, **environment: str) -> Object:
    """A bare one."""
    found = template(name, image, environment)
    found["metadata"] |= {"name": name, "namespace": namespace_name}
    found["metadata"]["labels"] |= labels or {}
    return {"apiVersion": "v1", "kind": "Pod", **found}


def template(name: str, image: str, environment: dict[str, str], **more: Any) -> dict[str, Any]:
    """A pod that knows nothing of memgraph-ha, but for the address."""
    variables: list[Object] = [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    variables += [{"name": key, "value": value} for key, value in environment.items()]
    container: Object = {
        "name": CONTAINER, "image": image, "imagePullPolicy": "IfNotPresent",
        "command": ["python", "/app/app.py"],
        "env": variables,
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "48Mi"}, "limits": {"memory": "192Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "app", "mountPath": "/app", "readOnly": True}],
    }  # fmt: skip
    spread = {
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchExpressions": [{"key": LABEL, "operator": "Exists"}]},
    }  # fmt: skip
    return {
        "metadata": {"labels": {LABEL: name}},
        "spec": {
            "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 40,
            "topologySpreadConstraints": [spread], "containers": [container],
            "volumes": [{"name": "app", "configMap": {"name": "app"}}], **more,
        },
    }  # fmt: skip


def _workload(kind: str, namespace_name: str, name: str, image: str, environment: dict[str, str]) -> Object:
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace_name}}
