"""Control groups for the nodes' pods, under v1 controllers or the one tree of v2; removed when nothing runs in them."""

from __future__ import annotations

import errno
from pathlib import Path

from pods.layout import NodeLayout
from pods.waiting import until

ROOT = Path("/sys/fs/cgroup")
_CPUSET = ("cpuset.cpus", "cpuset.mems")
EMPTY_S = 30.0
"""A process that was killed leaves its group some time after its parent heard of its end."""
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
            for group in [*sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True), top]:
                _remove(group)


def _remove(group: Path) -> None:
    def removed() -> bool:
        try:
            group.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
        return True

    until(removed, EMPTY_S, lambda: f"{group} is not empty")


def _controllers() -> list[Path]:
    """Two names of one controller (cpu, cpuacct) may lead to one folder; making a group twice is no harm."""
    return sorted(path for path in ROOT.iterdir() if path.is_dir() and (path / "cgroup.procs").exists())
