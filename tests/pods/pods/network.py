"""The cables: a network namespace for each node, joined by a bridge in the control plane's; no route leads out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from pods.layout import BRIDGE, CONTROL_PLANE, NodeLayout

_TABLE = "inet partitions"
"""Of the nodes' packet filters: what kube-proxy has there is its own."""


def ip(*arguments: str) -> None:
    """One command of iproute2."""
    subprocess.run(["ip", *arguments], check=True)


def inside(node: NodeLayout, *command: str) -> None:
    """Run a command in the node's network."""
    # Not `ip netns exec`: that mounts /sys anew, and hides the control groups.
    subprocess.run(["nsenter", f"--net=/run/netns/{node.name}", *command], check=True)


def lay(nodes: Sequence[NodeLayout]) -> None:
    """Lay all cables. We are in network and mount namespaces of our own."""
    # The names of network namespaces are files in /run: here they are gone with the mount.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    ip("link", "set", "lo", "up")
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("address", "add", f"{CONTROL_PLANE}/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    # Programs that look for their own address by the default route find one; nothing answers there.
    ip("route", "add", "default", "via", CONTROL_PLANE, "dev", BRIDGE)
    for node in nodes:
        _lay(node, nodes)


def _lay(node: NodeLayout, nodes: Sequence[NodeLayout]) -> None:
    ip("netns", "add", node.name)
    ip("link", "add", node.link, "type", "veth", "peer", "name", "eth0", "netns", node.name)
    ip("link", "set", node.link, "master", BRIDGE, "up")
    ip("route", "add", node.pods, "via", node.address)
    ip("-n", node.name, "link", "set", "lo", "up")
    ip("-n", node.name, "address", "add", f"{node.address}/24", "dev", "eth0")
    ip("-n", node.name, "link", "set", "eth0", "up")
    ip("-n", node.name, "route", "add", "default", "via", CONTROL_PLANE)
    for other in nodes:
        if other != node:
            ip("-n", node.name, "route", "add", other.pods, "via", other.address)
    inside(node, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    inside(node, "nft", f"add table {_TABLE}")
    for hook in ("forward", "output"):
        # Before kube-proxy's own rules: what is cut here, nothing lets through.
        inside(node, "nft", f"add chain {_TABLE} {hook} {{ type filter hook {hook} priority -300; }}")


def plug(node: NodeLayout, *, plugged: bool) -> None:
    """Pull the node's cable, or plug it in again."""
    ip("link", "set", node.link, "up" if plugged else "down")


def fetched(node: NodeLayout, url: str) -> str:
    """What is answered to a GET from this node; "" if nothing is."""
    program = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1], timeout=2).read().decode())"
    command = ["nsenter", f"--net=/run/netns/{node.name}", sys.executable, "-c", program, url]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def silence(nodes: Sequence[NodeLayout], one: str, other: str) -> None:
    """Two addresses no longer hear each other: packets vanish, nobody is told."""
    for node in nodes:
        for hook in ("forward", "output"):
            for source, target in ((one, other), (other, one)):
                inside(node, "nft", f"add rule {_TABLE} {hook} ip saddr {source} ip daddr {target} drop")


def heal(nodes: Sequence[NodeLayout]) -> None:
    """Every silence ends."""
    for node in nodes:
        inside(node, "nft", f"flush table {_TABLE}")
