"""The door to buildah and debootstrap."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from envtest.failure import Unavailable


class NotBuilt(Exception):
    """One of our images can't be built: that is our own fault, not the machine's. The text is what was said."""


_TAIL = 3000
"""Characters of what a failed command said: enough for pip's and apt's last complaint."""


def run(*command: str, folder: Path | None = None) -> str:
    """Its standard output. Raises Unavailable with the end of what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        said = (done.stdout + done.stderr)[-_TAIL:]
        raise Unavailable(f"{' '.join(command[:3])} ... ended with {done.returncode}:\n{said}")
    return done.stdout.strip()


def exists(image: str) -> bool:
    """Whether buildah's store has it."""
    return bool(run("buildah", "images", "--quiet", "--filter", f"reference={image}"))


def commit(root: Path, image: str, command: Sequence[str]) -> None:
    """An image of one layer, from the folder."""
    container = run("buildah", "from", "scratch")
    try:
        run("buildah", "add", "--quiet", container, str(root), "/")
        run("buildah", "config", "--cmd", repr(list(command)).replace("'", '"'), container)
        run("buildah", "commit", "--quiet", container, image)
    finally:
        run("buildah", "rm", container)
