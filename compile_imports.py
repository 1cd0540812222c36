"""`PYTHONPYCACHEPREFIX=CACHE python compile_imports.py PACKAGES MODULE...`: what programs import, for their image.

The official Python images have no compiled standard library, and a container with a read-only root file system keeps
none: each start of the sidecar would compile some hundred modules anew, which costs three times as much as all the
rest of its start. Sources are told by their content, not by their times: an image whose files all got the same time is
compiled still. PACKAGES, a folder such as site-packages, is compiled as a whole.
"""

from __future__ import annotations

import compileall
import importlib
import py_compile
import sys
from pathlib import Path
from typing import Final

BY_CONTENT: Final = py_compile.PycInvalidationMode.UNCHECKED_HASH


def main() -> int:
    """Exit code 1: something could not be compiled. 2: wrong use."""
    if len(sys.argv) < 3 or sys.pycache_prefix is None:
        sys.stderr.write("usage: PYTHONPYCACHEPREFIX=CACHE python compile_imports.py PACKAGES MODULE...\n")
        return 2
    for name in sys.argv[2:]:
        importlib.import_module(name)
    # Some packages carry files for other versions of Python; what can't be compiled here is never imported here.
    compileall.compile_dir(sys.argv[1], quiet=2, workers=0, invalidation_mode=BY_CONTENT, force=True)
    done = [compileall.compile_file(path, quiet=1, invalidation_mode=BY_CONTENT, force=True) for path in imported()]
    return 0 if all(done) else 1


def imported() -> list[Path]:
    """The sources of all modules that are loaded now."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return sorted(Path(file) for file in files if file and file.endswith(".py"))


if __name__ == "__main__":
    sys.exit(main())
