"""`python compile_sidecar.py FOLDER`: the sidecar's hot modules as extensions; FOLDER holds the package `sidecar`.

mypyc makes each from the very source beside it, and Python prefers the extension: the same program, but with a third of
its own CPU for a round trip, and a thirtieth for a stream of small records (docs/benchmarks.md). Without this step
everything works the same. Needs mypyc (constraints/compile.txt) and a C compiler with Python's headers. For images and
copies only: in a checkout an extension would go on hiding its source after that has changed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

MODULES: Final = (
    "sidecar/bolt/chunks.py", "sidecar/core/pending.py", "sidecar/core/session.py",
    "sidecar/pump.py", "sidecar/upward.py",
)  # fmt: skip
"""Everything that runs once for each buffer that goes through."""


class NotCompiled(Exception):
    """mypyc, or the compiler, did not do it; the message is what it said."""


def compile_in(folder: Path) -> None:
    """Make the extensions. Raises NotCompiled."""
    command = [sys.executable, "-m", "mypyc", *MODULES]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotCompiled(
            f"mypyc needs a C compiler and Python's headers; it said: {(done.stdout + done.stderr)[-2000:]}"
        )
    for left in ("build", ".mypy_cache"):
        shutil.rmtree(folder / left, ignore_errors=True)


if __name__ == "__main__":
    compile_in(Path(sys.argv[1]))
