"""What most tests share: one release, apps that write through their sidecars, and everything they were told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from plain_client import Object
from pods.faults import Faults

from e2e import workloads
from e2e.cluster import Cluster, alive, apply, kubectl
from e2e.installation import Installation, describe, image, ready, samples
from e2e.ledgers import Ledgers, acknowledged_after
from e2e.publications import Publications
from e2e.timing import Timings
from e2e.waiting import until
from sidecar.contract import names
from sidecar.contract.state import Document

WEB, STORE = "web", "store"
_WEB_PODS: Final = 2
APPS_S: Final = 180.0
"""From creation to the first write; a pod needs some 4 s on idle cores."""
WRITES_S: Final = 120.0
"""A driver's own pause between two tries grows to some 30 s, and a hold lasts 20."""


@dataclass
class Scene:
    """One release and its apps."""

    cluster: Cluster
    installation: Installation
    apps: str
    """The apps' namespace."""
    ledgers: Ledgers
    publications: Publications
    timings: Timings
    local: Faults | None = None
    values: Object = field(default_factory=dict)
    """What the release was installed with, or upgraded to last."""

    def start_apps(
        self,
        labels: dict[str, str] | None = None,
        web: int = _WEB_PODS,
        store: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """A labelled namespace, a Deployment and a StatefulSet; they write when this returns."""
        app, more = image("controller"), environment or {}
        apply([workloads.namespace(self.apps, **workloads.INJECTED, **(labels or {})), workloads.program(self.apps)])
        stateful = workloads.stateful_set(self.apps, STORE, app, store, **more)
        apply([workloads.deployment(self.apps, WEB, app, web, **more), stateful])
        until(self._unready, APPS_S, f"the apps in {self.apps} are Ready with sidecars")
        self.all_write(time.time())

    def calm(self) -> Document:
        """Nothing is left of an earlier test: settled, every app writes, every sidecar follows."""
        document = self.installation.settle()
        until(self._unready, APPS_S, f"the apps in {self.apps} are Ready with sidecars")
        self.all_write(time.time())
        self.all_follow()
        return document

    def app_pods(self) -> list[Object]:
        """Those that live and should have a sidecar. Raises Unanswered."""
        return [pod for pod in self.cluster.pods(self.apps, f"{workloads.LABEL} in ({WEB},{STORE})") if alive(pod)]

    def all_write(self, moment: float, without: str = "") -> None:
        """Wait until each app (but for those on the node `without`) began a write after the moment, successfully."""

        def silent() -> str:
            books = {book.uid: book for book in self.ledgers.books()}
            late = []
            for pod in self.app_pods():
                book = books.get(pod["metadata"]["uid"])
                if pod["spec"].get("nodeName") == without:
                    continue
                if book is None or not acknowledged_after(book.records, moment):
                    last = book.records[-1] if book and book.records else None
                    late.append(f"{pod['metadata']['name']} does not: {last}")
            return "; ".join(late)

        until(silent, WRITES_S, f"every app in {self.apps} writes")

    def all_follow(self) -> None:
        """Wait until every sidecar acts on the epoch that is published."""

        def behind() -> str:
            epoch = self.installation.document().epoch
            found = {pod["metadata"]["name"]: self.sidecar(pod) for pod in self.app_pods()}
            late = {
                name: seen.get(names.METRIC_PREFIX + "sidecar_epoch")
                for name, seen in found.items()
                if seen.get(names.METRIC_PREFIX + "sidecar_epoch") != epoch
                or seen.get(names.METRIC_PREFIX + "sidecar_serving") != 1
            }
            return f"epoch {epoch} is published, and these are on another: {late}" if late else ""

        until(behind, WRITES_S, "every sidecar acts on the published epoch")

    def sidecar(self, pod: Object) -> dict[str, float]:
        """A sidecar's samples. Raises Unanswered."""
        path = f"/api/v1/namespaces/{self.apps}/pods/{pod['metadata']['name']}:{names.ADMIN_PORT}/proxy/metrics"
        return samples(self.cluster.text(path))

    def restart_apps(self) -> None:
        """`kubectl rollout restart` of both, and its end."""
        for target in (f"deployment/{WEB}", f"statefulset/{STORE}"):
            kubectl("-n", self.apps, "rollout", "restart", target)
        for target in (f"deployment/{WEB}", f"statefulset/{STORE}"):
            kubectl("-n", self.apps, "rollout", "status", target, "--timeout=300s")

    def _unready(self) -> str:
        wanted = 0
        for kind, name in (("deployments", WEB), ("statefulsets", STORE)):
            wanted += self.cluster.read(f"/apis/apps/v1/namespaces/{self.apps}/{kind}/{name}")["spec"]["replicas"]
        pods = self.app_pods()
        bare = [pod["metadata"]["name"] for pod in pods if not has_sidecar(pod)]
        if bare:
            return f"without a sidecar: {bare}"
        return "" if len(pods) == wanted and ready(pods) else describe(pods)


def has_sidecar(pod: Object) -> bool:
    """Whether it was injected."""
    return any(one["name"] == names.SIDECAR_CONTAINER for one in pod["spec"].get("initContainers", []))
