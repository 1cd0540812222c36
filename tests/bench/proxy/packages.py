"""The Debian packages that the peers are: installed if we may, else the command is named."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

from proxy.peers import DEBIAN, Absent, found


def install_missing(say: Callable[[str], None]) -> None:
    """Install what is missing, as root and with apt-get; else say what to run. Never fails: a peer may be absent."""
    missing = [name for name in DEBIAN if not _there(name)]
    if not missing:
        return
    packages = " ".join(DEBIAN[name] for name in missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        say(f"{' and '.join(missing)} will be absent; to measure them too, run as root: apt-get install {packages}")
        return
    say(f"Installing {packages}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *packages.split()]):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            say(f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}")
            return


def _there(name: str) -> bool:
    try:
        found(name)
    except Absent:
        return False
    return True
