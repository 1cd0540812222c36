"""A release of ours, installed with Helm as a person installs it, and what it says of itself."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plain_client import Object

from e2e import workloads
from e2e.cluster import CHART, Cluster, alive, apply, condition, kubectl, memgraph_ha, run
from e2e.waiting import Unanswered, until
from sidecar.contract import names
from sidecar.contract.state import Document, MalformedDocument, Phase, decode

SETTLED_S = 240.0
"""After a node's return: its pods' containers start again, and whoever diverged begins anew."""
HELM_S = 600
_DEFAULT_IMAGES = {
    "sidecar": "localhost/memgraph-ha-sidecar:test",
    "controller": "localhost/memgraph-ha-controller:test",
    "memgraph": "localhost/memgraph-simulated:test",
}


def image(part: str) -> str:
    """Of sidecar, controller or memgraph; PODS_SIDECAR_IMAGE and its like name others for another cluster."""
    return os.environ.get(f"PODS_{part.upper()}_IMAGE", _DEFAULT_IMAGES[part])


def values(**more: Any) -> dict[str, Any]:
    """Our images; shares that leave room for several releases on a small machine; else the chart's own."""
    images = {}
    for part in _DEFAULT_IMAGES:
        repository, _, tag = image(part).rpartition(":")
        images[part] = {"repository": repository, "tag": tag}
    share = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    return {"images": images, "memgraph": {"resources": share}, **more}


@dataclass(frozen=True, slots=True)
class Installation:
    """One release."""

    cluster: Cluster
    name: str
    namespace: str
    folder: Path
    adopted: str = ""
    """A StatefulSet that the release takes over; its pods have the label `app` with the same name. "": our own."""

    # ---- what a person does ------------------------------------------------------------------------------------

    def install(self, given: Object) -> None:
        """`helm install --wait` into a namespace under the restricted standard."""
        apply([workloads.namespace(self.namespace)])
        self._helm("install", given)

    def upgrade(self, given: Object, *, wait: bool = True) -> None:
        """`helm upgrade --wait`, or without waiting."""
        self._helm("upgrade", given, wait=wait)

    def roll_back(self) -> None:
        """`helm rollback --wait` to what was before the last upgrade."""
        run("helm", "rollback", self.name, "--namespace", self.namespace, "--wait", f"--timeout={HELM_S}s")

    def uninstall(self) -> None:
        """`helm uninstall --wait`."""
        run("helm", "uninstall", self.name, "--namespace", self.namespace, "--wait", f"--timeout={HELM_S}s")

    def roll_out(self, target: str, seconds: int) -> None:
        """`kubectl rollout restart`, and its end within so long."""
        self.kubectl("rollout", "restart", target)
        self.kubectl("rollout", "status", target, f"--timeout={seconds}s")

    def ask(self, command: str, *arguments: str) -> str:
        """`memgraph-ha COMMAND` for this release."""
        return memgraph_ha(command, *arguments, "-n", self.namespace, "--release", self.name)

    def kubectl(self, *arguments: str) -> str:
        """In the release's namespace."""
        return kubectl("-n", self.namespace, *arguments)

    def _helm(self, verb: str, given: Object, *, wait: bool = True) -> None:
        file = self.folder / f"{self.namespace}-values.json"
        file.write_text(json.dumps(given))
        run("helm", verb, self.name, str(CHART), "--namespace", self.namespace, "--values", str(file),
            *(["--wait", f"--timeout={HELM_S}s"] if wait else []))  # fmt: skip

    # ---- what there is -----------------------------------------------------------------------------------------

    def document(self) -> Document:
        """The published one. Raises Unanswered."""
        return decoded(self.cluster.read(self.path("configmaps", names.state_config_map(self.name))))

    def path(self, resource: str, name: str = "") -> str:
        """Of an object of the core group in the release's namespace."""
        return f"/api/v1/namespaces/{self.namespace}/{resource}" + (f"/{name}" if name else "")

    def pods(self, component: str) -> list[Object]:
        """Of memgraph, controller or webhook. Raises Unanswered."""
        selector = f"{names.INSTANCE_LABEL}={self.name},{names.COMPONENT_LABEL}={component}"
        if component == "memgraph" and self.adopted:
            selector = f"app={self.adopted}"
        return self.cluster.pods(self.namespace, selector)

    def pod(self, name: str) -> Object:
        """Raises Unanswered."""
        return self.cluster.read(self.path("pods", name))

    def main(self) -> Object:
        """The published main's pod. Raises Unanswered."""
        return self.pod(self.document().main_pod)

    def leader(self) -> Object:
        """The pod of the controller that holds the Lease. Raises Unanswered."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{names.lease(self.name)}"
        # POD_SOMETHING: a container that was started again is another holder.
        holder = str(self.cluster.read(path)["spec"].get("holderIdentity") or "nobody_")
        return self.pod(holder.rpartition("_")[0])

    def metrics(self, pod: str) -> dict[str, float]:
        """A controller's samples by name and labels. Raises Unanswered."""
        return samples(self.cluster.text(self.path("pods", f"{pod}:8080/proxy/metrics")))

    # ---- when all is well --------------------------------------------------------------------------------------

    def settle(self, seconds: float = SETTLED_S) -> Document:
        """Wait until a main is published and protected, everybody follows it, and every pod is Ready."""
        until(self.unsettled, seconds, f"release {self.namespace}/{self.name} settles")
        return self.document()

    def unsettled(self) -> str:
        """What is still missing; "" if nothing. Raises Unanswered."""
        document = self.document()
        wanted = {component: self._wanted(component) for component in ("memgraph", "controller", "webhook")}
        for component, number in wanted.items():
            pods = self.pods(component)
            ready = [pod for pod in pods if alive(pod) and condition(pod, "Ready") == "True"]
            if len(ready) != number or len(pods) != number:
                return f"{len(ready)} of {number} {component} pods Ready; {describe(pods)}"
        if document.phase is not Phase.SERVING or document.sync is None:
            return f"the document: {document.phase}, sync {document.sync}, {document.reason}: {document.message}"
        if len(document.read_addresses) != wanted["memgraph"] - 1:
            return f"{len(document.read_addresses)} instances can be read: {document.message}"
        if not alive(self.leader()):
            return "the leader is going"
        roles = sorted(str(pod["metadata"]["labels"].get(names.ROLE_LABEL)) for pod in self.pods("memgraph"))
        expected = ["main", *["replica"] * (wanted["memgraph"] - 2), "sync"]
        return "" if roles == expected else f"pods are labelled {roles}"

    def _wanted(self, component: str) -> int:
        kind, name = ("statefulsets", self.adopted or self.name)
        if component != "memgraph":
            kind, name = ("deployments", f"{self.name}-{component}")
        return int(self.cluster.read(f"/apis/apps/v1/namespaces/{self.namespace}/{kind}/{name}")["spec"]["replicas"])


def decoded(config_map: Object) -> Document:
    """Raises Unanswered: a reader waits for the next one."""
    try:
        return decode(config_map.get("data") or {})
    except MalformedDocument as error:
        raise Unanswered(f"the document is malformed: {error}") from error


def samples(exposition: str) -> dict[str, float]:
    """Prometheus' text format: `name{labels}` -> value."""
    found = {}
    for line in exposition.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.rpartition(" ")
            found[key] = float(value)
    return found


def describe(pods: Sequence[Object]) -> str:
    """One line on each, for a person."""
    return ", ".join(_one(pod) for pod in pods) or "none"


def _one(pod: Object) -> str:
    status = pod.get("status", {})
    words = [str(pod["metadata"]["name"]), str(status.get("phase"))]
    words += ["Terminating"] if "deletionTimestamp" in pod["metadata"] else []
    words += [f"not {c['type']}" for c in status.get("conditions", []) if c["status"] != "True"]
    for found in status.get("containerStatuses", []):
        waiting = found.get("state", {}).get("waiting", {}).get("reason", "")
        words += [f"{found['name']} {waiting}"] if waiting else []
        words += [f"{found['restartCount']} restarts"] if found["restartCount"] else []
    return " ".join(words) + f" on {pod['spec'].get('nodeName', 'no node')}"


def ready(pods: Sequence[Object]) -> bool:
    """Whether all of them are."""
    return all(alive(pod) and condition(pod, "Ready") == "True" for pod in pods)
