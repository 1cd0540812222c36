"""Which programs there are, which module pins each, and how each is built."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module, its version, and which of its packages is the program ("" for its root)."""

    path: str
    version: str
    main: str = ""

    @property
    def package(self) -> str:
        """The package that is the program's `main`."""
        return f"{self.path}/{self.main}".rstrip("/")


MODULES = Path(__file__).parents[1] / "modules"
DEFAULT_KUBERNETES = "1.34.4"
OTHERS = {
    "etcd": Module("go.etcd.io/etcd/server/v3", "3.6.16"),
    "coredns": Module("github.com/coredns/coredns", "1.15.0"),
    "helm": Module("helm.sh/helm/v4", "4.3.1", "cmd/helm"),
    "helm3": Module("helm.sh/helm/v3", "3.22.0", "cmd/helm"),
    # What makes NetworkPolicies count; of it only that part runs.
    "kube-router": Module("github.com/cloudnativelabs/kube-router/v2", "2.1.0", "cmd/kube-router"),
}
"""Programs with versions of their own; each is one for all versions of Kubernetes."""
API_SERVER, CONTROLLER_MANAGER, SCHEDULER = "kube-apiserver", "kube-controller-manager", "kube-scheduler"
KUBELET, KUBE_PROXY, KUBECTL = "kubelet", "kube-proxy", "kubectl"
OF_KUBERNETES = (API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KUBELET, KUBE_PROXY, KUBECTL)
"""What its module pins: all that `cmd/` has of use here."""
CLIENTS = (KUBECTL, "helm", "helm3")
"""What a person or a tool installs with."""


@dataclass(frozen=True, slots=True)
class Program:
    """A Go program: its name, the package that is its `main`, and the folder with the module that pins it."""

    name: str
    package: str
    module: Path
    version: str

    @property
    def key(self) -> str:
        """Names what was built: the version, and everything that go.sum pins."""
        digest = hashlib.sha256((self.module / "go.sum").read_bytes()).hexdigest()[:12]
        return f"{self.version}-{digest}"

    @property
    def link_flags(self) -> str:
        """Without them the API server calls itself v0.0.0, and clients misjudge it."""
        if self.name in OTHERS:
            return "-s -w"
        major, minor = self.version.split(".")[:2]
        where = "k8s.io/component-base/version"
        return f"-s -w -X {where}.gitVersion=v{self.version} -X {where}.gitMajor={major} -X {where}.gitMinor={minor}"

    @property
    def go_at_least(self) -> str:
        """The `go` line of its module."""
        found = re.search(r"^go (\S+)$", (self.module / "go.mod").read_text(), re.MULTILINE)
        assert found is not None, "every go.mod has one"
        return found[1]


def wanted() -> str:
    """The Kubernetes version asked for by KUBERNETES_VERSION."""
    return os.environ.get("KUBERNETES_VERSION", "").removeprefix("v") or DEFAULT_KUBERNETES


def pinned() -> list[str]:
    """Every Kubernetes version that is pinned here, the oldest first."""
    found = [path.name.removeprefix("kubernetes-") for path in MODULES.glob("kubernetes-*")]
    return sorted(found, key=lambda version: tuple(int(part) for part in version.split(".")))


def program(name: str, version: str) -> Program:
    """A program by its name; `version` is Kubernetes', also for one of `OTHERS`, which does not heed it."""
    if other := OTHERS.get(name):
        return Program(name, other.package, MODULES / f"{name}-{other.version}", other.version)
    return Program(name, f"k8s.io/kubernetes/cmd/{name}", MODULES / f"kubernetes-{version}", version)
