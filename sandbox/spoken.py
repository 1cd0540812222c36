"""How a person types our command here: by its name if the shell finds it, else by its path in the environment."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final


def _command() -> str:
    if shutil.which("memgraph-ha"):
        return "memgraph-ha"
    script = Path(sys.executable).parent / "memgraph-ha"
    return os.path.relpath(script) if script.exists() else "memgraph-ha"


SANDBOX: Final = f"{_command()} sandbox"
"""What the hints for the next step begin with."""
