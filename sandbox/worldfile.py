"""`DIR/world.json`: what any other program needs to know to drive and break a running sandbox, and who may write it.

One runner a folder: it holds a lock for as long as it lives, so that whether a world runs is never guessed from a pid.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sandbox.spoken import SANDBOX

World = dict[str, Any]
DEFAULT: Final = Path(".sandbox")
"""The folder when none is named."""
_FILE: Final = "world.json"
_LOCK: Final = ".memgraph-ha-sandbox"


class NoWorld(Exception):
    """No sandbox runs in that folder."""


class Occupied(Exception):
    """A sandbox runs in that folder already, or the folder belongs to something else."""


def read(folder: Path) -> World:
    """What the running sandbox says of itself. Raises NoWorld."""
    if is_running(folder):
        try:
            found = json.loads((folder / _FILE).read_text())
            if isinstance(found, dict):
                return found
        except (OSError, ValueError):
            raise NoWorld(f"the sandbox in {folder} is just starting: try again in a few seconds") from None
    raise NoWorld(f"no sandbox runs in {folder}. Start one: {SANDBOX} up{option(folder)}")


def option(folder: Path) -> str:
    """What a command needs to find this folder, with a blank before it; nothing for the default."""
    return "" if folder.resolve() == DEFAULT.resolve() else f" --dir {folder}"


def write(folder: Path, world: World) -> None:
    """Replace the file: a reader sees the old one or the new one."""
    fresh = folder / f"{_FILE}.new"
    fresh.write_text(json.dumps(world, indent=2) + "\n")
    fresh.replace(folder / _FILE)


def is_running(folder: Path) -> bool:
    """Whether a runner holds the folder."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder; what an earlier sandbox left in it may be removed then. Raises Occupied."""
    ours = (folder / _LOCK).exists()
    if not ours and any((folder / name).exists() for name in ("pods", "volumes", _FILE)):
        raise Occupied(f"{folder} holds files that are not a sandbox's: give another folder with --dir")
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Occupied(
                f"a sandbox runs in {folder} already. Look: {SANDBOX} status{option(folder)}; "
                f"end it: {SANDBOX} down{option(folder)}"
            ) from None
        try:
            yield
        finally:
            (folder / _FILE).unlink(missing_ok=True)
    finally:
        os.close(handle)
