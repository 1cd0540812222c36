"""An epoll loop as small as it can be: both ends of the load share one core, and must not be what is measured."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import Final

Handler = Callable[[], None]
READ: Final = select.EPOLLIN
READ_AND_WRITE: Final = select.EPOLLIN | select.EPOLLOUT


class Stuck(Exception):
    """Nothing happened for too long; the message says in what."""


class Loop:
    """Calls a socket's handler when it is readable (or writable, if asked for)."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}

    def add(self, one: socket.socket, handler: Handler) -> None:
        """Call `handler` whenever the socket can be read."""
        self._handlers[one.fileno()] = handler
        self._epoll.register(one, READ)

    def wants(self, one: socket.socket, events: int) -> None:
        """READ or READ_AND_WRITE."""
        self._epoll.modify(one, events)

    def drop(self, one: socket.socket) -> None:
        """Forget the socket and close it."""
        del self._handlers[one.fileno()]
        self._epoll.unregister(one)
        one.close()

    def step(self, timeout_s: float) -> None:
        """Handle what is ready; wait for it at most so long."""
        handlers = self._handlers
        for descriptor, _ in self._epoll.poll(timeout_s):
            handler = handlers.get(descriptor)  # one handler may drop another's socket
            if handler is not None:
                handler()

    def run(self, seconds: float) -> None:
        """Handle events for so long."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.step(left)

    def until(self, done: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
        """Handle events until `done`. Raises Stuck."""
        end = time.perf_counter() + seconds
        while not done():
            if time.perf_counter() > end:
                raise Stuck(f"{what}: not within {seconds:g} s")
            self.step(0.1)

    def close(self) -> None:
        """Forget everything; the sockets are their owners'."""
        self._epoll.close()
