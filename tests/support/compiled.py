"""The sidecar with its hot modules compiled, as in the image: a copy of this checkout's, made once for its sources."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from compile_sidecar import compile_in

ROOT: Final = Path(__file__).parents[2]
_KEPT: Final = ROOT / "build" / "compiled"
"""`make clean` takes it away."""


def compiled_sidecar() -> Path:
    """A folder for the front of PYTHONPATH, with the package `sidecar` in it. Raises NotCompiled."""
    sources = sorted([*(ROOT / "sidecar").rglob("*.py"), ROOT / "compile_sidecar.py"])
    digest = hashlib.sha256(sys.version.encode())
    for path in sources:
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    folder = _KEPT / digest.hexdigest()[:16]
    _KEPT.mkdir(parents=True, exist_ok=True)
    with (_KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=_KEPT) as fresh:
                shutil.copytree(ROOT / "sidecar", Path(fresh, "sidecar"), ignore=shutil.ignore_patterns("__pycache__"))
                compile_in(Path(fresh))
                shutil.copytree(fresh, folder)
    return folder
