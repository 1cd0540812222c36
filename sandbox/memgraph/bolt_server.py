"""The Bolt listener: bytes in protocol callbacks, one task a connection for the messages.

A connection that ends still gets the messages executed that had arrived: a server that was stopped (SIGSTOP) and goes
on does the same with what its sockets hold.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final, cast

import anyio
from anyio.abc import TaskGroup

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt.packstream import Structure
from sandbox.memgraph.core.bolt.session import Session, State, failure, protocol_failure
from sandbox.memgraph.core.bolt.stream import HANDSHAKE_SIZE, MAGIC, Decoder, negotiate
from sandbox.memgraph.core.errors import ProtocolError
from sandbox.memgraph.runtime import Runtime

_log: Final = logging.getLogger(__name__)
QUEUE_LIMIT: Final = 1000
"""Messages that wait before reading pauses: a driver pipelines a handful."""


class BoltConnection(asyncio.Protocol):
    """One client."""

    def __init__(self, runtime: Runtime, tasks: TaskGroup) -> None:
        self._runtime = runtime
        self._tasks = tasks
        self._decoder = Decoder()
        self._session: Session | None = None
        self._answers = bytearray()
        self._messages: deque[Structure | ProtocolError] = deque()
        self._arrived = anyio.Event()
        self._writable = anyio.Event()
        self._writable.set()
        self._ended = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""

        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._decoder.feed(data)
        try:
            if self._session is None and not self._shake_hands():
                return
            self._messages.extend(self._decoder.messages())
        except ProtocolError as error:
            if self._session is None:
                self._transport.write(protocol_failure())
                self._transport.close()
                return
            self._messages.append(error)
        if len(self._messages) > QUEUE_LIMIT:
            self._transport.pause_reading()
        self._arrived.set()

    def _shake_hands(self) -> bool:
        if not self._decoder.begins_like(MAGIC):
            raise ProtocolError("not a Bolt client")
        handshake = self._decoder.take(HANDSHAKE_SIZE)
        if handshake is None:
            return False
        version = negotiate(handshake, self._runtime.instance.settings.compat.bolt_versions)
        if version is None:
            raise ProtocolError("no common Bolt version")
        self._transport.write(bytes((0, 0, version[1], version[0])))
        self._session = Session(self._runtime.instance, version, self._answers.extend)
        self._tasks.start_soon(self._serve, self._session)
        return True

    def eof_received(self) -> bool:
        """Called by the loop. Stay open: answers to what was asked still go out."""
        self._ended = True
        self._arrived.set()
        return self._session is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._ended = True
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """Called by the loop."""
        self._writable = anyio.Event()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._writable.set()

    async def _serve(self, session: Session) -> None:
        try:
            while session.state is not State.CLOSED:
                if not self._messages:
                    if self._ended:
                        return
                    self._arrived = anyio.Event()
                    await self._arrived.wait()
                    continue
                message = self._messages.popleft()
                if len(self._messages) == QUEUE_LIMIT // 2 and not self._transport.is_closing():
                    self._transport.resume_reading()
                if isinstance(message, ProtocolError):
                    raise message
                await self._runtime.run(session.handle(message))
                # Not before: what an answer acknowledges is on the disk now, and uvloop sends at once.
                self._transport.write(bytes(self._answers))
                self._answers.clear()
                await self._writable.wait()
        except ProtocolError:
            self._transport.write(protocol_failure())
        except Exception:  # a defect of this server costs one connection, as in the real one
            _log.exception("SessionCrashed")
            self._transport.write(failure(errors.UNKNOWN, errors.UNKNOWN_MESSAGE))
        finally:
            session.close()
            self._runtime.wake()
            self._runtime.flush()
            self._transport.close()
