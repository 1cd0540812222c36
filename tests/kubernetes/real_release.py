"""A release of ours on a real control plane: its objects, its accounts, its document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from existing import Existing
from plain_client import Object, PlainClient
from real import AnyCluster, account_token, admin_of, make_default_account
from release import APPLY, RESTRICTED, apply, path_of, render


@dataclass(frozen=True, slots=True)
class Release:
    """An applied release (without controller-manager no pod comes of it) and a namespace for apps."""

    cluster: AnyCluster
    admin: PlainClient
    name: str
    namespace: str
    objects: list[Object]

    def account(self, program: str) -> str:
        """The name by which the API server knows the program."""
        return f"system:serviceaccount:{self.namespace}:{self.name}-{program}"

    def kubeconfig(self, program: str, url: str = "") -> Path:
        """For the program's own service account; `url` may lead through a proxy."""
        token = account_token(self.admin, self.namespace, f"{self.name}-{program}")
        return self.cluster.kubeconfig_for(token, f"{self.namespace}-{program}", url)

    def path(self, resource: str, name: str = "") -> str:
        """Of an object of the core group in the release's namespace."""
        return f"/api/v1/namespaces/{self.namespace}/{resource}" + (f"/{name}" if name else "")

    def put(self, name: str, data: dict[str, str]) -> None:
        """Write a ConfigMap, whether or not it is there."""
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        answer = self.admin.patch(self.path("configmaps", name), body, APPLY, fieldManager="test", force="true")
        assert answer.code in (200, 201), answer.body


def installed(
    cluster: AnyCluster,
    name: str,
    namespace: str,
    *,
    without: tuple[str, ...] = (),
    restricted: bool = True,
    values: Object | None = None,
) -> Release:
    """Apply the chart's objects, but for some kinds. Not `restricted`: a test makes pods of its own.

    Every service account may read the document, unless `values` say otherwise: no controller would let it.
    """
    admin = admin_of(cluster)
    chosen = {"rbac": {"clientAccess": "allServiceAccounts"}} if values is None else values
    objects = [obj for obj in render(name, namespace, chosen) if obj["kind"] not in without]
    if isinstance(cluster, Existing):
        # Its nodes would start our programs, which would act against the test.
        objects = [obj for obj in objects if obj["kind"] not in ("Deployment", "StatefulSet")]
        outside = [path_of(obj) for obj in objects if "namespace" not in obj["metadata"]]
        cluster.needs_free([f"/api/v1/namespaces/{namespace}", *outside])
    admin.made("/api/v1/namespaces", {"metadata": {"name": namespace, "labels": RESTRICTED if restricted else {}}})
    make_default_account(admin, namespace)
    apply(admin, objects)
    return Release(cluster, admin, name, namespace, objects)
