"""`python compile_sidecar.py FOLDER`: the sidecar's hot modules as extensions; FOLDER holds the package `sidecar`.

mypyc makes each from the very source beside it, and Python prefers the extension: the same program, but with a third of
its own CPU for a round trip, and a thirtieth for a stream of small records (docs/benchmarks.md). Without this step
everything works the same. Needs mypyc (constraints/compile.txt) and a C compiler with Python's headers. For images and
copies only: in a checkout an extension would go on hiding its source after that has changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

MODULES: Final = (
    "sidecar/bolt/chunks.py", "sidecar/core/confirm.py", "sidecar/core/pending.py",
    "sidecar/core/session.py", "sidecar/pump.py", "sidecar/upward.py",
)  # fmt: skip
"""Everything that runs once for each buffer that goes through."""


class NotCompiled(Exception):
    """mypyc, or the compiler, did not do it; the message is what it said."""


def compile_in(folder: Path) -> None:
    """Make the extensions. Raises NotCompiled."""
    # mypy refuses to work in a folder with other packages in it, such as site-packages with typing_extensions. The name
    # of the one it works in gets into what is made, and two builds are to make the same.
    alone = folder / "compile-sidecar"
    shutil.copytree(folder / "sidecar", alone / "sidecar", ignore=shutil.ignore_patterns("__pycache__"))
    try:
        command = [sys.executable, "-m", "mypyc", *MODULES]
        environment = {**os.environ, "CFLAGS": f"{os.environ.get('CFLAGS', '')} -g0"}
        done = subprocess.run(command, cwd=alone, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotCompiled(
                f"mypyc needs a C compiler and Python's headers; it said: {(done.stdout + done.stderr)[-2000:]}"
            )
        shutil.rmtree(alone / "build")
        for extension in alone.rglob("*.so"):
            shutil.copy(extension, folder / extension.relative_to(alone))
    finally:
        shutil.rmtree(alone)


if __name__ == "__main__":
    compile_in(Path(sys.argv[1]))
