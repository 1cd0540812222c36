"""`python -I -S node_init.py PLAN.json`: a node's first process. When it ends, the kernel ends all others on the node.

It runs in process, mount and host name namespaces of its own, made by `unshare`, and in the node's network. PLAN is
{"hostname", "binds": [[source, target]], "tmpfs": [folder], "programs": [[program, argument...]], "log": folder,
 "socket": path, "import": [archive], "imported": file, "ctr": [program, argument...]}.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

SOCKET_S = 60.0
"""containerd is there in one second, but for a machine that is busy."""


def main() -> NoReturn:
    """Ends when a program does."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    socket.sethostname(plan["hostname"])
    # Volumes that the kubelet mounts must be seen by containerd's containers: one peer group within this node.
    subprocess.run(["mount", "--make-rshared", "/"], check=True)
    for folder in plan["tmpfs"]:
        Path(folder).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    for source, target in plan["binds"]:
        subprocess.run(["mount", "--bind", source, target], check=True)
    runtime, *others = plan["programs"]
    running = {start(runtime, plan): runtime[0]}
    wait_for(Path(plan["socket"]))
    import_images(plan)
    running.update({start(program, plan): program[0] for program in others})
    while True:
        # Also whatever its parent left behind: the first process has to wait for those.
        pid, status = os.wait()
        if pid in running:
            sys.exit(f"{running[pid]} ended with {os.waitstatus_to_exitcode(status)}")


def start(program: list[str], plan: dict[str, object]) -> int:
    """A program with its log beside the others'."""
    with Path(str(plan["log"]), Path(program[0]).name + ".log").open("ab") as log:
        return subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=log, stderr=log).pid


def wait_for(path: Path) -> None:
    """Until somebody listens there."""
    deadline = time.monotonic() + SOCKET_S
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        if time.monotonic() > deadline:
            sys.exit(f"{path}: nobody listened in {SOCKET_S:g} s")
        time.sleep(0.05)  # noqa: TID251 - nobody announces it


def import_images(plan: dict[str, object]) -> None:
    """Each once in the life of the node's disk."""
    done = Path(str(plan["imported"]))
    known = done.read_text().splitlines() if done.exists() else []
    for archive in plan["import"]:  # type: ignore[attr-defined]
        if archive not in known:
            subprocess.run([*plan["ctr"], "images", "import", archive], check=True)  # type: ignore[misc]
            with done.open("a") as file:
                file.write(archive + "\n")


if __name__ == "__main__":
    main()
