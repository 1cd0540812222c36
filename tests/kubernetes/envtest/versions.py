"""Which programs there are, which module pins each, and how each is built."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parents[1] / "modules"
DEFAULT_KUBERNETES = "1.34.4"
ETCD = "3.6.16"
API_SERVER, CONTROLLER_MANAGER, SCHEDULER = "kube-apiserver", "kube-controller-manager", "kube-scheduler"


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
        if self.name == "etcd":
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
    """A program by its name; `version` is Kubernetes', also for etcd, which has one of its own for all of them."""
    if name == "etcd":
        return Program(name, "go.etcd.io/etcd/server/v3", MODULES / f"etcd-{ETCD}", ETCD)
    return Program(name, f"k8s.io/kubernetes/cmd/{name}", MODULES / f"kubernetes-{version}", version)
