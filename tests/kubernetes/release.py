"""Our chart on a real API server: rendered by Helm's own engine, applied strictly, and its accounts' tokens."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml
from envtest.audit import Event
from helm_python import Chart
from plain_client import Object, PlainClient

CHART = Path(__file__).parents[2] / "charts" / "memgraph-ha"
APPLY = "application/apply-patch+yaml"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_PATHS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps", "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts", "Role": _RBAC + "/namespaces/{}/roles",
    "RoleBinding": _RBAC + "/namespaces/{}/rolebindings", "ClusterRole": _RBAC + "/clusterroles",
    "ClusterRoleBinding": _RBAC + "/clusterrolebindings", "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
}  # fmt: skip
Right = tuple[str, str, str, str]
"""(group, resource with its subresource, name or *, verb)."""


def render(name: str, namespace: str, values: Object | None = None) -> list[Object]:
    """Every object of the release."""
    with Chart.load(CHART) as chart:
        files = chart.render(values or {}, name=name, namespace=namespace)
    texts = [text for path, text in files.items() if path.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def path_of(obj: Object) -> str:
    """Where an object lives."""
    metadata = obj["metadata"]
    return f"{_PATHS[obj['kind']].format(metadata.get('namespace', ''))}/{metadata['name']}"


def apply(admin: PlainClient, objects: Iterable[Object]) -> None:
    """As `helm upgrade --install` does it: server-side, with unknown and doubled fields refused."""
    for obj in objects:
        answer = admin.patch(path_of(obj), obj, APPLY, fieldManager="helm", fieldValidation="Strict", force="true")
        assert answer.code in (200, 201), (path_of(obj), answer.body)
        assert answer.warnings == [], path_of(obj)


def remove(admin: PlainClient, objects: Iterable[Object]) -> None:
    """As `helm uninstall` does it."""
    for obj in objects:
        answer = admin.delete(path_of(obj), {"propagationPolicy": "Background"})
        assert answer.code in (200, 202), (path_of(obj), answer.body)


def rights(objects: Iterable[Object], *roles: tuple[str, str]) -> set[Right]:
    """What these roles (kind, name) allow."""
    return {
        (group, resource, name, verb)
        for role in objects
        if (role["kind"], role["metadata"]["name"]) in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ["*"])
        for verb in rule["verbs"]
    }


def used(events: Iterable[Event], granted: set[Right]) -> set[Right]:
    """What was asked for, in the words of `granted`: names only where rights are by name."""
    by_name = {(group, resource) for group, resource, name, _ in granted if name != "*"}
    found = set()
    for event in events:
        if not event.resource:
            continue  # /version and the like are open to everybody
        resource = f"{event.resource}/{event.subresource}" if event.subresource else event.resource
        name = event.name or _selected(event.uri)
        named = (event.group, resource) in by_name and event.verb != "create"
        found.add((event.group, resource, name if named else "*", event.verb))
    return found


def _selected(uri: str) -> str:
    _, _, rest = uri.partition("fieldSelector=metadata.name%3D")
    return rest.partition("&")[0]
