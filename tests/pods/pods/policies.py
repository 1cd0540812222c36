"""NetworkPolicies that count: kube-router's firewall on each node, for as long as a test wants them enforced."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from envtest import binaries, versions
from envtest.program import Running

from pods import network
from pods.layout import SERVICES, NodeLayout, layouts

PROGRAM = "kube-router"
_TABLES = ("iptables", "ip6tables")


@contextmanager
def enforced(cluster: Path) -> Iterator[None]:
    """Every node's packet filter follows the policies, some seconds after each change; at the end it lets all pass."""
    with ExitStack() as stack:
        for node in layouts(cluster):
            stack.enter_context(_on(node))
        yield


@contextmanager
def _on(node: NodeLayout) -> Iterator[None]:
    program = binaries.find(PROGRAM, versions.DEFAULT_KUBERNETES)
    flags = [
        # Pods are routed, and services found, without it.
        "--run-firewall=true", "--run-router=false", "--run-service-proxy=false",
        f"--kubeconfig={node.folder / PROGRAM}.kubeconfig", f"--hostname-override={node.name}",
        f"--service-cluster-ip-range={SERVICES}",
    ]  # fmt: skip
    enter = shutil.which("nsenter")
    assert enter is not None, "`needs` asked for it"
    command = [f"--net=/run/netns/{node.name}", str(program), *flags]
    running = Running(Path(enter), command, node.folder / "log" / f"{PROGRAM}.log")
    try:
        yield
    finally:
        running.stop()
        for table in _TABLES:
            for what in ("--flush", "--delete-chain"):
                network.inside(node, table, what)
        network.inside(node, "ipset", "destroy")
