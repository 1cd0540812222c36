"""The replication link on real sockets: a peer from which nothing comes back, not even that its bytes arrived."""

from __future__ import annotations

import socket
import time

import pytest

from sandbox.memgraph.core.messages import Loss, Lost, SwapMainUUID
from sandbox.memgraph.link import Link

_SILENCE_S = 0.5
_RPC_S = 30.0


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux ends such a connection by itself")
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_connection_breaks_whose_peer_takes_nothing_long_before_the_call_times_out() -> None:
    # Nobody reads: once the buffers of both ends are full, the kernel sees what it sees when packets vanish.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link = Link(_SILENCE_S)
        began = time.monotonic()
        found = await link.call(f"127.0.0.1:{listener.getsockname()[1]}", SwapMainUUID("x" * 32_000_000), _RPC_S)
        link.close()
    assert found == Lost(Loss.BROKEN)
    assert time.monotonic() - began < _RPC_S / 2
