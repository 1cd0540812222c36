"""Options of a socket: what the kernel says they are afterwards."""

from __future__ import annotations

import socket
import sys

import pytest

from sidecar.sockets import keep_alive


def test_small_messages_go_at_once_and_a_dead_peer_is_noticed() -> None:
    with socket.socket() as one:
        keep_alive(one)
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux' names")
def test_a_dead_peer_is_noticed_after_half_a_minute() -> None:
    with socket.socket() as one:
        keep_alive(one)
        idle, interval, count = (
            one.getsockopt(socket.IPPROTO_TCP, name)
            for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + interval * count == 30
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
