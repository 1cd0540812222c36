"""Ports for programs that can't choose one themselves."""

from __future__ import annotations

import os
import socket
from itertools import cycle
from typing import Final

_FIRST: Final = 20_000
_SHARE: Final = 500
_SHARES: Final = 24
"""Up to 32,000: below the range from which Linux takes a port for each outgoing connection (32768 on). A port out of
that range that was free a moment ago may be somebody's connection by the time the program listens."""


def _mine() -> range:
    """Each worker of a test run has ports of its own, so that two of them never hand out the same one."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = _FIRST + worker % _SHARES * _SHARE
    return range(first, first + _SHARE)


_candidates = cycle(_mine())


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on; not one that was given out a moment ago."""
    for _ in range(_SHARE):
        port = next(_candidates)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"none of {_mine()} is free")
