"""Names, addresses and folders of a cluster: everything that two parts of it must agree on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# From 198.18.0.0/15, which is set aside for tests of networks: no address of a real network can be hidden by them.
CONTROL_PLANE = "198.18.0.1"
PODS = "198.18.0.0/16"
SERVICES = "198.19.0.0/16"
DOMAIN = "cluster.local"
BRIDGE = "nodes"
PAUSE_IMAGE = "localhost/pause:test"
NODES = 3
"""One for each instance of a default installation, so that each can lose its node alone."""


@dataclass(frozen=True, slots=True)
class NodeLayout:
    """One node's names, addresses and folder."""

    number: int
    cluster: Path

    @property
    def name(self) -> str:
        """Also its network namespace's."""
        return f"node-{self.number}"

    @property
    def address(self) -> str:
        """On the bridge that joins the nodes and the control plane."""
        return f"198.18.0.{10 + self.number}"

    @property
    def pods(self) -> str:
        """Its pods' addresses."""
        return f"198.18.{self.number}.0/24"

    @property
    def link(self) -> str:
        """The bridge's end of its cable."""
        return f"to-{self.name}"

    @property
    def folder(self) -> Path:
        """What is on its disk."""
        return self.cluster / self.name

    @property
    def cgroup(self) -> str:
        """Where the control groups of its pods are; the cluster's folder names them, so a sweep finds them."""
        return f"/{self.cluster.name}/{self.name}"

    @property
    def pid_file(self) -> Path:
        """Holds the id of the process whose end is the node's."""
        return self.folder / "pid"


def layouts(cluster: Path, count: int = NODES) -> list[NodeLayout]:
    """All nodes of a cluster in this folder."""
    return [NodeLayout(number, cluster) for number in range(1, count + 1)]
