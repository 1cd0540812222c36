"""An address for every pod: 127.x.y.z of its own, or, where the system has only 127.0.0.1, free ports on that one."""

from __future__ import annotations

import errno
import hashlib
import socket
from collections.abc import Iterable
from typing import Final

from sandbox.kubelet.core.containers import Place

ONLY_ADDRESS: Final = "127.0.0.1"
_FIRST_BLOCK: Final = 64
_BLOCKS: Final = 160
"""Blocks 127.64 to 127.223: away from 127.0.0.1 and from what systems put there, such as Debian's 127.0.1.1."""
_PODS_MAX: Final = 60_000
KUBERNETES_PORT: Final = 6443


class NoAddress(Exception):
    """All addresses are taken."""


class Addresses:
    """Hands out places. An address given back is used again as late as possible, so that a stale one finds nobody."""

    def __init__(self, block: int | None) -> None:
        self._block = block
        self._used: set[int] = set()
        """Numbers of addresses, or ports: given out, whether somebody listens there already or not."""
        self._last = 0

    def take(self, ports: Iterable[int]) -> Place:
        """A place for a pod that listens on `ports`. Raises NoAddress."""
        if self._block is None:
            moved = {port: self._free_port() for port in ports}
            return Place(ONLY_ADDRESS, moved)
        if len(self._used) >= _PODS_MAX:
            raise NoAddress(f"{_PODS_MAX} pods are the most a sandbox can address")
        number = self._last
        while True:
            number = number % _PODS_MAX + 1
            if number not in self._used:
                break
        self._last = number
        self._used.add(number)
        return Place(f"127.{self._block}.{number // 250}.{number % 250 + 2}")

    def give_back(self, place: Place) -> None:
        """The pod is gone."""
        if self._block is None:
            self._used -= set(place.ports.values())
        else:
            third, fourth = place.address.split(".")[2:]
            self._used.discard(int(third) * 250 + int(fourth) - 2)

    def _free_port(self) -> int:
        while True:
            with socket.socket() as probe:
                probe.bind((ONLY_ADDRESS, 0))
                port: int = probe.getsockname()[1]
            if port not in self._used:
                self._used.add(port)
                return port


def has_loopback_block() -> bool:
    """Whether all of 127.0.0.0/8 is ours (Linux), or 127.0.0.1 alone (macOS)."""
    with socket.socket() as probe:
        try:
            probe.bind((f"127.{_FIRST_BLOCK}.0.1", 0))
        except OSError:
            return False
    return True


def free_block(seed: str) -> int:
    """A block that no other sandbox uses now; the same seed prefers the same one. Raises NoAddress.

    A sandbox's API server listens at 127.BLOCK.0.1:6443, which is how others see that the block is taken.
    """
    start = hashlib.sha256(seed.encode()).digest()[0]
    for step in range(_BLOCKS):
        block = _FIRST_BLOCK + (start + step) % _BLOCKS
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((f"127.{block}.0.1", KUBERNETES_PORT))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                raise
            return block
    raise NoAddress("every loopback block is used by another sandbox")
