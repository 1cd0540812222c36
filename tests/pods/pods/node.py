"""One node: its disk prepared once, then booted and powered off as often as a test likes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from envtest import binaries, versions
from envtest.failure import DidNotStart

from pods import cgroups, settings
from pods.layout import NodeLayout
from pods.processes import children, running
from pods.waiting import until

_INIT = Path(__file__).with_name("node_init.py")
CTR = ("ctr", "--address", settings.SOCKET, "--namespace", "k8s.io")
BOOT_S = 30.0
"""`nsenter`, `unshare` and a Python, read from a disk that does something else, too."""
OFF_S = 60.0
"""The kernel ends some hundred processes and their mounts."""


def prepare(node: NodeLayout, version: str, images: Sequence[Path], plugins: str) -> None:
    """Write its settings; the kubeconfigs `kubelet.kubeconfig` and `kube-proxy.kubeconfig` are there already."""
    folder = node.folder
    for name in ("cni", "log", "plugins", "kubelet", "containerd", "certificates"):
        (folder / name).mkdir()
    (folder / "containerd.toml").write_text(settings.containerd(node, plugins))
    (folder / "cni" / "10-pods.conflist").write_text(json.dumps(settings.cni(node)))
    (folder / "kubelet.json").write_text(json.dumps(settings.kubelet(node)))
    (folder / "kube-proxy.json").write_text(json.dumps(settings.kube_proxy(node)))
    (folder / "plan.json").write_text(json.dumps(_plan(node, version, images), indent=2))
    cgroups.make(node)


def _plan(node: NodeLayout, version: str, images: Sequence[Path]) -> dict[str, object]:
    folder = node.folder
    kubelet = [
        str(binaries.find(versions.KUBELET, version)), f"--config={folder / 'kubelet.json'}",
        f"--kubeconfig={folder / 'kubelet.kubeconfig'}", f"--root-dir={folder / 'kubelet'}",
        f"--cert-dir={folder / 'certificates'}", f"--hostname-override={node.name}", f"--node-ip={node.address}",
    ]  # fmt: skip
    proxy = [str(binaries.find(versions.KUBE_PROXY, version)), f"--config={folder / 'kube-proxy.json'}"]
    return {
        "hostname": node.name,
        # Gone with the power, as on any machine: sockets, the pods' networks and addresses.
        "tmpfs": ["/run", "/var/lib/cni"],
        # /var/log/pods and /var/log/containers are fixed names.
        "binds": [[str(folder / "log"), "/var/log"]],
        "programs": [["containerd", "--config", str(folder / "containerd.toml")], kubelet, proxy],
        "log": str(folder),
        "socket": settings.SOCKET,
        "import": [str(path) for path in images],
        "imported": str(folder / "imported"),
        "ctr": list(CTR),
    }


_booted: dict[str, subprocess.Popen[bytes]] = {}
"""By name, those that this process booted: they outlive whoever asked for it."""


def boot(node: NodeLayout) -> None:
    """Power on; its first process is there. It is Ready some seconds later. Raises DidNotStart."""
    command = [
        "nsenter", f"--net=/run/netns/{node.name}", "unshare", "--mount", "--pid", "--uts", "--ipc", "--fork",
        "--kill-child", "--mount-proc", sys.executable, "-I", "-S", str(_INIT), str(node.folder / "plan.json"),
    ]  # fmt: skip
    with (node.folder / "init.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    _booted[node.name] = process
    node.pid_file.write_text(str(process.pid))
    # Three programs run before it, from a disk that may be cold: who asks for it meanwhile would take the node for off.
    until(lambda: children(process.pid) or process.poll() is not None, BOOT_S, lambda: f"{node.name} did not boot")
    first_process(node)


def power_off(node: NodeLayout) -> None:
    """Everything on it ends at once. Raises DidNotStart if it does not."""
    pid = int(node.pid_file.read_text())
    first = first_process(node)
    os.kill(pid, signal.SIGKILL)
    # The first process is gone when all others are: the kernel waits for them.
    until(lambda: not (running(pid) or running(first)), OFF_S, lambda: f"{node.name} did not end")
    if node.name in _booted:
        _booted.pop(node.name).wait()
    node.pid_file.unlink()


def first_process(node: NodeLayout) -> int:
    """The id, for us, of the process that is the first one on the node. Raises DidNotStart if it is off."""
    try:
        return children(int(node.pid_file.read_text()))[0]
    except (OSError, IndexError) as error:
        log = (node.folder / "init.log").read_text(errors="replace")[-2000:]
        raise DidNotStart(f"{node.name} is off; its log ends:\n{log}") from error


def on(node: NodeLayout, *command: str) -> str:
    """Run a command on a node that is on; what it printed."""
    target = str(first_process(node))
    enter = ["nsenter", "--target", target, "--mount", "--pid", "--net", "--uts", "--ipc", *command]
    done = subprocess.run(enter, check=True, capture_output=True, text=True)
    return done.stdout
