"""What this machine has to have: rights, which nothing can bring, and programs, which a package manager does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from envtest.failure import Unavailable

from pods import cgroups

PROGRAMS = {
    "containerd": "containerd", "ctr": "containerd", "runc": "runc", "buildah": "buildah", "debootstrap": "debootstrap",
    "nft": "nftables", "ip": "iproute2", "conntrack": "conntrack", "nsenter": "util-linux", "unshare": "util-linux",
    "sysctl": "procps", "iptables": "iptables", "ipset": "ipset",
}  # fmt: skip
"""Each program, and the Debian package that brings it."""
PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")
"""Where distributions, and everybody else, put the plugins of the container network interface."""
_PLUGINS_PACKAGE = "containernetworking-plugins"


_MOUNT = ("mount", "-t", "tmpfs", "tmpfs", "/mnt")
_APT_S = 600.0
"""Eighty packages on a machine that has none of them, through a slow mirror."""


def impossible(system: str, user: int, refused: str) -> str:
    """Why no command could make pods run here; "": one can. `refused` is what the kernel said to new namespaces."""
    if system != "linux":
        return "Pods need Linux. Elsewhere: USE_EXISTING_CLUSTER=true and KUBECONFIG run the same tests in a cluster."
    if user != 0:
        return "It makes namespaces, mounts and control groups, which only root may; next: sudo make pods"
    if refused:
        return f"This machine's kernel, or the container this is, allows no new namespaces or control groups: {refused}"
    return ""


def missing(which: Callable[[str], str | None], plugins: str) -> list[str]:
    """The Debian packages that have to come."""
    packages = {package for program, package in PROGRAMS.items() if which(program) is None}
    if not plugins:
        packages.add(_PLUGINS_PACKAGE)
    return sorted(packages)


def plugins() -> str:
    """The folder with the plugins, or ""."""
    return next((folder for folder in PLUGINS if Path(folder, "ptp").exists()), "")


def here() -> str:
    """`impossible` on this machine."""
    return impossible(sys.platform, os.geteuid(), _refused() if sys.platform == "linux" and os.geteuid() == 0 else "")


def install(say: Callable[[str], None]) -> None:
    """Bring what is missing, by apt-get where there is one. Raises Unavailable."""
    packages = missing(lambda name: shutil.which(name), plugins())
    if not packages:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None:
        raise Unavailable(f"Not installed: {' '.join(packages)} (Debian's names); next: install them")
    say(f"Installing: {' '.join(command)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update"], command):
        done = subprocess.run(step, env=environment, capture_output=True, text=True, check=False, timeout=_APT_S)
        # A source that can't be reached is a warning of `update`; whether it was needed, `install` finds out.
        if done.returncode and step is command:
            raise Unavailable(f"{' '.join(step)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")


def _refused() -> str:
    """What the kernel says to a namespace with a mount, a network and a control group in it; "": nothing against it."""
    group = cgroups.ROOT / f"memgraph-ha-pods-probe-{os.getpid()}"
    # Of v1's hierarchies one is enough.
    if not cgroups.unified():
        group = cgroups.ROOT / "pids" / group.name
    try:
        group.mkdir()
        group.rmdir()
    except OSError as error:
        return str(error)
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", *_MOUNT]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""
