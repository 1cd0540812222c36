"""What this machine has to have, and the command that brings what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

PROGRAMS = {
    "containerd": "containerd", "ctr": "containerd", "runc": "runc", "buildah": "buildah", "debootstrap": "debootstrap",
    "nft": "nftables", "ip": "iproute2", "conntrack": "conntrack", "nsenter": "util-linux", "unshare": "util-linux",
    "sysctl": "procps",
}  # fmt: skip
"""Each program, and the Debian package that brings it."""
PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")
"""Where distributions, and everybody else, put the plugins of the container network interface."""
_PLUGINS_PACKAGE = "containernetworking-plugins"


def missing(which: Callable[[str], str | None], system: str, user: int, plugins: str) -> list[str]:
    """Sentences, each about one thing that has to change; none: it can run here."""
    found = []
    if system != "linux":
        return ["Pods need Linux. Elsewhere: USE_EXISTING_CLUSTER=true and KUBECONFIG run the same tests in a cluster."]
    if user != 0:
        found.append("It makes namespaces, mounts and control groups, which only root may; next: sudo make pods")
    packages = {package for program, package in PROGRAMS.items() if which(program) is None}
    if not plugins:
        packages.add(_PLUGINS_PACKAGE)
    if packages:
        names = " ".join(sorted(packages))
        found.append(f"Not installed: {names}; next: apt-get install --no-install-recommends {names}")
    return found


def plugins() -> str:
    """The folder with the plugins, or ""."""
    return next((folder for folder in PLUGINS if Path(folder, "ptp").exists()), "")


def here() -> list[str]:
    """`missing` on this machine."""
    return missing(lambda name: shutil.which(name), sys.platform, os.geteuid(), plugins())
