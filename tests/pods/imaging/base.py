"""The base of the images where no registry can be asked: Debian's smallest system, and its Python."""

from __future__ import annotations

import hashlib
import inspect
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from imaging import buildah

SUITE = "bookworm"
PACKAGES = ("python3-minimal", "python3-venv", "python-is-python3", "ca-certificates", "libpython3.11-dev")
"""What python:3.11-slim has, too; the last has the headers that mypyc's modules are compiled with."""
_REPOSITORY = "localhost/memgraph-ha-python-base"
_UNNEEDED = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
"""Emptied: images are copied to every node, several times."""


def ensure(say: Callable[[str], None]) -> str:
    """Its name; made unless it is there. Raises Unavailable."""
    key = hashlib.sha256(inspect.getsource(sys.modules[__name__]).encode()).hexdigest()[:12]
    image = f"{_REPOSITORY}:{key}"
    if buildah.exists(image):
        return image
    started = time.monotonic()
    say(f"base image: Debian {SUITE} with Python, by debootstrap (a minute the first time)")
    with tempfile.TemporaryDirectory(prefix="memgraph-ha-base-") as name:
        root = Path(name)
        # Under the temporary folder's own 0700, no user but root could enter the image's /.
        root.chmod(0o755)
        buildah.run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root))
        _slim(root)
        buildah.commit(root, image, ["python"])
    say(f"base image: made in {time.monotonic() - started:.0f} s")
    return image


def _slim(root: Path) -> None:
    for folder in _UNNEEDED:
        for path in (root / folder).iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for archive in (root / "usr/lib").rglob("libpython*.a"):
        archive.unlink()
    # Like the official images: what a program needs compiled, its own image has to have.
    for compiled in (root / "usr/lib").rglob("*.pyc"):
        compiled.unlink()
