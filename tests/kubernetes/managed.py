"""What a release in a control plane with a controller-manager consists of: its pods, and every object there is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from plain_client import Object, PlainClient


def becomes(expected: object, seconds: float, look: Callable[[], object]) -> None:
    """Wait for what controllers will have done."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while (found := look()) != expected and time.monotonic() < deadline:
        pause.wait(0.2)
    assert found == expected


def pods(admin: PlainClient, namespace: str) -> dict[str, Object]:
    """By name; those that are being deleted don't count."""
    items = admin.get(f"/api/v1/namespaces/{namespace}/pods").body["items"]
    return {p["metadata"]["name"]: p for p in items if "deletionTimestamp" not in p["metadata"]}


def components(admin: PlainClient, namespace: str) -> dict[str, int]:
    """How many pods each component has."""
    found: dict[str, int] = {}
    for pod in pods(admin, namespace).values():
        component = pod["metadata"]["labels"]["memgraph-ha.io/component"]
        found[component] = found.get(component, 0) + 1
    return found


def everything(admin: PlainClient, namespace: str) -> set[str]:
    """`kind/name` of every object in the namespace, of every kind the API server has but Events."""
    found = set()
    named = [group["preferredVersion"]["groupVersion"] for group in admin.get("/apis").body["groups"]]
    for group in ["/api/v1", *(f"/apis/{name}" for name in named)]:
        for resource in admin.get(group).body["resources"]:
            if resource["namespaced"] and "list" in resource["verbs"]:
                items = admin.get(f"{group}/namespaces/{namespace}/{resource['name']}").body["items"]
                found |= {f"{resource['name']}/{item['metadata']['name']}" for item in items}
    return {one for one in found if not one.startswith("events/")}


def cluster_wide(admin: PlainClient, release: str) -> set[str]:
    """`kind/name` of what a release has outside of any namespace."""
    found = set()
    for path in (
        "rbac.authorization.k8s.io/v1/clusterroles",
        "rbac.authorization.k8s.io/v1/clusterrolebindings",
        "admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    ):
        items = [item["metadata"]["name"] for item in admin.get(f"/apis/{path}").body["items"]]
        found |= {f"{path.split('/')[-1]}/{name}" for name in items if f"{name}-".startswith(f"{release}-")}
    return found
