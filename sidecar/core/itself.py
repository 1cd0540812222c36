"""Does an upstream's address lead back to this sidecar? Then every dial of it would be answered by another dial.

It happens when a sidecar runs beside a Memgraph, or when somebody publishes `localhost`: the app's connection would
beget connections until something runs out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Final

ANY: Final = ("0.0.0.0", "::")
LOOPBACK: Final = ("127.0.0.1", "::1")
"""Not all of 127.0.0.0/8: a mesh's proxy hands on what comes from outside under 127.0.0.6."""

Listener = tuple[str, int]
"""The address and port that one of our listeners is bound to."""


def split(address: str) -> Listener:
    """Host and port of `ip:port` or `[v6]:port`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def leads_home(address: str, listeners: Iterable[Listener], is_own: Callable[[str], bool]) -> bool:
    """Whether dialling `address` reaches one of our listeners. `is_own`: an address of this pod's interfaces."""
    host, port = split(address)
    hosts = _hosts(host)
    for bound, bound_port in listeners:
        if port != bound_port:
            continue
        if bound in hosts:
            return True
        if bound in ANY and any((":" in bound) == (":" in one) and is_own(one) for one in hosts):
            return True
    return False


def _hosts(host: str) -> tuple[str, ...]:
    """The addresses that a dial of `host` reaches: an unspecified one and `localhost` mean loopback."""
    if host == "localhost":
        return LOOPBACK
    try:
        parsed = ip_address(host)
    except ValueError:
        return (host,)
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        parsed = mapped
    if parsed.is_unspecified:
        return (LOOPBACK[parsed.version == 6],)
    return (str(parsed),)
