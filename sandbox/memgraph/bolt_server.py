"""The Bolt listener: bytes in protocol callbacks, one task a connection for the messages.

A connection that ends still gets the messages executed that had arrived: a server that was stopped (SIGSTOP) and goes
on does the same with what its sockets hold. One log line tells how each session ended.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from typing import Final, cast

import anyio
from anyio.abc import TaskGroup

from sandbox.memgraph.clients import Clients
from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt.messages import failure, protocol_failure
from sandbox.memgraph.core.bolt.results import Abandoned
from sandbox.memgraph.core.bolt.session import Session, State
from sandbox.memgraph.core.bolt.stream import HANDSHAKE_SIZE, MAGIC, Decoder, negotiate
from sandbox.memgraph.core.errors import ProtocolError
from sandbox.memgraph.runtime import Runtime
from sidecar.contract.logs import emit

_log: Final = logging.getLogger(__name__)
_PASSWORD: Final = re.compile("password|identified", re.IGNORECASE)
SEND_AT_ONCE: Final = 64 * 1024
"""Bytes of answers that are not collected any further: a client that reads slowly has to be noticed."""
QUEUE_LIMIT: Final = 1000
"""Messages that wait before reading pauses: a driver pipelines a handful. They are handled in one go, answers to them
leaving together: nobody else waits for longer than these take."""


class BoltConnection(asyncio.Protocol):
    """One client. `run_id` names this process in every summary."""

    def __init__(self, runtime: Runtime, clients: Clients, tasks: TaskGroup, *, run_id: str = "") -> None:
        self._runtime = runtime
        self._clients = clients
        self._tasks = tasks
        self._run_id = run_id
        self._decoder = Decoder()
        self._session: Session | None = None
        self._messages: deque[bytes | ProtocolError] = deque()
        self._arrived = anyio.Event()
        self._writable = anyio.Event()
        self._writable.set()
        self._ended = False
        self._answers = bytearray()
        self._complete = 0  # so many bytes of them may leave
        self._flushing = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""

        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._decoder.feed(data)
        if self._session is None and not self._shake_hands():
            return
        try:
            self._messages.extend(self._decoder.messages())
        except ProtocolError as error:
            self._messages.append(error)
        if len(self._messages) > QUEUE_LIMIT:
            self._transport.pause_reading()
        self._arrived.set()

    def _shake_hands(self) -> bool:
        handshake = self._decoder.take(HANDSHAKE_SIZE)
        if handshake is None:
            return False
        version = negotiate(handshake, self._runtime.instance.settings.compat.bolt_versions)
        if version is None:
            emit(_log, "HandshakeFailed", logging.WARNING, message=_complaint(handshake))
            self._transport.write(protocol_failure())
            self._transport.close()
            return False
        self._transport.write(bytes((0, 0, version[1], version[0])))
        emit(_log, "SessionBegun", logging.DEBUG, bolt=f"{version[0]}.{version[1]}")
        trace = QueryLog().log if _log.isEnabledFor(logging.DEBUG) else lambda event, text: None
        self._session = Session(self._runtime.instance, version, self._answers.extend, run_id=self._run_id, trace=trace)
        self._tasks.start_soon(self._serve, self._session)
        return True

    def _flush_soon(self) -> None:
        """Send what was answered: as soon as a message has to wait for something, or none is left.

        Only called after a message was handled to its end: what it changed is on the disk before anybody hears of it.
        """
        self._complete = len(self._answers)
        if self._complete > SEND_AT_ONCE:
            self._flush()
        elif self._complete and not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        answers = bytes(self._answers[: self._complete])
        del self._answers[: self._complete]
        self._complete = 0
        if answers and not self._transport.is_closing():
            self._transport.write(answers)

    def eof_received(self) -> bool:
        """Called by the loop. Stay open: answers to what was asked still go out. (TLS can't be closed by half.)"""
        self._ended = True
        self._arrived.set()
        return self._session is not None and self._transport.get_extra_info("sslcontext") is None

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
        end, level, reason = "goodbye", logging.INFO, {}
        try:
            if not await self._handle_messages(session):
                end = "eof"
            elif session.refused:
                end, level = "login refused", logging.WARNING
        except ProtocolError as error:
            end, level, reason = "protocol broken", logging.WARNING, {"reason": str(error)}
            if not isinstance(error, Abandoned):
                self._answers.extend(protocol_failure())
        except Exception:  # a defect of this server costs one connection, as in the real one
            end, level = "crash", logging.ERROR
            _log.exception("SessionCrashed")
            self._answers.extend(failure(errors.UNKNOWN, errors.UNKNOWN_MESSAGE))
        finally:
            session.close()
            self._runtime.wake()
            self._runtime.flush()
            self._complete = len(self._answers)
            self._flush()
            self._transport.close()
        bolt = f"{session.version[0]}.{session.version[1]}"
        emit(_log, "SessionEnded", level, by=end, client=session.client, bolt=bolt, **reason)

    async def _handle_messages(self, session: Session) -> bool:
        """Until the session closes (True) or the client is gone (False)."""
        while session.state is not State.CLOSED:
            if not self._messages:
                if self._ended:
                    return False
                self._arrived = anyio.Event()
                await self._arrived.wait()
                continue
            message = self._messages.popleft()
            if len(self._messages) == QUEUE_LIMIT // 2 and not self._transport.is_closing():
                self._transport.resume_reading()
            if isinstance(message, ProtocolError):
                raise message
            await self._clients.reached_by(session.client)
            await self._runtime.run(session.handle(message))
            self._flush_soon()
            if not self._writable.is_set():
                await self._writable.wait()
        return True


def _complaint(handshake: bytes) -> str:
    if handshake[:4] != MAGIC:
        return "not a Bolt client"
    return f"no common Bolt version; proposed: {handshake[4:].hex(' ', 4)}"


class QueryLog:
    """Queries and their failures, but for those that may hold a password."""

    def __init__(self) -> None:
        self._secret = False

    def log(self, event: str, text: str) -> None:
        """A session's trace."""
        if event == "Query":
            self._secret = _PASSWORD.search(text) is not None
        emit(_log, event, logging.DEBUG, text="(not shown: it may hold a password)" if self._secret else text)
