"""Putting it together: control plane, DNS, nodes, volumes. Runs within the namespaces made by `outside`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from envtest import binaries, credentials, versions
from envtest.control_plane import ControlPlane, control_plane
from envtest.failure import DidNotStart
from envtest.program import Running

from pods import network, node, policies, settings
from pods.layout import CONTROL_PLANE, SERVICES, NodeLayout, layouts
from pods.waiting import until

READY_S = 180.0
"""Nodes are Ready in some 10 s on idle cores; importing the images comes before, and is most of it."""
VOLUMES = 60
"""Nobody makes volumes here: enough for every test's releases, and for those reinstalled on fresh ones."""
_FLAGS = (
    "--bind-address=0.0.0.0", "--endpoint-reconciler-type=lease", f"--service-cluster-ip-range={SERVICES}",
    "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
    # Names of nodes are in no DNS.
    "--kubelet-preferred-address-types=InternalIP",
    # Webhooks by their pods' addresses: no kube-proxy runs where the API server does.
    "--enable-aggregator-routing=true",
)  # fmt: skip
_PROXY = "kube-proxy"
_DNS = "coredns"


@contextmanager
def cluster(folder: Path, images: Sequence[Path], plugins: str, version: str) -> Iterator[dict[str, str]]:
    """A cluster in `folder`, its nodes Ready; the environment that finds it. Raises Unavailable, DidNotStart."""
    nodes = layouts(folder)
    network.lay(nodes)
    users = {one.name: (f"system:node:{one.name}", "system:nodes") for one in nodes}
    users |= {_PROXY: ("system:kube-proxy", ""), _DNS: ("dns", "system:masters")}
    users |= {policies.PROGRAM: (policies.PROGRAM, "system:masters")}
    home = folder / "control-plane"
    home.mkdir()
    with control_plane(
        home, version=version, flags=_FLAGS, controller_manager=True, scheduler=True, users=users
    ) as plane:
        environment = {"KUBECONFIG": str(plane.kubeconfig), "PODS_LOCAL": str(folder), "PATH": _path(folder, version)}
        kubectl = _kubectl(environment)
        kubectl("apply", "-f", "-", content={"apiVersion": "v1", "kind": "List", "items": _storage(folder)})
        for one in nodes:
            _kubeconfigs(plane, one)
            node.prepare(one, version, images, plugins)
            node.boot(one)
        _start_dns(plane)
        _wait_for(nodes, kubectl)
        yield environment


def _path(folder: Path, version: str) -> str:
    """The machine's own, after a folder with the versions of kubectl and helm that the tests are written for."""
    own = folder / "bin"
    own.mkdir()
    for name in (versions.KUBECTL, "helm"):
        (own / name).symlink_to(binaries.find(name, version))
    return f"{own}:{os.environ['PATH']}"


def _kubeconfigs(plane: ControlPlane, one: NodeLayout) -> None:
    one.folder.mkdir()
    url = f"https://{CONTROL_PLANE}:{plane.port}"
    for program, user in (("kubelet", one.name), (_PROXY, _PROXY), (policies.PROGRAM, policies.PROGRAM)):
        target = one.folder / f"{program}.kubeconfig"
        credentials.kubeconfig(target, url, plane.ca, plane.token_of(user))


def _start_dns(plane: ControlPlane) -> None:
    kubeconfig = plane.kubeconfig_for(plane.token_of(_DNS), _DNS)
    corefile = plane.folder / "Corefile"
    corefile.write_text(settings.coredns(str(kubeconfig)))
    Running(binaries.find(_DNS, plane.version), [f"-conf={corefile}"], plane.folder / "coredns.log")


def _storage(folder: Path) -> list[dict[str, Any]]:
    """A class whose volumes are there already, on a disk that every node reaches."""
    (folder / "volumes").mkdir()
    items: list[dict[str, Any]] = [{
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "kubernetes.io/no-provisioner",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    }]  # fmt: skip
    for number in range(VOLUMES):
        place = folder / "volumes" / str(number)
        place.mkdir()
        place.chmod(0o777)  # the kubelet gives a hostPath to nobody, and Memgraph is not root
        items.append({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"volume-{number}"},
            "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
                     "hostPath": {"path": str(place)}, "persistentVolumeReclaimPolicy": "Retain"},
        })  # fmt: skip
    return items


class _Kubectl:
    """The command, as the administrator."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = {**os.environ, **environment}

    def __call__(self, *arguments: str, content: dict[str, Any] | None = None) -> str:
        """What it printed. Raises DidNotStart with what it said instead."""
        given = json.dumps(content) if content else None
        command = ["kubectl", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, env=self._environment, check=False)
        if done.returncode != 0:
            raise DidNotStart(f"{' '.join(command)} failed: {done.stderr}")
        return done.stdout


def _kubectl(environment: dict[str, str]) -> _Kubectl:
    return _Kubectl(environment)


def _wait_for(nodes: Sequence[NodeLayout], kubectl: _Kubectl) -> None:
    query = '{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}'
    wanted = {f"{one.name}=True" for one in nodes}
    seen: set[str] = set()

    def ready() -> bool:
        for one in nodes:
            node.first_process(one)  # says what ended it, if something did
        seen.clear()
        seen.update(kubectl("get", "nodes", "-o", f"jsonpath={query}").split())
        return wanted <= seen

    until(ready, READY_S, lambda: f"nodes not Ready: {sorted(seen) or 'none'}; their logs: {nodes[0].folder}/*.log")
