"""A Secret's folder as a kubelet mounts and changes it: all keys at once, by moving the link `..data`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path


def write_secret(folder: Path, values: Mapping[str, str]) -> None:
    """Make the folder, or change what it holds."""
    version = folder / f"..{secrets.token_hex(4)}"
    version.mkdir(parents=True)
    for key, value in values.items():
        (version / key).write_text(value)
        (folder / key).unlink(missing_ok=True)
        (folder / key).symlink_to(f"..data/{key}")
    link = folder / "..new"
    link.symlink_to(version.name)
    link.replace(folder / "..data")
