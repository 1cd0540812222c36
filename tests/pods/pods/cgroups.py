"""Control groups for the nodes' pods, under v1 controllers or the one tree of v2; removed when nothing runs in them."""

from __future__ import annotations

from pathlib import Path

from pods.layout import NodeLayout

ROOT = Path("/sys/fs/cgroup")
_CPUSET = ("cpuset.cpus", "cpuset.mems")
_V2 = "+cpu +memory +pids +cpuset +io"


def unified() -> bool:
    """Whether this machine has v2 only."""
    return (ROOT / "cgroup.controllers").exists()


def make(node: NodeLayout) -> None:
    """A second kubelet on one kernel must not share the first one's groups."""
    parts = node.cgroup.strip("/").split("/")
    for base in [ROOT] if unified() else _controllers():
        group = base
        for part in parts:
            if unified():
                (group / "cgroup.subtree_control").write_text(_V2)
            above, group = group, group / part
            group.mkdir(exist_ok=True)
            # v1 gives a new group no processors at all, and nothing can run in it.
            for name in () if unified() else _CPUSET:
                if (group / name).exists():
                    (group / name).write_text((above / name).read_text())


def sweep(cluster: str) -> None:
    """Remove what a cluster whose processes are gone has left."""
    for base in [ROOT] if unified() else _controllers():
        top = base / cluster
        if top.is_dir():
            for group in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
                group.rmdir()
            top.rmdir()


def _controllers() -> list[Path]:
    """Two names of one controller (cpu, cpuacct) may lead to one folder; making a group twice is no harm."""
    return sorted(path for path in ROOT.iterdir() if path.is_dir() and (path / "cgroup.procs").exists())
