"""What a test can break in a cluster from outside of it."""

from __future__ import annotations

import json
import signal as signals
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from pods import network, node
from pods.layout import NodeLayout, layouts


class Faults(Protocol):
    """The ways in which nodes, containers and cables fail."""

    nodes: tuple[str, ...]

    def signal(self, namespace: str, pod: str, container: str, number: int) -> None:
        """Send a signal to a container's first process, from its node: within the container it would be ignored."""

    def cut_off(self, name: str) -> None:
        """Pull a node's cable."""

    def reconnect(self, name: str) -> None:
        """Plug it in again."""

    def fetch(self, name: str, url: str) -> str:
        """What a pod of this node answers to a GET from the node itself, be its cable pulled. "" if it does not."""

    def lose(self, name: str) -> None:
        """A node's power fails: everything on it ends at once."""

    def restore(self, name: str) -> None:
        """It boots again, with what is on its disk."""

    def partition(self, one: str, other: str) -> None:
        """Two addresses no longer hear each other; nobody is told."""

    def heal(self) -> None:
        """Every partition ends."""


class LocalFaults:
    """`Faults` of the cluster in this folder, for a process in its namespaces. Raises CalledProcessError."""

    def __init__(self, folder: Path) -> None:
        self._layouts: dict[str, NodeLayout] = {one.name: one for one in layouts(folder)}
        self._kubeconfig = folder / "control-plane" / "kubeconfig"
        self.nodes = tuple(self._layouts)

    def signal(self, namespace: str, pod: str, container: str, number: int) -> None:
        """Send a signal to a container's first process."""
        found = self._pod(namespace, pod)
        status = found["status"]
        every = [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
        identity = next(one["containerID"] for one in every if one["name"] == container)
        where = self._layouts[found["spec"]["nodeName"]]
        name = signals.Signals(number).name
        node.on(where, *node.CTR, "tasks", "kill", "--signal", name, identity.removeprefix("containerd://"))

    def cut_off(self, name: str) -> None:
        """Pull a node's cable."""
        network.plug(self._layouts[name], plugged=False)

    def reconnect(self, name: str) -> None:
        """Plug it in again."""
        network.plug(self._layouts[name], plugged=True)

    def fetch(self, name: str, url: str) -> str:
        """What a pod answers to a GET from its node."""
        return network.fetched(self._layouts[name], url)

    def lose(self, name: str) -> None:
        """A node's power fails: first nobody hears it, then nothing of it runs."""
        self.cut_off(name)
        node.power_off(self._layouts[name])

    def restore(self, name: str) -> None:
        """It boots again."""
        node.boot(self._layouts[name])
        self.reconnect(name)

    def partition(self, one: str, other: str) -> None:
        """Two addresses no longer hear each other."""
        network.silence(self._every(), one, other)

    def heal(self) -> None:
        """Every partition ends."""
        network.heal(self._every())

    def _every(self) -> Sequence[NodeLayout]:
        return list(self._layouts.values())

    def _pod(self, namespace: str, name: str) -> dict[str, Any]:
        command = ["kubectl", "--kubeconfig", str(self._kubeconfig), "-n", namespace, "get", "pod", name, "-o", "json"]
        found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return found
