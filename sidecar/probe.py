"""The startup probe: does the sidecar of this pod listen? Plain sockets, because each run is a process of its own."""

from __future__ import annotations

import socket
from typing import Final

TIMEOUT_S: Final = 2.0


def listens(address: str, port: int) -> str:
    """Ask /readyz. Empty if it listens, else what is wrong."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    try:
        with socket.create_connection((local, port), TIMEOUT_S) as one:
            one.sendall(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            status = one.recv(64).partition(b"\r\n")[0]
    except OSError as error:
        return f"no sidecar answers on {local} port {port}: {error}"
    return "" if b" 200" in status else f"the sidecar does not listen yet: {status.decode(errors='replace')}"
