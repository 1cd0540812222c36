"""What the suite runs against, from the environment (README.md says how to set it)."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass

SIMULATOR = (sys.executable, "-m", "sandbox.memgraph")


@dataclass(frozen=True, slots=True)
class Settings:
    """`command` starts an instance (flags are appended); `signal_command`, if any, sends it a signal.

    `instances`: running instances, as pairs of a Bolt URI and the address of its replication listener. With
    `process_rows` false, rows that have to start or kill an instance are skipped.
    """

    command: tuple[str, ...]
    signal_command: tuple[str, ...]
    instances: tuple[tuple[str, str], ...]
    check_seconds: str
    start_seconds: float
    simulated: bool
    process_rows: bool


def from_environment() -> Settings:
    """Read MEMGRAPH_COMMAND, MEMGRAPH_URIS and their companions. Raises ValueError."""
    command = shlex.split(os.environ.get("MEMGRAPH_COMMAND", ""))
    uris = _list("MEMGRAPH_URIS")
    replication = _list("MEMGRAPH_REPLICATION")
    if len(uris) != len(replication):
        raise ValueError(
            f"MEMGRAPH_URIS names {len(uris)} instances and MEMGRAPH_REPLICATION {len(replication)}: "
            "give each instance's replication address (host:port as the main reaches it), in the same order"
        )
    if uris and len(uris) < 4:
        raise ValueError(f"MEMGRAPH_URIS names {len(uris)} instances: the rows need four (a main, three replicas)")
    simulated = not command and not uris
    return Settings(
        command=tuple(command) or SIMULATOR,
        signal_command=tuple(shlex.split(os.environ.get("MEMGRAPH_SIGNAL_COMMAND", ""))),
        instances=tuple(zip(uris, replication, strict=True)),
        # Whole seconds on a real server, and 0 would mean no checks at all. The simulator takes fractions.
        check_seconds=os.environ.get("MEMGRAPH_CHECK_SECONDS", "0.1" if simulated else "1"),
        start_seconds=20.0 if simulated else 60.0,
        simulated=simulated,
        process_rows=bool(command) or not uris,
    )


def _list(name: str) -> list[str]:
    return [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]
