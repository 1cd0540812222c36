"""The targets under Atheris, libFuzzer for Python; arguments are libFuzzer's. It ends the process by itself."""

from __future__ import annotations

import os
import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["sidecar"]):
    from boltfuzz.planted import planted
    from boltfuzz.targets import run, scaled

PLANT: Final = "BOLTFUZZ_PLANT"
"""Environment variable: the bug to plant (planted.py)."""


def main() -> None:
    """Does not return."""
    with scaled():
        if PLANT in os.environ:
            with planted(os.environ[PLANT]):
                _fuzz()
        _fuzz()


def _fuzz() -> None:
    atheris.Setup(sys.argv, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
