"""The two ends of the load: clients that ask and an upstream that answers, both without looking at what they get."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from proxy.loop import READ, READ_AND_WRITE, Loop
from proxy.traffic import HANDSHAKE, HANDSHAKE_ANSWER, Exchange

_BUFFER: Final = memoryview(bytearray(1 << 20))
"""Shared: what is received is only counted."""
_BACKLOG: Final = 1024


class Answerer:
    """A Bolt server that answers every request by the exchange of the day, on a port a peer."""

    def __init__(self, loop: Loop) -> None:
        self.exchange = Exchange(b"", b"")
        self.loop = loop
        self._listeners: list[socket.socket] = []

    def listen(self) -> int:
        """One more port."""
        one = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        one.setblocking(False)
        self._listeners.append(one)
        self.loop.add(one, lambda: self._accept(one))
        return int(one.getsockname()[1])

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError):
            while True:
                _Answering(self, listener.accept()[0])

    def close(self) -> None:
        """Stop listening."""
        for one in self._listeners:
            self.loop.drop(one)


class _Answering:
    """One connection of the answerer."""

    __slots__ = ("_greeted", "_have", "_of", "_queue", "_socket")

    def __init__(self, of: Answerer, one: socket.socket) -> None:
        _prepare(one)
        self._of = of
        self._socket = one
        self._have = 0
        self._greeted = False
        self._queue: deque[memoryview] = deque()
        of.loop.add(one, self._ready)

    def _ready(self) -> None:
        if self._queue:
            self._send()
        try:
            got = self._socket.recv_into(_BUFFER)
        except BlockingIOError:
            return
        except ConnectionError:
            got = 0
        if not got:
            self._of.loop.drop(self._socket)
            return
        self._have += got
        if not self._greeted:
            if self._have < len(HANDSHAKE):
                return
            self._greeted = True
            self._have -= len(HANDSHAKE)
            self._socket.send(HANDSHAKE_ANSWER)
        exchange = self._of.exchange
        while self._have and self._have >= len(exchange.request):
            self._have -= len(exchange.request)
            self._answer(exchange)

    def _answer(self, exchange: Exchange) -> None:
        if not exchange.times and not self._queue:
            self._socket.send(exchange.head)  # a few hundred bytes: they fit
            return
        block = memoryview(exchange.block)
        self._queue += [memoryview(exchange.head), *[block] * exchange.times, memoryview(exchange.tail)]
        self._send()

    def _send(self) -> None:
        queue = self._queue
        with suppress(BlockingIOError):
            while queue:
                rest = queue[0]
                sent = self._socket.send(rest)
                if sent == len(rest):
                    queue.popleft()
                else:
                    queue[0] = rest[sent:]
        self._of.loop.wants(self._socket, READ_AND_WRITE if queue else READ)


class Client:
    """One connection through a peer. `answered` is called when a whole answer is here."""

    __slots__ = ("_left", "_loop", "_socket", "answered", "asked_at", "closed", "greeted")

    def __init__(self, loop: Loop, port: int, answered: Callable[[Client], None]) -> None:
        self.answered = answered
        self.asked_at = 0.0
        self.greeted = False
        self.closed = False
        self._left = len(HANDSHAKE_ANSWER)
        self._loop = loop
        self._socket = socket.create_connection(("127.0.0.1", port))
        _prepare(self._socket)
        loop.add(self._socket, self._ready)
        self._socket.send(HANDSHAKE)

    def ask(self, exchange: Exchange) -> None:
        """Send a request."""
        self._left = exchange.answer_bytes
        self._socket.send(exchange.request)

    def close(self) -> None:
        """Say no more."""
        if not self.closed:
            self.closed = True
            self._loop.drop(self._socket)

    def _ready(self) -> None:
        try:
            got = self._socket.recv_into(_BUFFER)
        except BlockingIOError:
            return
        if not got:
            raise ConnectionError("the peer closed a connection")
        self._left -= got
        if self._left:
            return
        self.greeted = True
        self.answered(self)


def _prepare(one: socket.socket) -> None:
    one.setblocking(False)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
