"""What the kernel says of a process, by its id."""

from __future__ import annotations

from pathlib import Path


def children(pid: int) -> list[int]:
    """Those that it started and that live; none if it is gone."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def running(pid: int) -> bool:
    """Whether it is more than a name that nobody asked the end of yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
